#!/usr/bin/env bash
# Files on a disk: what Linux has them do (files.c, the same program on both), whatever the size of blocks, with little memory and several CPUs; and what is on the disk afterwards is clean and, read by debugfs, what was written. SEED: of the random writes.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
disk=$scratch/disk

fresh() { # SIZE MKE2FS-OPTIONS...
	rm -f "$disk"
	truncate -s "$1" "$disk"
	mke2fs -q -F -t ext3 "${@:2}" "$disk" 2>/dev/null
}

clean() { # NAME
	local said
	said=$(e2fsck -fn "$disk" 2>&1) && ok "$1" || not_ok "$1" "$said"
}

# in_machine OPTIONS... -- COMMANDS: with the disk mounted at /mnt.
in_machine() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	capture machine --no-net --timeout 200 --env "SEED=${SEED:-1}" --disk "$disk" --file "$scratch/files:/files" "${options[@]}" -- \
		sh -c "mkdir -p /mnt && mount -t ext4 /dev/vda /mnt && cd /mnt || exit 99; $2"
}

musl-gcc -static -O1 -Wall -Wextra -Werror -o "$scratch/files" "$here/files.c" || exit

semantics() { # WHAT SIZE-OF-BLOCKS OPTIONS...
	fresh 96M -b "$2"
	in_machine "${@:3}" -- '/files; s=$?; cd /; umount /mnt && exit $s'
	if [ "$status" = 0 ]; then
		ok "$1: every test holds, and the volume can be unmounted"
	else
		not_ok "$1: every test holds, and the volume can be unmounted" "status $status" "$(grep -v '^ok' <<<"$output")" "$errors"
	fi
	clean "$1: the disk is clean"
}
semantics "blocks of 4096 bytes" 4096
semantics "blocks of 1024 bytes" 1024
semantics "two CPUs" 4096 --smp 2
on_linux || semantics "32 MiB of memory" 1024 --mem 32M

# Linux has to be told before it ends.
unmount=
on_linux && unmount="; cd /; umount /mnt"

# Both ways: what mke2fs has put there is read, what is written is read by debugfs. The machine ends with the volume mounted.
tree=$scratch/tree
mkdir "$tree" && cp -r "$root/exos" "$root/docs" "$tree" && ln -s exos/README.md "$tree/link"
fresh 96M -d "$tree"
(cd "$tree" && find . -type f -exec md5sum {} + | sort -k 2) >"$scratch/sums"
in_machine --file "$scratch/sums:/sums" -- 'md5sum -c /sums >/tmp/said || grep -v OK /tmp/said; mkdir copied; cp -r exos docs link copied; rm -r docs; sync; cp -r exos late; echo done'"$unmount"
is "$output" "done" "a tree that mke2fs made is read and copied"
clean "the disk is clean when the machine has ended, though nobody has unmounted it"
mkdir "$scratch/left"
debugfs -R "rdump / $scratch/left" "$disk" >/dev/null 2>&1
is "$(diff -r "$tree/exos" "$scratch/left/copied/exos" && diff -r "$tree/docs" "$scratch/left/copied/docs" && diff -r "$tree/exos" "$scratch/left/late" && ls "$scratch/left/docs" 2>&1 | grep -c 'No such')" 1 "what was copied is there, what was removed is not"

# More than the memory, and more than the disk.
fresh 192M
on_linux || in_machine --mem 48M -- 'head -c 4000000 /dev/urandom >r; i=0; while [ $i -lt 20 ]; do cat r; i=$((i + 1)); done >big; i=0; while [ $i -lt 20 ]; do tail -c +$((4000000 * i + 1)) big | head -c 4000000 | cmp - r || echo differs; i=$((i + 1)); done; rm big; echo whole'
on_linux || is "$output" whole "a file larger than the memory is written and read"
fresh 16M
in_machine -- 'cp /files keep; dd if=/dev/zero of=fill bs=64k 2>&1 | grep -c "No space left"; echo more >>keep2; sync; cmp /files keep && echo kept; rm fill; echo again >new && cat new; cd /; umount /mnt; echo $?'
is "$output" $'1\nkept\nagain\n0' "a full disk is said to be full; other files stay right, and there is room again when something goes"
clean "the disk that was full is clean"

# Mounting.
fresh 8M
in_machine -- 'umount /mnt 2>/dev/null || echo busy; mount -o remount,ro /mnt && touch x 2>/dev/null || echo read-only; mount -o remount,rw /mnt && touch x && echo written
	mount | grep -c "^/dev/vda on /mnt type ext4 (rw,relatime)"; cd /; umount /mnt && echo unmounted; umount /mnt 2>/dev/null || echo "not mounted"; mount -t ext4 /dev/null /mnt 2>/dev/null || echo "no disk"
	mount -t tmpfs none /mnt && touch /mnt/y && mkdir /mnt/z && ls /mnt | tr "\n" " "; cd /mnt/z; umount /mnt 2>/dev/null || echo busy; cd /; umount /mnt; ls /mnt'
is "$output" $'busy\nread-only\nwritten\n1\nunmounted\nnot mounted\nno disk\ny z busy' "mount, remount, umount: as on Linux"
dd if=/dev/urandom of="$disk" bs=1M count=8 conv=notrunc 2>/dev/null
in_machine -- true
is "$status" 99 "what is no file system is not mounted"

# Sectors that cannot be read or written: who needs them is told, and nobody else.
failing() { # READ|WRITE SECTOR: a disk on which that fails
	printf '{"driver":"blkdebug","image":{"driver":"file","filename":"%s"},"inject-error":[{"event":"none","iotype":"%s","errno":5,"sector":%d}]}' "$disk" "$1" "$2"
}
on_failing() { # READ|WRITE SECTOR COMMANDS
	capture machine --no-net --timeout 100 --blockdev "$(failing "$1" "$2")" -- sh -c "mkdir /mnt && mount -t ext4 /dev/vda /mnt && cd /mnt || exit 99; $3"
}
mkdir "$scratch/two" && head -c 200000 /dev/urandom >"$scratch/two/bad" && head -c 200000 /dev/urandom >"$scratch/two/good"
fresh 16M -b 1024 -d "$scratch/two"
block=$(debugfs -R 'bmap bad 100' "$disk" 2>/dev/null)
cp "$scratch/two/good" "$scratch/good"
on_failing read $((block * 2)) 'cat bad >/dev/null || echo failed; dd if=bad of=/dev/null bs=1k count=90 2>/dev/null && echo begins; md5sum <good; echo still here'
is "$output" "failed"$'\n'"begins"$'\n'"$(md5sum <"$scratch/good")"$'\n'"still here" "a sector that cannot be read: who reads it is told, and the rest is right"
clean "... and the disk is clean"
on_failing write $((block * 2)) 'dd if=/dev/zero of=bad bs=1k seek=100 count=1 conv=notrunc,fsync 2>/dev/null || echo failed; dd if=/dev/zero of=good bs=1k count=1 conv=notrunc,fsync 2>/dev/null && echo written; echo still here'
is "$output" $'failed\nwritten\nstill here' "a sector that cannot be written: fsync says so, and the rest goes on"
clean "... and the disk is clean"

# A root on the disk.
if ! on_linux; then
	mkdir -p "$scratch/root"/{bin,etc,root} && cp /bin/busybox "$scratch/root/bin" && ln -s busybox "$scratch/root/bin/sh"
	rm -f "$disk"
	truncate -s 32M "$disk"
	mke2fs -q -F -t ext3 -d "$scratch/root" "$disk" 2>/dev/null
	capture machine --no-net --timeout 60 --root "$disk" -- sh -c 'busybox mount | grep -c "^/dev/vda on / "; echo kept >/root/file; echo lost >/tmp/file; test -c /dev/null && busybox ls /proc | busybox grep -c "^1$"'
	is "$output" $'1\n1' "a root on a disk: with /dev, /proc and /tmp over it"
	clean "a root on a disk: clean when the machine has ended"
	is "$(debugfs -R 'cat /root/file' "$disk" 2>/dev/null)" kept "a root on a disk: what was written is there"
fi
done_testing
