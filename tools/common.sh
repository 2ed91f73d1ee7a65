# What every command of ./exo uses: messages, dependencies, building. Sourced, with $root and $build set.
# shellcheck shell=bash disable=SC2154

say() { printf 'exo: %s\n' "$*" >&2; }

# The machine, or what is around it, failed: PROGRAM has not been run, or its status is not known.
die() {
	say "$@"
	exit 125
}

# Which Debian packages a task needs: package, what proves that it is here, and what it is for. The proof is a command or a
# path (a pattern may stand for versions), since asking dpkg would cost more than the whole start.
dependencies_of() {
	case $1 in
	machine)
		echo 'qemu-system-x86 qemu-system-x86_64 the virtual machine'
		echo 'busybox-static /var/lib/dpkg/info/busybox-static.list the shell and the tools inside the machine'
		dependencies_of build
		;;
	build)
		echo 'gcc gcc the compiler'
		echo 'libc6-dev /usr/include/x86_64-linux-gnu/gnu/stubs-64.h headers and libraries for the tools that run on this host'
		echo 'binutils objdump assembler, linker and listings'
		echo 'make make builds what has changed'
		;;
	image)
		echo 'e2fsprogs /sbin/mke2fs makes file systems of folders'
		echo 'grub-common grub-mkrescue makes images that boot'
		echo 'grub-pc-bin /usr/lib/grub/i386-pc/multiboot2.mod the boot loader in them'
		echo 'xorriso xorriso writes them, for GRUB'
		echo 'mtools mformat writes them, for GRUB'
		echo 'qemu-utils qemu-img turns them into the emulator'"'"'s own format'
		;;
	linux)
		echo 'linux-image-amd64 /boot/vmlinuz-*-amd64 the Linux kernel that is the baseline'
		;;
	test)
		echo 'bash-static /bin/bash-static runs inside the machine in the tests'
		echo 'musl-tools musl-gcc builds the static programs that run inside the machine'
		echo 'libcmocka-dev /usr/include/cmocka.h unit tests on this host'
		echo 'fdisk /sbin/sfdisk makes partition tables'
		echo 'sqlite3 sqlite3 a program whose data must not be lost, run inside the machine too'
		echo 'procps pkill kills machines in the middle of their work'
		echo 'libpcap-dev /usr/include/pcap.h its filters are what ours are compared with'
		echo 'tcpdump tcpdump writes programs for filters, and reads what was captured'
		echo 'expect expect types at the terminal in the tests'
		echo 'libslirp-dev /usr/include/slirp/libslirp.h the network behind the wire of the tests (tests/net/wire)'
		echo 'curl curl a client of the servers in the machine'
		echo 'redis-tools redis-benchmark a client, and the program that the package redis-server starts'
		echo 'gcc-bpf bpf-gcc compiles handlers that the kernel runs'
		dependencies_of plots
		dependencies_of image
		;;
	bench)
		echo 'curl curl a client of the servers that are measured'
		echo 'musl-tools musl-gcc builds the static programs that are measured'
		echo 'gcc-bpf bpf-gcc compiles handlers that the kernel runs'
		echo 'e2fsprogs /sbin/mke2fs makes the file systems that are measured'
		;;
	plots)
		echo 'gnuplot-nox gnuplot draws the figures'
		;;
	debug)
		echo 'gdb gdb the debugger'
		;;
	esac
}

present() {
	case $1 in
	/*) compgen -G "$1" >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

install_packages() {
	local as_root=() log=$build/packages.log
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "root is needed to install: apt-get install --no-install-recommends $*"
		as_root=(sudo)
	fi
	command -v apt-get >/dev/null || die "there is no apt-get here (Debian 12 is expected); needed: $*"
	local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
	if ! "${install[@]}" </dev/null >"$log" 2>&1; then
		say "fetching the list of packages (apt-get update)"
		"${as_root[@]}" apt-get update </dev/null >>"$log" 2>&1 || die "apt-get update failed; see $log"
		"${install[@]}" </dev/null >>"$log" 2>&1 || die "could not install: $*; see $log"
	fi
}

# depend TASK...: installs what the tasks need and this host lacks. What was found once is not looked for again.
depend() {
	local task package proof why missing=()
	for task in "$@"; do
		[ ! -e "$build/have.$task" ] || continue
		mkdir -p "$build" || die "cannot make $build"
		missing=()
		while read -r package proof why; do
			present "$proof" && continue
			say "installing the Debian package $package: $why"
			missing+=("$package")
		done < <(dependencies_of "$task")
		[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
		: >"$build/have.$task"
	done
}

# build_targets TARGET...: makes them (names below build/), quietly. Whoever has built everything already says so by EXO_BUILT=1
# for the commands that it starts, so that those start at once and do not build at the same time.
build_targets() {
	[ -z "${EXO_BUILT-}" ] || return 0
	flock "$build/lock" make --no-print-directory -s -C "$root" "${@/#/build/}" </dev/null >&2 || die "the build failed"
}

# The kernel that is the baseline: the newest that is installed.
linux_kernel() {
	local kernel newest=
	for kernel in /boot/vmlinuz-*-amd64; do
		[[ ! $kernel -nt $newest && -n $newest ]] || newest=$kernel
	done
	[ -r "$newest" ] || die "no readable Linux kernel in /boot"
	echo "$newest"
}
