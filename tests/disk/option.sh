#!/usr/bin/env bash
# --disk and --blockdev: what is refused, and how that is said; and, on the baseline, that the disks are there as they were given, on both machines.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin

image() { # NAME SIZE
	truncate -s "$2" "$scratch/$1"
	mke2fs -q -F -t ext3 -L "$1" "$scratch/$1" 2>/dev/null
}
image first 8M
image second 16M
node() { printf '{"driver":"file","filename":"%s"}' "$scratch/$1"; }

refused() { # WHAT PATTERN OPTION...
	capture machine "${@:3}" -- busybox true
	is "$status" 125 "$1: 125"
	like "$errors" "$2" "$1: it is said what is wrong"
}
mkdir "$scratch/folder"
: >"$scratch/empty"
echo text >"$scratch/text"
mkfifo "$scratch/pipe"
refused "no file" 'no such file .*mke2fs' --disk "$scratch/missing"
refused "a folder" 'is a folder' --disk "$scratch/folder"
refused "a pipe" 'not a file' --disk "$scratch/pipe"
refused "an empty file" 'multiple of 512' --disk "$scratch/empty"
refused "a text" 'multiple of 512' --disk "$scratch/text"
refused "another option" 'no such file' --disk "$scratch/first,fast"
refused "the same image twice" 'twice' --disk "$scratch/first" --disk "$scratch/folder/../first"
refused "the same image twice, once to be read" 'twice' --disk "$scratch/first,readonly" --disk "$scratch/first"
refused "no JSON" 'JSON' --blockdev "driver=raw"
refused "JSON that the emulator does not understand" 'disk0|no-such-driver' --blockdev '{"driver":"no-such-driver"}'
capture machine --disk
is "$status" 125 "no value: 125"
like "$errors" 'value is missing' "no value: it is said what is wrong"
if [ "$(id -u)" -ne 0 ]; then # root reads everything
	chmod 0 "$scratch/text"
	refused "a file that cannot be read" 'cannot be read' --disk "$scratch/text"
else
	skip "a file that cannot be read" "root reads everything"
fi
before=$(md5sum <"$scratch/first")
capture machine --disk "$scratch/first" -- busybox echo here
is "$status $output" "0 here" "a machine with a disk runs"
is "$(md5sum <"$scratch/first")" "$before" "and what nobody writes stays as it was"

if ! on_linux; then
	done_testing
	exit
fi

cp "$scratch/first" "$scratch/with,comma and \"quote\""
for kind in microvm q35; do
	capture machine --machine "$kind" --disk "$scratch/first" --disk="$scratch/second,readonly" --disk "$scratch/with,comma and \"quote\"" -- \
		busybox sh -c 'for d in a b c; do blockdev --getsize64 /dev/vd$d; blockdev --getro /dev/vd$d; done; mkdir /mnt; mount -t ext4 /dev/vda /mnt && echo text >/mnt/'"$kind"' && umount /mnt'
	is "$(tr '\n' ' ' <<<"$output")" "8388608 0 16777216 1 8388608 0 " "$kind: the disks are in the order given, and one is read-only"
	is "$(debugfs -R "cat $kind" "$scratch/first" 2>/dev/null)" text "$kind: what was written is in the image"
done
capture e2fsck -fn "$scratch/first"
is "$status" 0 "which is clean"

# A qcow2 image needs no name that says so.
if command -v qemu-img >/dev/null; then
	qemu-img convert -O qcow2 "$scratch/second" "$scratch/third"
	capture machine --disk "$scratch/third" -- busybox blockdev --getsize64 /dev/vda
	is "$output" 16777216 "what is in a qcow2 image is the disk"
else
	skip "what is in a qcow2 image is the disk" "there is no qemu-img here"
fi

capture machine --blockdev '{"driver":"raw","file":{"driver":"blkdebug","inject-error":[{"event":"read_aio","errno":5,"sector":128}],"image":'"$(node first)"'}}' -- \
	busybox sh -c 'dd if=/dev/vda of=/dev/null bs=512 count=1 skip=8 2>&1 && dd if=/dev/vda of=/dev/null bs=512 count=1 skip=128 iflag=direct'
is "$status" 1 "an error that is injected arrives"
like "$errors" 'I/O error|Input/output' "and is one of the medium"

truncate -s 64M "$scratch/log"
capture machine --blockdev '{"driver":"blklogwrites","file":'"$(node second)"',"log":'"$(node log)"'}' -- busybox sh -c 'echo written | dd of=/dev/vda conv=fsync'
is "$status" 0 "a disk whose writes are recorded is written"
is "$(od -A n -t x8 -N 8 "$scratch/log" | tr -d ' ')" 006a736677736872 "and they are in the log" # its magic number
like "$(head -c 8 "$scratch/second")" written "as on the disk"
done_testing
