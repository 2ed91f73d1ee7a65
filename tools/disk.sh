# The machine's disks: --disk, --blockdev. Sourced by machine.sh.
# shellcheck shell=bash disable=SC2154,SC2034

disks=() disk_nodes=() # what was given, for messages; and what the emulator is told of each, without its name

disk_option() {
	case $1 in
	--disk | --root) disk_image "$@" ;;
	--blockdev)
		[[ $2 == \{*:*\} ]] || die "--blockdev $2: a JSON object is expected, such as {\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"IMAGE\"}}"
		disks+=('') disk_nodes+=("$2")
		;;
	esac
}

# What is in the file tells its format. An emulator's message would come late and name neither option nor remedy, so what can be wrong is looked for here.
disk_image() { # OPTION IMAGE[,readonly]
	local said="$1 $2" image=${2%,readonly} readonly=off format=raw other magic
	[ "$image" = "$2" ] || readonly=on
	[ ! -d "$image" ] || die "$said: $image is a folder; an image is expected (mke2fs -d FOLDER IMAGE SIZE makes one of it)"
	[ -e "$image" ] || die "$said: no such file (mke2fs -t ext3 IMAGE 64M makes one)"
	[ -f "$image" ] || die "$said: not a file"
	[ -r "$image" ] || die "$said: the file cannot be read"
	read -r magic < <(od -A n -t x1 -N 4 "$image")
	if [ "$magic" = '51 46 49 fb' ]; then
		format=qcow2
	elif [ ! -s "$image" ] || [ $(($(stat -L -c %s "$image") % 512)) -ne 0 ]; then
		die "$said: not an image of a disk: its size is no multiple of 512 bytes"
	fi
	if [ $readonly = off ] && [ ! -w "$image" ]; then
		say "$said: the file cannot be written, so the disk is read-only"
		readonly=on
	fi
	for other in "${disks[@]}"; do
		[ -z "$other" ] || ! [ "$image" -ef "${other#*:}" ] || [ "$readonly,${other%%:*}" = on,on ] || die "$said: the same image twice (of which one can be written)"
	done
	disks+=("$readonly:$image")
	disk_nodes+=("driver=$format,read-only=$readonly,discard=unmap,file.driver=file,file.discard=unmap,file.filename=${image//,/,,}")
}

# Writes go to the host's page cache, and a flush to the host's disk (cache mode writeback, the emulator's default): so what the guest has flushed survives a crash of the host, and reading the host's cache is what both systems are measured with. An error is the guest's to
# handle: the emulator would stop the machine when the host's disk is full.
disk_devices() {
	local i node device=virtio-blk-pci
	[ "$machine" != microvm ] || device=virtio-blk-device
	for i in "${!disk_nodes[@]}"; do
		node=${disk_nodes[i]}
		if [[ $node == \{* ]]; then
			node="{\"node-name\":\"disk$i\",${node#\{}"
		else
			node+=",node-name=disk$i"
		fi
		emulator+=(-blockdev "$node" -device "$device,drive=disk$i,werror=report,rerror=report")
	done
}
