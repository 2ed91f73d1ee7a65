#!/usr/bin/env bash
# Disks that fail, in whole or in part: errors are those of whoever asked for what is lost, everything else stays right, what was synced is safe, and the shell goes on. The emulator (blkdebug) makes the errors; what is left is judged on this host. Each machine ends by saying `end`.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin

disk=$scratch/disk
SIZE=400000 # bytes of a file

# A disk with files a and b (salts 1 and 2) and folders with names in them.
fresh() { # BLOCK-SIZE [OPTIONS...]
	rm -f "$disk"
	mke2fs -q -F -t ext3 -b "$1" "${@:2}" -d "$scratch/tree" "$disk" 32M
	per=$(($1 / 512))
}
plant() {
	mkdir -p "$scratch/tree/folder/below" "$scratch/tree/other"
	"$scratch/probe" write "$scratch/tree/a" $SIZE 1
	"$scratch/probe" write "$scratch/tree/b" $SIZE 2
	touch "$scratch/tree/folder/x" "$scratch/tree/other/y"
} >/dev/null

sector() { # FILE BLOCK: where a block of a file is
	echo $(($(debugfs -R "bmap $1 $2" "$disk" 2>/dev/null) * per))
}

# error KIND ERRNO SECTOR [MORE]: one rule of the emulator's; KIND is read or write.
error() { printf '{"event":"%s_aio","iotype":"%s","errno":%s,"sector":%s%s}' "$1" "$1" "$2" "$3" "${4-}"; }

# inside RULES COMMANDS: what a shell says with the disk, of which some sectors are bad, on /mnt.
inside() {
	local node="{\"driver\":\"raw\",\"file\":{\"driver\":\"blkdebug\",$1,\"image\":{\"driver\":\"file\",\"filename\":\"$disk\"}}}"
	capture machine --machine "${MACHINE:-q35}" --no-net --timeout 60 --blockdev "$node" --file "$scratch/probe:/probe" -- sh -c "mkdir /mnt; /probe mount /dev/vda /mnt ${FLAGS-0}; $2; echo end"
}
rules() { # RULE...: as blkdebug has them
	local IFS=,
	printf '"inject-error":[%s]' "$*"
}

clean() { # NAME: after the journal has been replayed
	e2fsck -E journal_only -fy "$disk" >/dev/null 2>&1
	capture e2fsck -fn "$disk"
	is "$status" 0 "$1"
	[ "$status" -eq 0 ] || head -n 20 <<<"$output" | sed 's/^/# /'
}

# On this host, after the machine's end.
left() { # FILE BYTES SALT
	rm -f "$scratch/left"
	debugfs -R "dump $1 $scratch/left" "$disk" >/dev/null 2>&1
	"$scratch/probe" check "$scratch/left" "$2" "$3" | sed 's/^[^ ]* //'
}

reading() { # BLOCK-SIZE
	local bad what="blocks of $1"
	fresh "$1"
	bad=$(sector a 20)
	inside "$(rules "$(error read 5 "$bad")")" "/probe check /mnt/a $SIZE 1; /probe check /mnt/b $SIZE 2; dd if=/mnt/a bs=$1 count=20 2>/dev/null | wc -c; dd if=/mnt/a bs=4096 skip=$((21 * $1 / 4096 + 1)) 2>/dev/null | wc -c
		/probe check /mnt/a $SIZE 1; /probe write /mnt/new 10000 3; /probe check /mnt/new 10000 3; /probe umount /mnt"
	is "$output" "mount 0
/mnt/a EIO
/mnt/b right
$((20 * $1 / 4096 * 4096))
$((SIZE - (21 * $1 / 4096 + 1) * 4096))
/mnt/a EIO
write 0 fsync 0 fsync 0 close 0
/mnt/new right
umount 0
end" "$what: a sector that cannot be read is an error of its file, there, and of nothing else"
	clean "$what: and the disk is clean"
	inside "$(rules "$(error read 5 "$bad" ',"once":true')")" "/probe check /mnt/a $SIZE 1; /probe check /mnt/a $SIZE 1; /probe umount /mnt"
	is "$output" "mount 0
/mnt/a right
/mnt/a right
umount 0
end" "$what: an error that does not last is no error: what was to be read with others is read once more by itself"
	inside "$(rules "$(error read 5 "$(sector folder 0)")")" "/probe verify /mnt/folder; cat /mnt/folder/x 2>&1 | sed 's/.*: //'; ls /mnt/other; /probe check /mnt/b $SIZE 2; /probe write /mnt/other/new 10 3; /probe umount /mnt"
	like "$output" $'mount 0\n(opendir|readdir) EIO\n(I/O|Input/output) error\ny\n/mnt/b right\nwrite 0 fsync 0 fsync 0 close 0\numount 0\nend$' "$what: a folder that cannot be read"
}

writing() { # BLOCK-SIZE ERRNO WHAT
	local bad what="blocks of $1, $3"
	fresh "$1"
	bad=$(sector a 20)
	inside "$(rules "$(error write "$2" "$bad")")" "/probe write /mnt/a $SIZE 5; /probe write /mnt/b $SIZE 6; /probe check /mnt/b $SIZE 6; /probe write /mnt/new 50000 7; /probe sync /mnt; /probe umount /mnt"
	is "$output" "mount 0
write 0 fsync EIO fsync 0 close 0
write 0 fsync 0 fsync 0 close 0
/mnt/b right
write 0 fsync 0 fsync 0 close 0
syncfs 0
umount 0
end" "$what: a sector that cannot be written is an error of its file, told once, and of nothing else"
	clean "$what: and the disk is clean"
	is "$(left b $SIZE 6) $(left new 50000 7)" "right right" "$what: and everything else is there"
	fresh "$1"
	inside "$(rules "$(error write "$2" "$bad" ',"once":true')")" "/probe write /mnt/a $SIZE 5; /probe write /mnt/a $SIZE 8; /probe umount /mnt"
	is "$output" "mount 0
write 0 fsync EIO fsync 0 close 0
write 0 fsync 0 fsync 0 close 0
umount 0
end" "$what: an error that does not last: what is written anew is there"
	is "$(left a $SIZE 8)" right "$what: ... on the disk too"
}

# What was safe before is safe: the files that go_on has counted.
all_safe() { # COUNT BYTES
	local n wrong=''
	for ((n = 0; n < $1; n++)); do
		[ "$(left "$n" "$2" "$n")" = right ] || wrong+=" $n"
	done
	is "$wrong" '' "$3"
}

journal() { # BLOCK-SIZE ERRNO WHAT
	local at bad=() what="blocks of $1, the journal $3" safe
	fresh "$1"
	for ((at = 30; at < 60; at++)); do
		bad+=("$(error write "$2" "$(sector '<8>' $at)")")
	done
	inside "$(rules "${bad[@]}")" "/probe go_on /mnt 3000 1000; /probe write /mnt/late 10 1; /probe remove /mnt/a; mkdir /mnt/late; ls /mnt/folder; /probe check /mnt/b $SIZE 2; /probe check /mnt/0 3000 0; grep -c 'vda.*nothing more is written' /dev/null
		/probe umount /mnt; ls /mnt; /probe mount /dev/vda /mnt 1; /probe check /mnt/0 3000 0; /probe check /mnt/a $SIZE 1"
	safe=$(sed -n 's/^safe \([0-9]*\) failed .*/\1/p' <<<"$output")
	is "$(grep -v "^safe" <<<"$output")" "mount 0
open EROFS
remove EROFS
below
x
/mnt/b right
/mnt/0 right
0
umount EIO
mount 0
/mnt/0 right
/mnt/a right
end" "$what: cannot be written: the volume goes on being read, and is written no more"
	like "$errors" "vda: the journal cannot be written: nothing more is written to it" "$what: ... which is said"
	like "$output" $'\n'"safe [1-9][0-9]* failed (fsync|write|open) (EIO|EROFS)" "$what: ... to whoever waits for a sync"
	clean "$what: once replayed, the disk is clean"
	all_safe "${safe:-0}" 3000 "$what: and what was synced is there (${safe:-0} files)"
	is "$(left a $SIZE 1)" right "$what: and what nobody touched"
}

# After so many flushes every request fails, as if the disk had been taken away.
gone() { # FLUSHES
	local states='' n event injected=()
	fresh 4096
	for ((n = 1; n <= $1; n++)); do
		states+=",{\"event\":\"flush_to_disk\",\"state\":$n,\"new_state\":$((n + 1))}"
	done
	for event in read_aio write_aio flush_to_disk; do
		injected+=("{\"event\":\"$event\",\"state\":$(($1 + 1)),\"errno\":5}")
	done
	inside "\"set-state\":[${states#,}],$(rules "${injected[@]}")" "cat /mnt/folder/x; /probe go_on /mnt 3000 1000; /probe check /mnt/a $SIZE 1; /probe verify /mnt/other; /probe write /mnt/late 10 1; sync; /probe umount /mnt; /probe mount /dev/vda /mnt 0; ls /mnt"
	safe=$(sed -n 's/^safe \([0-9]*\) failed .*/\1/p' <<<"$output")
	like "$output" $'^mount 0\nsafe [1-9][0-9]* failed (fsync|write|open) (EIO|EROFS)\n/mnt/a EIO\n(opendir|readdir) EIO\n(open (EIO|EROFS)|write 0 fsync EIO fsync EIO close 0)\numount EIO\nmount EIO\nend$' "a disk that is gone after $1 flushes: errors, an end of the mount, and the shell goes on"
	is "$status" 0 "... and the machine ends as always"
	clean "... when it is back and its journal replayed, it is clean"
	all_safe "${safe:-0}" 3000 "... and what was synced is there (${safe:-0} files)"
}

if ! musl-gcc -static -O2 -Wall -Wextra -Werror -o "$scratch/probe" "$here/probe.c"; then
	not_ok "the program is built"
else
	plant
	for size in 1024 4096; do
		reading $size
		writing $size 5 EIO
		journal $size 5 EIO
	done
	writing 4096 28 "the host's disk full"
	journal 4096 28 "on a full disk"
	gone 9
	gone 24
fi
done_testing
