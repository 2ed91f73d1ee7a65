# ./exo run, linux, debug, and what image.sh needs: makes the root file system, finds PROGRAM, puts the machine together and runs it. Sourced.
# shellcheck shell=bash disable=SC2154,SC2034

# shellcheck source=tools/network.sh
. "$root/tools/network.sh"
# shellcheck source=tools/disk.sh
. "$root/tools/disk.sh"

NAME_SERVER=10.0.2.3 # of QEMU's own network, where the machine is 10.0.2.15 and the host 10.0.2.2
DEFAULT_PATH=/bin:/sbin:/usr/bin:/usr/sbin
MODULES=.exos/modules # the baseline's drivers, for linux-init
CACHES=256/1:256/4:256/8 # KiB/ways: what --cachesim models
FIXED_TIME=1767225600 # 2026-01-01T00:00:00Z: what the clock says when time is counted in instructions

# The options, as machine_options leaves them; and what the baseline's archive has beside them.
files=() beside=() guest_env=() program=() root_folder='' root_image='' memory=512M cpus=1 icount='' timeout='' machine=microvm accelerator='' keep='' module='' policy='' cachesim='' count='' profile='' cpu_model='' size=''
elsewhere= # set: the image is for a machine that this host does not run, whose terminal is a serial line

# set_env K=V: the later of two values of one name counts.
set_env() {
	local i name=${1%%=*}
	[[ $1 == ?*=* ]] || die "--env $1: K=V is expected"
	for i in "${!guest_env[@]}"; do
		[[ ${guest_env[i]} != "$name="* ]] || unset "guest_env[i]"
	done
	guest_env+=("$1")
}

machine_options() {
	local option value
	while [ $# -gt 0 ]; do
		option=$1
		shift
		case $option in
		--) break ;;
		--icount) icount=1 ;;
		--kvm | --tcg) accelerator=${option#--} ;;
		--keep) keep=1 ;;
		--no-net) no_net=1 ;;
		--size | --file | --root | --disk | --blockdev | --publish | --net | --env | --mem | --smp | --timeout | --machine | --module | --arbiter | --cachesim | --count | --profile | --cpu | \
			--size=* | --file=* | --root=* | --disk=* | --blockdev=* | --publish=* | --net=* | --env=* | --mem=* | --smp=* | --timeout=* | --machine=* | \
			--module=* | --arbiter=* | --cachesim=* | --count=* | --profile=* | --cpu=*)
			if [[ $option == *=* ]]; then
				value=${option#*=}
			else
				[ $# -gt 0 ] || die "$option: a value is missing"
				value=$1
				shift
			fi
			machine_option "${option%%=*}" "$value"
			;;
		-*) die "$option: no such option; ./exo help $command lists them" ;;
		*)
			set -- "$option" "$@"
			break
			;;
		esac
	done
	program=("$@")
}

machine_option() {
	case $1 in
	--file) files+=("$2") ;;
	--publish | --net) network_option "$@" ;;
	--disk | --blockdev) disk_option "$@" ;;
	--root) root_option "$2" ;;
	--env) set_env "$2" ;;
	--mem)
		[[ $2 =~ ^[1-9][0-9]*[KMGkmg]?$ ]] || die "--mem $2: a size such as 512M is expected"
		memory=$2
		;;
	--smp)
		[[ $2 =~ ^([1-9]|[1-5][0-9]|6[0-4])$ ]] || die "--smp $2: a number of CPUs from 1 to 64 is expected"
		cpus=$2
		;;
	--timeout)
		[[ $2 =~ ^[0-9]+([.][0-9]+)?$ ]] || die "--timeout $2: a number of seconds is expected"
		timeout=$2
		;;
	--machine)
		[ "$2" = microvm ] || [ "$2" = q35 ] || die "--machine $2: microvm or q35 is expected"
		machine=$2
		;;
	--module)
		[ -r "$2" ] || die "--module $2: no such file"
		module=$2
		;;
	--arbiter)
		[ "$command" = run ] || die "--arbiter: only ./exo run has it"
		policy=$2
		[ -f "$policy" ] || policy=$root/apps/arbiter/policies/$2.policy
		[ -r "$policy" ] || die "--arbiter $2: no such policy; there are: $(policy_names)"
		;;
	--size)
		[ "$command" = image ] || die "--size: only ./exo image has it"
		size=$(numfmt --from=iec "${2%[bB]}" 2>/dev/null) || die "--size $2: a size such as 512M is expected"
		;;
	--count | --profile)
		[[ $2 != *,* ]] || die "$1 $2: a file without commas in its name is expected"
		[ "$1" = --profile ] || count=$2
		[ "$1" = --count ] || profile=$2
		;;
	--cpu)
		[[ $2 =~ ^[A-Za-z0-9]+ ]] || die "--cpu $2: a model is expected, such as max,-erms"
		cpu_model=$2
		;;
	--cachesim)
		[[ $2 != *,* ]] || die "--cachesim $2: a file without commas in its name is expected"
		cachesim=$2
		;;
	esac
}

# A folder is packed; an image of a file system is a disk that is mounted as the root: the first, whatever other disks were named before it.
root_option() {
	root_folder='' root_image=''
	if [ -d "$1" ]; then
		root_folder=$1
	elif [ -e "${1%,readonly}" ]; then
		root_image=$1
	else
		die "--root $1: no such folder or image"
	fi
}

attach_root() {
	local last
	[ -n "$root_image" ] || return 0
	disk_option --root "$root_image"
	last=$((${#disks[@]} - 1))
	disks=("${disks[last]}" "${disks[@]:0:last}")
	disk_nodes=("${disk_nodes[last]}" "${disk_nodes[@]:0:last}")
}

# For a root on a disk the archive has what is to be started, and what is put into that root first (exos/start_root.h): the files that were named, and what PROGRAM needs and the root lacks.
disk_root_operations() {
	local file
	local fixed=
	operations+=("${beside[@]}" --start root=1)
	if [[ ${disks[0]} == on:* ]]; then
		[ ${#files[@]} -eq 0 ] || die "--file: the root is read-only, so nothing can be put into it"
		fixed=1
		operations+=(--fixed yes)
	fi
	operations+=(--below .exos/added)
	for file in "${files[@]}"; do
		operations+=(--file "$file")
	done
	if [ -z "$shell" ]; then
		operations+=(--disk-program "${program[0]}")
	else
		operations+=(--start program-name=/bin/sh)
		[ -n "$fixed" ] || operations+=(--start program-else=/bin/sh --below .exos/lacked --file "$busybox:/bin/busybox" --link bin/sh /bin/busybox)
	fi
}

policy_names() {
	local names=("$root"/apps/arbiter/policies/*.policy)
	names=("${names[@]##*/}")
	echo "${names[*]%.policy}"
}

# The root without --root: BusyBox, a link for each of its applets, and the few files and folders that programs expect.
base_root() {
	local base=$build/root.cpio applet operations
	[ "$base" -nt "$busybox" ] && [ "$base" -nt "$build/pack" ] && [ "$base" -nt "$root/tools/machine.sh" ] && return
	operations=(--file "$busybox:/bin/busybox")
	while read -r applet; do
		[ "$applet" = bin/busybox ] || operations+=(--link "$applet" /bin/busybox)
	done < <("$busybox" --list-full)
	root_skeleton
	"$build/pack" "$base.new.$$" "${operations[@]}" || exit
	mv "$base.new.$$" "$base"
}

root_skeleton() {
	operations+=(--folder dev 0755 --folder proc 0555 --folder root 0700 --folder tmp 1777
		--text etc/passwd $'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'
		--text etc/group $'root:x:0:\nnogroup:x:65534:\n'
		--text etc/hosts $'127.0.0.1 localhost\n127.0.1.1 exos\n')
}

# What the first process is to be: the records of .exos/start (tools/README.md), in front of all else in the archive.
start_records() {
	local argument terminals='' rows='' columns='' epoch=$EPOCHSECONDS descriptor
	for argument in "${program[@]}"; do
		operations+=(--start "argv=$argument")
	done
	for argument in "${guest_env[@]}"; do
		operations+=(--start "env=$argument")
	done
	for descriptor in 0 1 2; do
		if [ -t $descriptor ]; then
			terminals+=1
			read -r rows columns < <(stty size <&$descriptor 2>/dev/null)
		else
			terminals+=0
		fi
	done
	if [ -n "$elsewhere" ]; then
		operations+=(--start cwd=/ --start tty=111 --start plain=1)
		return
	fi
	[ -z "$icount" ] || epoch=$FIXED_TIME
	operations+=(--start cwd=/ --start "tty=$terminals" --start "rows=${rows:-24}" --start "columns=${columns:-80}"
		--start "epoch=$epoch")
}

# make_image FILE [PACK-OPERATION...]: the archive that the machine boots with.
make_image() {
	local image=$1 file operations=() shell=
	shift
	[ ${#program[@]} -gt 0 ] || { program=(/bin/sh) shell=1; }
	start_records
	if [ -n "$root_image" ]; then
		disk_root_operations
		"$build/pack" "$image" "$@" "${operations[@]}" || exit
		return
	fi
	[ -z "$shell" ] || operations+=(--start program-name=/bin/sh)
	if [ -n "$root_folder" ]; then
		operations+=(--tree "$root_folder")
	else
		operations+=(--archive "$build/root.cpio")
	fi
	for file in "${files[@]}"; do
		operations+=(--file "$file")
	done
	operations+=("${beside[@]}")
	if [ -n "$root_folder" ]; then
		operations+=(--keep yes --file "$busybox:/bin/busybox" --link bin/sh /bin/busybox)
		root_skeleton
	fi
	[ -n "$shell" ] || operations+=(--program "${program[0]}")
	[ -z "$net" ] || operations+=(--keep yes --text etc/resolv.conf "nameserver $NAME_SERVER"$'\n')
	"$build/pack" "$image" "$@" "${operations[@]}" || exit
}

# The emulator loads kernel and image before anybody could say that they do not fit: so that is seen to here. What the system itself needs
# beyond them it says itself.
memory_suffices() { # IMAGE
	local bytes least=$((($(stat -c %s "$1") >> 20) + 4))
	bytes=$(numfmt --from=iec "${memory%[bB]}" 2>/dev/null) || return 0
	[ "$bytes" -ge $((least << 20)) ] || die "--mem $memory is not enough memory: kernel, library and root file system alone fill ${least}M"
}

# Prints kvm or tcg. /dev/kvm may open where no guest runs, so the kernel is booted once, without anything to start: it must say so.
find_accelerator() {
	if [ -n "$icount" ]; then
		echo tcg
	elif [ -n "$accelerator" ]; then
		echo "$accelerator"
	elif ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
		echo tcg
	else
		[ -s "$build/accelerator" ] || probe_kvm
		cat "$build/accelerator"
	fi
}

probe_kvm() {
	local said=
	build_targets aegis
	said=$(timeout 5 qemu-system-x86_64 -M microvm,isa-serial=off -accel kvm -cpu host -m 64M -nodefaults -no-user-config \
		-display none -no-reboot -kernel "$build/aegis" -chardev stdio,id=console0 \
		-device isa-serial,chardev=console0,iobase=0x3f8,irq=4 -device isa-debug-exit,iobase=0xf4,iosize=0x04 </dev/null 2>/dev/null)
	if [ -n "$said" ]; then
		echo kvm
	else
		echo tcg
	fi >"$build/accelerator"
}

# machine_command KERNEL IMAGE: leaves the emulator's command in `emulator`. The two serial lines are joined to build/link, which
# puts its own ends for @CONSOLE0@ (kernel log) and @CONSOLE1@ (exos/tty/link.h).
machine_command() {
	local accel processors=$cpus
	accel=$(find_accelerator) || exit
	emulator=(qemu-system-x86_64)
	[ ${#publish[@]} -eq 0 ] || emulator=(env "LD_PRELOAD=$build/backlog.so" "${emulator[@]}")
	case $machine in
	microvm) emulator+=(-M "microvm,isa-serial=off" -global "virtio-mmio.force-legacy=false") ;;
	*) emulator+=(-M "$machine") ;;
	esac
	case $accel in
	kvm) emulator+=(-accel kvm -cpu host) ;;
	*) emulator+=(-accel tcg -cpu "${cpu_model:-max}") ;;
	esac
	# Where there is never more than one CPU, TCG leaves out the guest's memory barriers, though its devices run beside it: device and driver then miss each other now and then, and
	# a queue stands still for good. So there is room for a second one. (With --icount that changes nothing.)
	[ "$accel" = kvm ] || [ -n "$icount" ] || [ "$cpus" -gt 1 ] || processors=1,maxcpus=2
	[ -z "$icount" ] || emulator+=(-icount "shift=0,sleep=off" -rtc "base=2026-01-01T00:00:00,clock=vm")
	emulator+=(-m "$memory" -smp "$processors" -nodefaults -no-user-config -display none -no-reboot
		-chardev "@CONSOLE0@,id=console0" -device "isa-serial,chardev=console0,iobase=0x3f8,irq=4"
		-chardev "@CONSOLE1@,id=console1" -device "isa-serial,chardev=console1,iobase=0x2f8,irq=3"
		-device "isa-debug-exit,iobase=0xf4,iosize=0x04" -kernel "$1" -initrd "$2")
	network_device
	disk_devices
	[ -z "$count" ] || emulator+=(-plugin "$build/count.so,out=$count")
	[ -z "$profile" ] || emulator+=(-plugin "$build/profile.so,out=$profile")
	[ -z "$cachesim" ] || emulator+=(-plugin "$build/cachesim.so,out=$cachesim,caches=$CACHES")
}

# Everything up to the emulator's command: options, packages, builds, the work folder.
machine_prepare() {
	local targets=$1 tasks=$2
	shift 2
	busybox=/bin/busybox
	guest_env=("PATH=$DEFAULT_PATH" HOME=/root "TERM=${TERM:-dumb}" USER=root SHELL=/bin/sh)
	machine_options "$@"
	attach_root
	network_decide
	[ ${#program[@]} -gt 0 ] || [[ ! -t 0 && -z $elsewhere ]] || guest_env+=('PS1=exo:\w\$ ')
	# shellcheck disable=SC2086 # lists of words
	depend $tasks
	if [ -n "$cachesim" ]; then
		[ "$cpus" = 1 ] || die "--cachesim: the model is of one CPU"
		accelerator=tcg targets+=" cachesim.so"
	fi
	[ -z "$count" ] || accelerator=tcg targets+=" count.so"
	[ -z "$profile" ] || accelerator=tcg targets+=" profile.so"
	[ -z "$cpu_model" ] || accelerator=tcg
	[ ${#publish[@]} -eq 0 ] || targets+=" backlog.so"
	# shellcheck disable=SC2086
	build_targets $targets
	base_root
	work=$(mktemp -d "${TMPDIR:-/tmp}/exo.XXXXXX") || die "cannot make a folder for the image"
	[ -n "$keep" ] || trap 'rm -rf "$work"' EXIT
}

machine_go() {
	local link=("$build/link")
	[ -z "$timeout" ] || link+=(--timeout "$timeout")
	[ -z "$keep" ] || say "${emulator[*]}"
	"${link[@]}" -- "${emulator[@]}"
	exit
}

# A module of its own speaks plain text on the first serial line, and ends the machine with a status through isa-debug-exit.
machine_module() {
	local status
	machine_command "$build/aegis" "$module"
	emulator=("${emulator[@]/#@CONSOLE0@/stdio}")
	timeout "${timeout:-0}" "${emulator[@]/#@CONSOLE1@/null}" </dev/null
	status=$?
	[ $((status & 1)) -eq 0 ] || exit $((status >> 1))
	exit $((status == 124 ? 124 : 125))
}

# The arbiter boots instead of ExOS and starts it: it and the policy stand before the library.
arbiter_prefix() {
	build_targets arbiter arbiter-pack
	"$build/arbiter-pack" "$work/prefix" "$build/arbiter" "$policy" "$build/exos.module" || exit
	prefix=$work/prefix
}

machine_run() {
	local prefix=$build/exos.module
	machine_prepare "aegis exos.module pack link" machine "$@"
	[ -z "$module" ] || machine_module
	[ -z "$policy" ] || arbiter_prefix
	make_image "$work/image" --prefix "$prefix"
	memory_suffices "$work/image"
	machine_command "$build/aegis" "$work/image"
	machine_go
}

# What Debian's kernel has as modules and this machine needs: in the order in which they are loaded, each behind those that it depends on.
linux_modules() { # KERNEL
	local folder=/lib/modules/${1#*/vmlinuz-} names=() name module count=0 needed
	declare -A packed=()
	[ -z "$net" ] || names+=(virtio_net)
	[ ${#disks[@]} -eq 0 ] || names+=(virtio_blk crc32c_generic ext4) # ext4 asks for the checksum by name
	[ ${#names[@]} -gt 0 ] || return 0
	if [ "$machine" = microvm ]; then
		names=(virtio_mmio "${names[@]}")
	else
		names=(virtio_pci "${names[@]}")
	fi
	for name in "${names[@]}"; do
		needed=$(awk -v name="/$name.ko" 'index($1, name ":") { sub(":", "", $1); for (i = NF; i >= 1; i--) print $i }' "$folder/modules.dep")
		[ -n "$needed" ] || die "$folder has no module $name"
		for module in $needed; do
			[ -z "${packed[$module]-}" ] || continue
			packed[$module]=1
			beside+=(--file "$folder/$module:/$MODULES/$(printf %02d $count)")
			count=$((count + 1))
		done
	done
}

# That there is room for a second CPU (machine_command) is nothing that Linux should know: it would then not trust the time-stamp counter, and live by a periodic clock.
machine_linux() {
	local kernel frequency='' processors=''
	machine_prepare "linux-init pack link tsc" "machine linux" "$@"
	kernel=$(linux_kernel) || exit
	beside+=(--folder dev 0755 --folder proc 0555 --file "$build/linux-init:/init")
	linux_modules "$kernel"
	make_image "$work/image"
	machine_command "$kernel" "$work/image"
	[ -n "$icount" ] || [ "$(find_accelerator)" = kvm ] || frequency=" tsc_early_khz=$("$build/tsc")"
	[ "$cpus" -gt 1 ] || processors=' possible_cpus=1'
	emulator+=(-append "console=ttyS0 loglevel=1 panic=-1 edd=off$frequency$processors${net:+ address=$network_address}")
	machine_go
}

machine_debug() {
	# shellcheck source=tools/debug.sh
	. "$root/tools/debug.sh"
	debug_main "$@"
}
