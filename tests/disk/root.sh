#!/usr/bin/env bash
# A root file system on a disk: what is run from it, what is added to it, what is refused, what is there the next time; and the images that ./exo image makes.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
disk=$scratch/disk

clean() { # NAME [IMAGE]
	local said
	said=$(e2fsck -fn "${2:-$disk}" 2>&1) && ok "$1" || not_ok "$1" "$said"
}
run() { capture machine --no-net --timeout 100 "$@"; }

# The tree: BusyBox, and this host's bash and some of its tools with their libraries: dynamic programs.
tree=$scratch/tree
mkdir -p "$tree"/{bin,etc,root} && cp /bin/busybox "$tree/bin/" && ln -s busybox "$tree/bin/sh" && echo text >"$tree/etc/text"
for program in bash cat ls sort sha256sum wc; do
	cp "$(type -P $program)" "$tree/bin/"
	while read -r library; do
		mkdir -p "$tree${library%/*}" && cp -n "$library" "$tree$library"
	done < <(ldd "$tree/bin/$program" | grep -o '/[^ ]*')
done
truncate -s 96M "$disk"
mke2fs -q -F -t ext3 -d "$tree" "$disk" 2>/dev/null
cp "$disk" "$scratch/first"

run --root "$disk" -- sh -c 'busybox mount; echo one >/root/file; echo lost >/tmp/file; test -c /dev/null && busybox test -d /proc/1 && exit 3'
is "$status" 3 "PROGRAM runs from the disk"
like "$output" '/dev/vda on / type ext4 \(rw,' "the disk is the root"
clean "nobody has unmounted it, and it is clean"
run --root "$disk" -- sh -c 'read x </root/file; echo $x; echo two >>/root/file; busybox ls /tmp'
is "$status $output" "0 one" "the second run finds what the first wrote, but in /tmp"
is "$(debugfs -R 'cat /root/file' "$disk" 2>/dev/null)" $'one\ntwo' "and debugfs finds what the second wrote"
capture "$root/exo" "${EXO_ON:-run}" --no-net --timeout 100 --root "$disk" <<<'cat /root/file; exit 5'
is "$status $output" $'5 one\ntwo' "without PROGRAM: a shell"

run --root "$disk" -- no-such-program
is "$status" 127 "a name that is nowhere: 127"
run --root "$disk" -- /no/such/program
is "$status" 127 "a path that is nowhere: 127"
run --root "$disk" -- /etc/text
is "$status" 126 "a file that is no program: 126"
run --root "$disk" -- sh -c 'kill -TERM $$'
is "$status" 143 "PROGRAM ended by a signal: 128 and its number"

# Dynamic programs of the tree, side by side on two CPUs.
script='cd /root; for i in 1 2 3 4 5 6; do (for j in {1..200}; do echo "line $i $j"; done | sort -r >out.$i; sha256sum out.$i >sum.$i) & done; wait; cat out.? | wc -l; sha256sum -c sum.? | wc -l; ls /lib64 | wc -l'
run --smp 2 --root "$disk" -- bash -c "$script"
is "$status $output" $'0 1200\n6\n1' "dynamic programs run from the disk, on two CPUs"
clean "which is clean after them"

# What is added.
echo '#!/bin/sh
echo "added: $0 $1"' >"$scratch/script" && chmod 755 "$scratch/script"
mkdir "$scratch/folder" && echo in >"$scratch/folder/file" && echo new >"$scratch/text"
run --root "$disk" --file "$scratch/folder:/deep/er" --file "$scratch/text:/etc/text" -- sh -c 'cat /deep/er/file /etc/text'
is "$output" $'in\nnew' "--file: put into the root, in place of what was there"
run --root "$disk" -- sh -c 'cat /deep/er/file /etc/text'
is "$output" $'in\nnew' "--file: it stays there"
run --root "$disk" -- "$scratch/script" argument
is "$output" "added: $scratch/script argument" "a PROGRAM of this host is copied in"
sed -i 's/added/again/' "$scratch/script"
run --root "$disk" --file "$scratch/script:/root/script" -- sh -c '/root/script x; exec busybox sha256sum /bin/sh'
is "$output" $'again: /root/script x\n'"$(sha256sum </bin/busybox | cut -d ' ' -f 1)  /bin/sh" "the root's own /bin/sh is not replaced by this host's"
compile program <<'END'
#include <stdio.h>
int main(void) { return puts("compiled") < 0; }
END
gcc -x c -o "$scratch/dynamic" - <<'END'
int main(void) { return 9; }
END
mkdir "$scratch/bare" && truncate -s 32M "$scratch/empty" && mke2fs -q -F -t ext3 -d "$scratch/bare" "$scratch/empty" 2>/dev/null
run --root "$scratch/empty" -- "$scratch/dynamic"
is "$status" 9 "a root that has nothing gets a program's interpreter and libraries"
run --root "$scratch/empty" -- sha256sum /etc/none
is "$status" 1 "and a program that PATH finds only here"
clean "and is clean" "$scratch/empty"

# Read-only, and what cannot be a root.
before=$(md5sum <"$disk")
run --root "$disk,readonly" -- sh -c 'echo no >/root/file 2>/dev/null || echo refused; cat /root/file'
is "$output" $'refused\none\ntwo' "read-only: it is read, and not written"
run --root "$disk,readonly" --file "$scratch/text" -- sh
is "$status" 125 "read-only: --file is refused"
like "$errors" 'read-only' "and it is said why"
run --root "$disk,readonly" -- "$scratch/program"
is "$status" 125 "read-only: a PROGRAM of this host is refused"
is "$(md5sum <"$disk")" "$before" "read-only: nothing is changed"
run --root "$scratch/none" -- true
is "$status" 125 "no image: 125"
truncate -s 1M "$scratch/zeros"
run --root "$scratch/zeros" -- true
is "$status" 125 "no file system: 125"
on_linux || like "$errors" 'cannot be the root: it is not ext2' "and it is said"

# A partition table: the first partition with a file system; the root is the first disk, whatever else there is.
parted=$scratch/parted
truncate -s 128M "$parted"
printf 'label: gpt\nsize=8M, type=U\ntype=L\n' | sfdisk -q "$parted" 2>/dev/null
dd if="$scratch/first" of="$parted" bs=1M seek=9 conv=notrunc status=none
run --disk "$scratch/first,readonly" --root "$parted" -- sh -c 'busybox mount | busybox grep " on / "; echo kept >/root/kept; for d in a b; do busybox blockdev --getsize64 /dev/vd$d; done'
like "$output" '/dev/vda2 on / ' "a partition is the root"
like "$output" $'134217728\n100663296' "its disk is the first, other disks follow"
run --root "$parted" -- cat /root/kept
is "$output" kept "and it is written"
dd if="$parted" of="$scratch/part" bs=1M skip=9 count=96 status=none
clean "and clean" "$scratch/part"

# ./exo image disk: of a folder, and of nothing but BusyBox.
image() { capture "$root/exo" image "$@"; }
if ! on_linux; then
	mkdir "$tree/many" && (cd "$tree/many" && for i in {1..1500}; do echo "$i" >"file $i"; done)
	image disk "$scratch/made" --root "$tree" --file "$scratch/text:/etc/text"
	is "$status" 0 "image disk"
	clean "the image is clean" "$scratch/made"
	mkdir "$scratch/dumped"
	debugfs -R "rdump / $scratch/dumped" "$scratch/made" >/dev/null 2>&1
	cp "$scratch/text" "$tree/etc/text"
	is "$(diff -r --no-dereference "$tree" "$scratch/dumped")" "$(printf 'Only in %s: %s\n' "$scratch/dumped" dev "$scratch/dumped/etc" group "$scratch/dumped/etc" hosts "$scratch/dumped/etc" passwd "$scratch/dumped/etc" resolv.conf "$scratch/dumped" lost+found "$scratch/dumped" proc "$scratch/dumped" tmp)" \
		"it has the folder, the file that was named, and what a root needs"
	run --root "$scratch/made" -- bash -c 'cd /many; cat * | sha256sum | cat; [ -O /bin/bash ] && ls | wc -l'
	is "$output" "$(cd "$tree/many" && cat ./* | sha256sum)"$'\n1500' "and is run"
	image disk "$scratch/made" --root "$tree"
	is "$status" 125 "an image that is there already is not replaced"
	image disk "$scratch/small" --root "$tree" --size 1M
	is "$status" 125 "a size that is not enough: 125"
	like "$errors" '--size' "and it is said"
	is "$(cd "$scratch" && ls -d small* 2>/dev/null)" "" "and nothing is left of it"
	image disk "$scratch/base" --size 32M
	is "$status $(stat -c %s "$scratch/base")" "0 33554432" "image disk without --root: BusyBox"
	run --root "$scratch/base" -- sh -c 'ls /bin | grep -x cat; mkdir /new && echo made'
	is "$output" $'cat\nmade' "which is run"
	clean "and clean" "$scratch/base"

	mkdir -p "$scratch/mine/folder" "$scratch/fake" && echo text >"$scratch/mine/folder/file" && ln -s file "$scratch/mine/folder/link"
	if [ "$(id -u)" -eq 0 ]; then # as if somebody else made it
		chown -hR 1234:1234 "$scratch/mine"
		printf '#!/bin/sh\necho 1234\n' >"$scratch/fake/id" && chmod 755 "$scratch/fake/id"
	fi
	PATH=$scratch/fake:$PATH image disk "$scratch/owned" --root "$scratch/mine" --size 32M
	is "$(for name in folder folder/file folder/link; do debugfs -R "stat /$name" "$scratch/owned" 2>/dev/null; done | grep -c 'User: *0 *Group: *0 ')" 3 "what belongs to whoever makes the image is root's in it"

	# What boots by itself, on a machine that only has it and a serial line.
	for format in iso qcow2 elf; do
		image $format "$scratch/boots.$format" --file "$scratch/text:/etc/text" --env NAME=value -- sh -c 'read x </etc/text; echo "booted: $x $NAME $(tty)"; exit 0'
		is "$status" 0 "image $format"
		case $format in
		iso) from=(-cdrom "$scratch/boots.iso") ;;
		qcow2) from=(-drive "file=$scratch/boots.qcow2,if=virtio") ;;
		elf) from=(-kernel "$scratch/boots.elf") ;;
		esac
		capture timeout 100 qemu-system-x86_64 -M q35 -cpu max -m 256 -nodefaults -no-user-config -display none -no-reboot -serial stdio "${from[@]}" </dev/null
		is "$status" 0 "image $format: the machine is switched off when PROGRAM has ended"
		like "$output" 'booted: new value /dev/' "image $format: it boots and runs PROGRAM"
	done
	image tape "$scratch/tape"
	is "$status" 125 "a format that there is not: 125"
	image iso "$scratch/no" --disk "$disk"
	is "$status" 125 "an option of the machine: 125"
fi

# The baseline boots the same disk.
if ! on_linux && compgen -G '/boot/vmlinuz-*-amd64' >/dev/null; then
	capture "$root/exo" linux --no-net --timeout 200 --root "$disk" --file "$scratch/text:/root/both" -- bash -c 'read kernel </proc/sys/kernel/ostype; echo $kernel; cat /root/file /root/both; echo three >>/root/file; exit 6'
	if [ "$status" != 124 ]; then
		is "$status $output" $'6 Linux\none\ntwo\nnew' "Linux boots the same disk"
		clean "and leaves it clean"
		run --root "$disk" -- cat /root/file
		is "$output" $'one\ntwo\nthree' "and what it wrote is here"
	else
		skip "Linux boots the same disk" "it did not come up in time"
	fi
fi
done_testing
