#!/usr/bin/env bash
# A tree of 20,000 files goes to the disk and comes back: unpacked on ExOS, it is read by ExOS after a mount anew and by debugfs, and e2fsck has nothing to say; made by mke2fs, it is read on ExOS. Every file is compared: contents, mode, owner, links, size, time, target.
# SEED: of the tree (any); FILES: how many (20000); SIZE: of blocks (4096; tree_small.sh: 1024); WITH=linux: Linux reads and writes it, instead of this host's tools (tree_linux.sh).
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
SEED=${SEED:-$((RANDOM + 1))} FILES=${FILES:-20000} SIZE=${SIZE:-4096}
echo "# seed $SEED"

programs() {
	local name
	for name in make walk; do
		musl-gcc -static -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$scratch/$name" "$here/tree/$name.c" || return
	done
}

sorted() { LC_ALL=C sort "$@"; }

# mke2fs leaves owner and time of the uppermost folder to itself.
without_top() { awk -F '\t' -v OFS='\t' '$1 == "." { $3 = $4 = $7 = "-" } 1'; }
# BusyBox's tar gives links no time.
without_times_of_links() { awk -F '\t' -v OFS='\t' '$2 ~ /^12/ { $7 = "-" } 1'; }

same() { # GOT EXPECTED NAME: files; what is only in one is said
	local differences
	differences=$(diff "$1" "$2" | head -n 8)
	is "$(wc -l <"$1") $differences" "$(wc -l <"$2") " "$3"
}

blank() { # DISK BLOCK-SIZE
	rm -f "$1"
	truncate -s 256M "$1"
	mke2fs -q -F -t ext3 -b "$2" -N $((FILES + 4000)) "$1"
}

UNPACK="cd /mnt && tar xpf /dev/vdb --numeric-owner && /walk sparse . $SEED && tar xpf /dev/vdc --numeric-owner; cd /"
inside() { # SYSTEM COMMANDS OPTION...: the disk on /mnt
	capture env EXO_ON="$1" "$root/exo" "$1" --machine q35 --no-net --timeout 110 --disk "$disk" --disk "$scratch/archive" --disk "$scratch/folders" --file "$scratch/walk:/walk" -- sh -c "mkdir /mnt && mount -t ext3 ${3-} /dev/vda /mnt && { $2; }"
}

# What debugfs says of each entry, without contents.
debugfs_attributes() {
	cut -f 1 "$scratch/expected" | sed 's|.*|stat "/&"|' >"$scratch/commands"
	debugfs -f "$scratch/commands" "$disk" 2>/dev/null | awk '
		/^debugfs: stat/ { path = substr($0, 17, length($0) - 17) }
		/^Inode:/ { mode = $0; sub(/.*Mode: */, "", mode); sub(/ .*/, "", mode); sub(/^0*/, "", mode); type = $0; sub(/.*Type: */, "", type); sub(/ .*/, "", type) }
		/^User:/ { user = $2; group = $4; size = $NF }
		/^Links:/ { links = $2 }
		/^ *mtime:/ { time = $2; sub(/^0x0*/, "", time); sub(/:.*/, "", time); print path "\t" type "\t" mode "\t" user "\t" group "\t" links "\t" (type == "directory" ? 0 : size) "\t" (type == "symlink" ? "-" : time) }'
}
expected_attributes() {
	awk -F '\t' 'BEGIN { type["10"] = "regular"; type["04"] = "directory"; type["12"] = "symlink"; type["01"] = "FIFO" }
		{ mode = substr($2, 3); sub(/^0*/, "", mode); print $1 "\t" type[substr($2, 1, 2)] "\t" mode "\t" $3 "\t" $4 "\t" $5 + ($1 == ".") "\t" $6 "\t" (substr($2, 1, 2) == "12" ? "-" : sprintf("%x", $7)) }' "$scratch/expected"
}

# What debugfs reads: contents and targets of files and links.
contents() { awk -F '\t' '$2 ~ /^1[02]/ { print $1 "\t" $6 "\t" $8 }'; }
debugfs_contents() {
	rm -rf "$scratch/dump"
	mkdir "$scratch/dump"
	debugfs -R "rdump / $scratch/dump" "$disk" >/dev/null 2>&1
	"$scratch/walk" list "$scratch/dump" | contents
}

clean() { # NAME
	capture e2fsck -fn "$disk"
	is "$status" 0 "$1"
	[ "$status" -eq 0 ] || head -n 20 <<<"$output" | sed 's/^/# /'
}

written_here() { # BLOCK-SIZE
	local what="blocks of $1"
	blank "$disk" "$1"
	inside run "$UNPACK; umount /mnt && mount -t ext3 -o ro /dev/vda /mnt && /walk list /mnt"
	is "$status" 0 "$what: unpacked on ExOS"
	[ "$status" -eq 0 ] || head -n 20 "$scratch/errors" | sed 's/^/# /'
	sorted "$scratch/output" | without_times_of_links >"$scratch/got"
	without_times_of_links <"$scratch/expected" >"$scratch/wanted"
	same "$scratch/got" "$scratch/wanted" "$what: ... and read there when mounted anew, file by file"
	clean "$what: e2fsck has nothing to say"
	debugfs_attributes >"$scratch/got"
	expected_attributes >"$scratch/wanted"
	same "$scratch/got" "$scratch/wanted" "$what: modes, owners, links, sizes and times by debugfs"
	debugfs_contents | sorted >"$scratch/got"
	contents <"$scratch/expected" | sorted >"$scratch/wanted"
	same "$scratch/got" "$scratch/wanted" "$what: contents and targets by debugfs"
}

# What this host's own tar and mke2fs make of it. Who is not root has no files of others: what is compared is what is there.
made_by_mke2fs() { # BLOCK-SIZE
	local what="blocks of $1" before
	rm -f "$disk"
	mke2fs -q -F -t ext3 -b "$1" -N $((FILES + 4000)) -d "$scratch/tree" "$disk" 256M
	before=$(md5sum <"$disk")
	inside run '/walk list /mnt' '-o ro'
	sorted "$scratch/output" | without_top >"$scratch/got"
	without_top <"$scratch/planted" >"$scratch/wanted"
	same "$scratch/got" "$scratch/wanted" "$what: what mke2fs has put there is read on ExOS"
	is "$(md5sum <"$disk")" "$before" "$what: and a disk that is only read stays as it was, to the byte"
}

by_linux_and_back() {
	blank "$disk" 1024
	inside run "$UNPACK; umount /mnt"
	inside linux '/walk list /mnt' '-o ro'
	sorted "$scratch/output" | without_times_of_links >"$scratch/got"
	without_times_of_links <"$scratch/expected" >"$scratch/wanted"
	same "$scratch/got" "$scratch/wanted" "what ExOS has written is read by Linux"
	blank "$disk" 4096
	inside linux "$UNPACK; umount /mnt"
	inside run '/walk list /mnt'
	sorted "$scratch/output" | without_times_of_links >"$scratch/got"
	same "$scratch/got" "$scratch/wanted" "what Linux has written is read on ExOS"
	clean "and e2fsck has nothing to say"
}

disk=$scratch/disk
if programs && "$scratch/make" "$scratch/archive" "$scratch/folders" "$SEED" "$FILES" >"$scratch/listing"; then
	sorted "$scratch/listing" >"$scratch/expected"
	mkdir "$scratch/tree"
	for archive in archive folders; do
		tar -xpf "$scratch/$archive" --numeric-owner -C "$scratch/tree"
		[ $archive = folders ] || "$scratch/walk" sparse "$scratch/tree" "$SEED"
	done
	"$scratch/walk" list "$scratch/tree" | sorted >"$scratch/planted"
	if [ "$(id -u)" -eq 0 ]; then
		same "$scratch/planted" "$scratch/expected" "the tree is what was meant: this host's tar agrees"
	else
		skip "the tree is what was meant: this host's tar agrees" "only root can have files of others"
	fi
	if [ "${WITH-}" = linux ]; then
		by_linux_and_back
	else
		made_by_mke2fs "$SIZE"
		written_here "$SIZE"
	fi
else
	not_ok "the programs are built"
fi
done_testing
