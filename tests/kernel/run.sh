#!/usr/bin/env bash
# Runs the kernel's tests (those named, or all) one after another and prints their TAP, each under a `# kernel/NAME` line. Those named *_smp_test run
# on two CPUs at once, in real time; all others where time is counted in instructions. Fails when a point, or
# a whole machine, does. `./exo test kernel` runs the same programs side by side.
set -u
cd "$(dirname "$0")/../.." || exit 125
build=${BUILD:-build} seconds=40 failed=0

boot() { # MODULE: its output; its status, 125 when the machine failed, 124 when it hung
	local status cpus=(-icount "shift=0,sleep=off")
	[[ $1 != *_smp_test ]] || cpus=(-smp 2)
	# Two network interfaces on one hub, as ./exo run --net hub has them.
	case $1 in
	*/net_test | */handlers_test | */network*_test | */calls_test)
		cpus+=(-netdev "hubport,id=net0,hubid=0" -device "virtio-net-device,netdev=net0,mac=52:54:00:12:34:50,tx=timer"
			-netdev "hubport,id=net1,hubid=0" -device "virtio-net-device,netdev=net1,mac=52:54:00:12:34:51")
		;;
	esac
	case $1 in
	*/disk_*test | */extents_*test | */calls_test)
		truncate -s 0 "$1.disk" && truncate -s 64M "$1.disk" || return 125
		cpus+=(-drive "if=none,id=disk0,file=$1.disk,format=raw,cache=unsafe,discard=unmap" -device "virtio-blk-device,drive=disk0")
		;;
	esac
	timeout "$seconds" qemu-system-x86_64 -M microvm,isa-serial=off -accel tcg -cpu max -m 512M -nodefaults -no-user-config -display none \
		-no-reboot -global virtio-mmio.force-legacy=false "${cpus[@]}" -kernel "$build/aegis" -initrd "$1" -chardev stdio,id=console0 \
		-device isa-serial,chardev=console0,iobase=0x3f8,irq=4 -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null
	status=$?
	[ $((status & 1)) -eq 0 ] || return $((status >> 1))
	return $((status == 124 ? 124 : 125))
}

mkdir -p "$build" && flock "$build/lock" make --no-print-directory -s BUILD="$build" kernel kernel-tests hostile-tests >&2 || exit 125
[ $# -gt 0 ] || set -- tests/kernel/*_test.c tests/hostile/*_test.c
for name; do
	name=$(basename "${name%.c}")
	name=${name%_test}
	folder=kernel
	[ -f "tests/kernel/${name}_test.c" ] || folder=hostile
	echo "# $folder/$name"
	boot "$build/tests/$folder/${name}_test" || failed=$?
done
exit "$failed"
