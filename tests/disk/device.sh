#!/usr/bin/env bash
# Block devices as programs see them: read and written from both sides, at their ends, damaged, read-only, by many at once. What is on the disks is judged on this host.
# SEED: of what the programs inside do.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
seed=${SEED:-$((RANDOM + 1))}
echo "# seed $seed"

digest() { md5sum | cut -d ' ' -f 1; } # of standard input
piece() { dd if="$1" bs=512 skip="$2" count="$3" status=none; }
inside() { capture machine --timeout 100 "${options[@]}" "$@"; } # with the disks of `options`

# Random contents, under a table of three partitions.
truncate -s 12M "$scratch/disk"
dd if=/dev/urandom of="$scratch/disk" bs=1M count=12 conv=notrunc status=none
printf 'label: gpt\n,4M\n,1M\n,\n' | sfdisk -q "$scratch/disk" >/dev/null
cp "$scratch/disk" "$scratch/was"
second=$(sfdisk -d "$scratch/disk" | sed -nE 's|^.*disk2 *: *start= *([0-9]+).*|\1|p')
dd if=/dev/urandom of="$scratch/odd" bs=1000 count=7 status=none
# An odd number of sectors, and no table.
dd if=/dev/urandom of="$scratch/plain" bs=512 count=4099 status=none

for kind in microvm q35; do
	options=(--machine "$kind" --disk "$scratch/disk" --disk "$scratch/plain,readonly")
	inside --file "$scratch/odd:/odd" -- busybox sh -c '
		for size in 1M 4k 1000; do dd if=/dev/vda bs=$size 2>/dev/null | md5sum; done
		md5sum </dev/vda2
		md5sum </dev/vdb
		cat /dev/vdb | wc -c
		dd if=/odd of=/dev/vda2 bs=7000 seek=3 2>/dev/null
		dd if=/odd of=/dev/vda3 bs=100 seek=1 2>/dev/null
		dd if=/odd of=/dev/vdb bs=512 2>&1
		dd if=/dev/zero of=/dev/vda2 bs=64k 2>&1 | head -n 1
		dd if=/odd of=/dev/vda2 bs=7000 seek=3 2>/dev/null
		sync; ls -l /dev/vd* | tr -s " "; cat /proc/partitions; echo end' sh
	all=$(digest <"$scratch/was")
	is "$(head -n 5 <<<"$output" | cut -d ' ' -f 1 | tr '\n' ' ')" \
		"$all $all $all $(piece "$scratch/was" "$second" 2048 | digest) $(digest <"$scratch/plain") " "$kind: every byte is read, in pieces of any size, of disks and partitions"
	is "$(sed -n 6p <<<"$output")" $((4099 * 512)) "$kind: to the end of a disk of an odd number of sectors"
	like "$output" "write error: Operation not permitted|error writing '/dev/vdb': Operation not permitted" "$kind: a read-only disk is not written"
	like "$output" "error writing '/dev/vda2': No space left on device" "$kind: a partition ends, with ENOSPC"
	like "$output" "254, 16 [^/]*/dev/vdb" "$kind: nodes have numbers"
	like "$output" " 254 +2 +1024 vda2"$'\n' "$kind: /proc/partitions has them"
	like "$output" "end"$ "$kind: and the shell goes on"
	# The same on this host.
	third=$(sfdisk -d "$scratch/was" | sed -nE 's|^.*was3 *: *start= *([0-9]+).*|\1|p')
	dd if=/dev/zero of="$scratch/was" bs=512 seek="$second" count=2048 conv=notrunc status=none
	dd if="$scratch/odd" of="$scratch/was" bs=1 seek=$((second * 512 + 21000)) conv=notrunc status=none
	dd if="$scratch/odd" of="$scratch/was" bs=1 seek=$((third * 512 + 100)) conv=notrunc status=none
	is "$(digest <"$scratch/disk")" "$(digest <"$scratch/was")" "$kind: what is written is there, at any address, and nothing else is"
	is "$(digest <"$scratch/plain")" "$(sed -n 5p <<<"$output" | cut -d ' ' -f 1)" "$kind: nor on the other disk"
done

# A damaged table says so, and takes the partitions away, not the disk.
cp "$scratch/was" "$scratch/damaged"
for at in 520 $((12 * 1048576 - 504)); do printf 'x' | dd of="$scratch/damaged" bs=1 seek="$at" conv=notrunc status=none; done
options=(--disk "$scratch/damaged")
inside -- busybox sh -c 'ls /dev/vda*; dd if=/dev/vda bs=1M 2>/dev/null | md5sum'
is "$output" "/dev/vda"$'\n'"$(digest <"$scratch/damaged")  -" "both copies of the table damaged: the disk is there, partitions are not"

# Many at once.
if compile blocks <"$root/tests/disk/blocks.c"; then
	ok "the program builds"
else
	not_ok "the program builds"
fi
truncate -s 6M "$scratch/users"
options=(--disk "$scratch/users")
for cpus in 1 2; do
	for what in shared_sectors regions crowd read_ahead_is_no_cache killed_users threads "controls"; do
		argument=$seed
		[ "$what" != controls ] || argument=$((6 << 20))
		inside --smp $cpus --file "$scratch/blocks:/blocks" -- /blocks "$what" /dev/vda "$argument"
		is "$output" ok "$what, on $cpus"
	done
done

# Errors are those of whoever asked for these sectors.
fault() { # EVENT ERRNO SECTOR
	printf '{"driver":"raw","file":{"driver":"blkdebug","inject-error":[{"event":"%s","errno":%s,"sector":%s}],"image":{"driver":"file","filename":"%s"}}}' "$1" "$2" "$3" "$scratch/faulty"
}
cp "$scratch/plain" "$scratch/faulty"
truncate -s 4M "$scratch/faulty"
cp "$scratch/faulty" "$scratch/whole"
options=(--blockdev "$(fault read_aio 5 3000)")
inside -- busybox sh -c 'dd if=/dev/vda of=/dev/null bs=1M 2>&1; dd if=/dev/vda bs=512 skip=3001 2>/dev/null | md5sum; dd if=/dev/vda bs=512 count=3000 2>/dev/null | md5sum; echo end'
like "$output" "[Ii]nput/output error|I/O error" "a sector that cannot be read: EIO"
like "$output" "$(piece "$scratch/whole" 3001 5191 | digest)" "what is behind it can be read"
like "$output" "$(piece "$scratch/whole" 0 3000 | digest)"$'.*\n'end$ "and what is before it"
options=(--blockdev "$(fault write_aio 28 100)")
inside --file "$scratch/odd:/odd" -- busybox sh -c 'dd if=/odd of=/dev/vda bs=512 seek=99 count=3 2>&1; dd if=/odd of=/dev/vda bs=512 seek=200 count=3 2>&1; dd if=/dev/vda bs=512 skip=200 count=3 2>/dev/null | md5sum; echo end'
like "$output" "[Ii]nput/output error|No space left|I/O error" "a sector that cannot be written: an error"
like "$output" "$(head -c 1536 "$scratch/odd" | digest)"$'.*\n'end$ "others can"
is "$(piece "$scratch/faulty" 200 3 | digest)" "$(head -c 1536 "$scratch/odd" | digest)" "and are"

# What the library has bound for disks and for datagrams is apart: a datagram leaves everything about disks as it was.
options=(--disk "$scratch/plain")
inside -- busybox sh -c 'cat /proc/diskstats >/before; nslookup -timeout=1 name 127.0.0.1 >/dev/null 2>&1; cat /proc/diskstats >/after; cmp /before /after && dd if=/dev/vda bs=64k count=1 2>/dev/null | md5sum; echo end'
is "$output" "$(piece "$scratch/plain" 0 128 | digest)  -"$'\nend' "a datagram is sent in a machine with a disk"
done_testing
