#!/usr/bin/env bash
# A full disk: ENOSPC to whoever asks for more, for blocks and for inodes; what was taken is there to the last byte, also what had no place yet when it was taken; and after something is removed there is room again. Then little memory: files that are longer than it, and more of them than it
# has room for.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
disk=$scratch/disk

inside() { # COMMANDS OPTION...
	capture machine --no-net --timeout 100 "${@:2}" --disk "$disk" --file "$scratch/probe:/probe" -- sh -c "mkdir /mnt; /probe mount /dev/vda /mnt 0; $1; echo end"
}
blank() { # SIZE OPTIONS...
	rm -f "$disk"
	truncate -s "$1" "$disk"
	mke2fs -q -F -t ext3 "${@:2}" "$disk"
}
clean() { # NAME
	capture e2fsck -fn "$disk"
	is "$status" 0 "$1"
	[ "$status" -eq 0 ] || head -n 20 <<<"$output" | sed 's/^/# /'
}
number() { sed -n "s/^$1 \([0-9]*\) files \([0-9]*\) bytes.*/\1 \2/p" | sed -n "${2}p"; } # WORD WHICH

# Full, thinned, full again, three times; read while mounted, and anew.
blocks() { # BLOCK-SIZE
	local what="blocks of $1" said filled verified round
	blank 48M -b "$1" -N 16384
	inside '/probe fill /mnt 0 1000000; /probe write /mnt/more 100000 1; /probe sync /mnt; /probe verify /mnt
		/probe thin /mnt; rm /mnt/more; /probe fill /mnt 1000000 2000000; /probe verify /mnt; /probe sync /mnt
		/probe thin /mnt; /probe fill /mnt 2000000 3000000; /probe sync /mnt; /probe umount /mnt; /probe mount /dev/vda /mnt 0; /probe verify /mnt; /probe umount /mnt'
	said=$output
	is "$(grep -v ' files ' <<<"$said" | tr '\n' ',')" "mount 0,$(grep '^write\|^open' <<<"$said"),syncfs 0,syncfs 0,syncfs 0,umount 0,mount 0,umount 0,end," "$what: a full disk says so, and everything that was taken can be made to last"
	like "$(grep '^write\|^open' <<<"$said")" '^(write ENOSPC fsync 0 fsync 0 close 0|open ENOSPC)$' "$what: ... ENOSPC to whoever asks for more"
	is "$(grep -c '^filled .* until ENOSPC$' <<<"$said")" 3 "$what: ... three times, with room made in between"
	filled=$(number filled 1 <<<"$said") verified=$(number verified 1 <<<"$said")
	is "$verified" "$filled" "$what: all that was taken is there ($filled: files, bytes)"
	[ "${filled#* }" -gt $((36 << 20)) ] && ok "$what: the disk was used to its end" || not_ok "$what: the disk was used to its end" "$filled"
	clean "$what: and the disk is clean"
	round=$(debugfs -R 'ls -p /' "$disk" 2>/dev/null | awk -F / '$3 ~ /^10/ { n++ } END { print n }')
	is "$round" "$(number verified 3 <<<"$said" | cut -d ' ' -f 1)" "$what: as many files are on it"
}

inodes() {
	local free
	blank 96M -b 1024 -N 512
	free=$(tune2fs -l "$disk" | sed -n 's/^Free inodes: *//p')
	inside '/probe fill /mnt 0 10000; mkdir /mnt/folder 2>&1 | grep -o "No space.*"; ln -s x /mnt/link 2>&1 | grep -o "No space.*"; ln /mnt/0 /mnt/same && echo linked; /probe verify /mnt; /probe thin /mnt; mkdir /mnt/folder && echo made; /probe verify /mnt; /probe umount /mnt'
	is "$(sed 's/ [0-9]* bytes//' <<<"$output")" "mount 0
filled $free files until ENOSPC
No space left on device
No space left on device
linked
verified $free files
made
verified $(((free + 1) / 2)) files
umount 0
end" "no inode left: ENOSPC, further names of what is there can be given, and removing helps"
	clean "and the disk is clean"
}

# 64M of memory.
memory() { # BLOCK-SIZE
	local what="64M of memory, blocks of $1" bytes=$((100 << 20))
	blank 300M -b "$1" -N 30000
	inside "/probe write /mnt/large $bytes 1; cp /mnt/large /mnt/copy && echo copied; cmp /mnt/large /mnt/copy && echo same; /probe check /mnt/copy $bytes 1; /probe map /mnt/copy $bytes 1; /probe check /mnt/copy $bytes 2; rm /mnt/large
		mkdir /mnt/many; /probe fill /mnt/many 0 3000; /probe verify /mnt/many; find /mnt | wc -l; /probe umount /mnt; /probe mount /dev/vda /mnt 0; /probe verify /mnt/many; /probe check /mnt/copy $bytes 2; /probe umount /mnt" --mem 64M
	is "$(grep -v ' files ' <<<"$output" | tr '\n' ',')" "mount 0,write 0 fsync 0 fsync 0 close 0,copied,same,/mnt/copy right,mapped: 0 pages wrong, msync 0 fsync 0 close 0,/mnt/copy right,3004,umount 0,mount 0,/mnt/copy right,umount 0,end," \
		"$what: longer files are written, copied, compared, mapped"
	is "$(number verified 1 <<<"$output") $(number verified 2 <<<"$output")" "$(number filled 1 <<<"$output") $(number filled 1 <<<"$output")" "$what: and many files"
	clean "$what: and the disk is clean"
}

if ! musl-gcc -static -O2 -Wall -Wextra -Werror -o "$scratch/probe" "$here/probe.c"; then
	not_ok "the program is built"
else
	blocks 1024
	blocks 4096
	inodes
	memory 1024
	memory 4096
fi
done_testing
