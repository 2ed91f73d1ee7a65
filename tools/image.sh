# ./exo image: a root file system on a disk, or something that boots on a machine of its own. Sourced.
# shellcheck shell=bash disable=SC2154,SC2034

# shellcheck source=tools/machine.sh
. "$root/tools/machine.sh"

DISK_ROOM=64 # MiB that are free at least in a root on a disk, if nobody says how large it is to be
FILE_BYTES=5120 # what a file takes beyond its contents at most: the rest of its last block, its inode, its name

image_main() {
	local format=${1-} file=${2-}
	[ $# -ge 2 ] || die "image: a format (disk, iso, qcow2, elf) and a file are expected; ./exo help image"
	shift 2
	case $format in
	disk) image_disk "$file" "$@" ;;
	iso | qcow2 | elf) image_boots "$format" "$file" "$@" ;;
	*) die "image $format: no such format; there are disk, iso, qcow2, elf" ;;
	esac
}

# What is of the machine, which is another one.
image_options() {
	[ -z "$root_image" ] || die "image: --root $root_image: a folder is expected"
	[ ${#disks[@]} -eq 0 ] || die "image: --disk is for the machine that the image is used with"
	[ ${#publish[@]} -eq 0 ] || die "image: --publish is for the machine that the image is used with"
	[ -z "$policy$module$cachesim$count$profile" ] || die "image: --arbiter, --module, --cachesim, --count and --profile are for machines that run here"
}

image_boots() {
	local format=$1 file=$2
	shift 2
	elsewhere=1
	machine_prepare "aegis exos.module pack join" "build machine image" "$@"
	image_options
	[ -z "$size" ] || die "--size: only for the format disk"
	make_image "$work/image" --prefix "$build/exos.module"
	case $format in
	elf) "$build/join" "$build/aegis" "$work/image" "$work/made" || exit 125 ;;
	iso) image_iso "$work/made" ;;
	qcow2)
		image_iso "$work/iso" # which boots from a disk as well
		qemu-img convert -f raw -O qcow2 "$work/iso" "$work/made" || die "image: qemu-img failed"
		;;
	esac
	cp "$work/made" "$file" || die "image: $file cannot be written"
}

image_iso() { # FILE
	local log=$work/log
	mkdir -p "$work/tree/boot/grub"
	cp "$build/aegis" "$work/image" "$work/tree/boot/" || die "image: no room in $work"
	cat >"$work/tree/boot/grub/grub.cfg" <<'END'
set timeout=0
menuentry ExOS {
	multiboot2 /boot/aegis
	module2 /boot/image
}
END
	grub-mkrescue -d /usr/lib/grub/i386-pc -o "$1" "$work/tree" >"$log" 2>&1 || die "image: grub-mkrescue failed: $(tail -n 1 "$log")"
}

# mke2fs puts the folder in; what else belongs there, ExOS itself does, with the image as its root.
image_disk() {
	local file=$1 status
	shift
	machine_prepare "aegis exos.module pack link" "machine image" "$@"
	image_options
	[ ${#program[@]} -eq 0 ] || die "image disk: no PROGRAM: ./exo run --root $file PROGRAM runs one from it"
	[ ! -e "$file" ] || die "image disk: $file is there already, and may have what a machine has written"
	new=$file.new.$$
	trap 'rm -rf "$work" "$new"' EXIT
	image_make_disk
	disk_option --disk "$new"
	no_net=1 net='' timeout=${timeout:-600}
	image_fill_records
	machine_command "$build/aegis" "$work/image"
	(machine_go) </dev/null >"$work/said" 2>&1
	status=$?
	[ $status -eq 0 ] || die "image disk: what a root needs could not be put into it: $(tail -n 1 "$work/said")"
	mv "$new" "$file" || die "image disk: $file cannot be made"
}

# A quarter more than the files take is for what the file system needs for itself; the rest is room.
image_make_disk() {
	local counted number=0 bytes=0 from=()
	if [ -n "$root_folder" ]; then
		from=(-d "$root_folder")
		counted=$(find "$root_folder" -printf '%s\n' | awk -v more=$FILE_BYTES '{ n++; sum += $1 + more } END { printf "%d %d", n, sum }')
		read -r number bytes <<<"$counted"
	fi
	[ -n "$size" ] || size=$((bytes * 5 / 4 + (DISK_ROOM << 20)))
	[ ${#from[@]} -eq 0 ] || say "image disk: $number files, $((bytes >> 20)) MiB, into a disk of $((size >> 20)) MiB"
	truncate -s $((size >> 12 << 12)) "$new" || die "image disk: $new cannot be made"
	PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext3 -b 4096 -N $((number + size / 16384 + 256)) "${from[@]}" "$new" >"$work/log" 2>&1 &
	image_progress $! $((bytes >> 20))
	wait $! || die "image disk: mke2fs failed ($(tail -n 1 "$work/log")); --size gives it more room"
}

# Says every few seconds how far it is, as long as somebody sees it.
image_progress() { # PROCESS MEBIBYTES
	local seconds=0
	while [ -t 2 ] && kill -0 "$1" 2>/dev/null; do
		sleep 0.2
		seconds=$((seconds + 1))
		[ $((seconds % 10)) -ne 0 ] || printf '\rexo: image disk: %d of %d MiB ' $(($(stat -c '%b * %B >> 20' "$new"))) "$2" >&2
	done
	[ $seconds -lt 10 ] || printf '\n' >&2
}

# Files that are named replace those of the folder; the rest is put there where it is missing. What belongs to whoever runs this is root's in the image.
image_fill_records() {
	local operations=() file
	program=(/bin/busybox true)
	[ "$(id -u)" = 0 ] || program=(/bin/busybox find / -xdev "(" -user "$(id -u)" -o -group "$(id -g)" ")" -exec /bin/busybox chown -h 0:0 "{}" +)
	start_records
	operations+=(--start root=1 --start program-name=/bin/busybox --below .exos/added)
	for file in "${files[@]}"; do
		operations+=(--file "$file")
	done
	operations+=(--below .exos/lacked)
	if [ -n "$root_folder" ]; then
		operations+=(--file "$busybox:/bin/busybox" --link bin/sh /bin/busybox)
		root_skeleton
	else
		operations+=(--archive "$build/root.cpio")
	fi
	operations+=(--text etc/resolv.conf "nameserver $NAME_SERVER"$'\n')
	"$build/pack" "$work/image" --prefix "$build/exos.module" "${operations[@]}" || exit
}
