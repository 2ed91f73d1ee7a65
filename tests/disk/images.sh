#!/usr/bin/env bash
# Disks that are not what they should be: without a file system, with one that is not ours, cut off, damaged, read-only. mount says what is wrong, with an error that programs understand, changes nothing, and the shell goes on. Then several hundred damaged ones, mounted and used
# in one machine: none may stop it. SEED: of the damage (1); MUTANTS: how many (400).
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
PATH=$PATH:/sbin:/usr/sbin
SEED=${SEED:-1} MUTANTS=${MUTANTS:-400}

make() { # NAME SIZE OPTIONS...
	mke2fs -q -F -t ext3 -d "$scratch/tree" "${@:3}" "$scratch/$1" "$2" >"$scratch/said" 2>&1
}
scribble() { # NAME OFFSET COUNT: bytes that are nothing
	head -c "$3" /dev/zero | tr '\0' '\245' | dd of="$scratch/$1" bs=1 seek="$2" conv=notrunc status=none
}
poke() { # NAME COMMAND: a field of the superblock
	debugfs -w -R "set_super_value $2" "$scratch/$1" 2>/dev/null
}

names=() errors_of=() words=()
image() { # NAME ERROR WORDS: an image, the error that mounting it is, and what the log says
	names+=("$1") errors_of+=("$2") words+=("$3")
}

images() {
	local block
	truncate -s 8M "$scratch/zeros"
	image zeros EINVAL 'there is no ext2 or ext3 file system'
	head -c 8388608 /dev/urandom >"$scratch/noise"
	image noise EINVAL 'there is no ext2 or ext3 file system'
	truncate -s 1K "$scratch/tiny"
	image tiny EINVAL ''
	truncate -s 8M "$scratch/ext4" "$scratch/checksums"
	mke2fs -q -F -t ext4 "$scratch/ext4"
	image ext4 EOPNOTSUPP 'extents|64bit'
	mke2fs -q -F -t ext4 -O ^extent,^64bit,metadata_csum "$scratch/checksums"
	image checksums EROFS 'mount it read-only'
	make cut 16M
	truncate -s 12M "$scratch/cut"
	image cut EINVAL 'longer than what it lies on'
	make super 16M
	scribble super 1024 1024
	image super EINVAL 'there is no ext2 or ext3 file system'
	make inode_size 16M
	poke inode_size 'inode_size 77'
	image inode_size EINVAL 'superblock is damaged'
	make per_group 16M
	poke per_group 'blocks_per_group 5'
	image per_group EINVAL 'superblock is damaged'
	make descriptors 16M -b 1024
	scribble descriptors 2048 64
	image descriptors EINVAL 'descriptors are damaged'
	make journal 16M -b 1024
	block=$(debugfs -R 'bmap <8> 0' "$scratch/journal" 2>/dev/null)
	scribble journal $((block * 1024)) 1024
	image journal EINVAL 'journal is damaged'
	make journal_inode 16M -b 1024
	debugfs -w -R 'set_inode_field <8> block[0] 99999999' "$scratch/journal_inode" 2>/dev/null
	image journal_inode EINVAL "journal's inode is damaged"
	make needs_journal 16M
	poke needs_journal 'feature_incompat 0x46'
	image needs_journal EOPNOTSUPP 'extents'
	make whole 16M
	image whole 0 ''
}

refused() {
	local i options=() letters=abcdefghijklmnopqrstuvwxyz commands='' sums
	for i in "${!names[@]}"; do
		options+=(--disk "$scratch/${names[i]}")
		commands+="/probe mount /dev/vd${letters:i:1} /mnt 0; umount /mnt 2>/dev/null;"
	done
	sums=$(cd "$scratch" && md5sum "${names[@]}")
	capture machine --machine q35 --no-net --timeout 60 "${options[@]}" --file "$scratch/probe:/probe" -- sh -c "mkdir /mnt; $commands ls /mnt; echo end"
	for i in "${!names[@]}"; do
		is "$(sed -n $((i + 1))p <<<"$output")" "mount ${errors_of[i]}" "${names[i]}: mount says ${errors_of[i]}"
		[ -z "${words[i]}" ] || like "$errors" "/dev/vd${letters:i:1}: [^"$'\n'"]*(${words[i]})" "${names[i]}: and the log says why"
		# That the journal is in use is written before it is looked into: whoever comes after a crash must know.
		[[ ${errors_of[i]} = 0 || ${names[i]} = journal ]] || is "$(md5sum <"$scratch/${names[i]}" | cut -c 1-32)" "$(grep " ${names[i]}\$" <<<"$sums" | cut -c 1-32)" "${names[i]}: and nothing was written to it"
	done
	like "$output" $'\nend$' "after all of them the shell goes on"
}

# A disk that only can be read, and a mount that only may read.
read_only() {
	make readonly 16M
	sum=$(md5sum <"$scratch/readonly")
	capture machine --no-net --disk "$scratch/readonly,readonly" --disk "$scratch/whole" --file "$scratch/probe:/probe" -- sh -c '
		mkdir /mnt; /probe mount /dev/vda /mnt 0; for disk in vda vdb; do /probe mount /dev/$disk /mnt 1; cat /mnt/folder/text; /probe write /mnt/new 10 1; /probe write /mnt/folder/text 10 1; /probe remove /mnt/folder/text; mkdir /mnt/new 2>&1 | grep -o "Read-only.*"
		chmod 0 /mnt/folder 2>&1 | grep -o "Read-only.*"; /probe umount /mnt; done; echo end'
	local each=$'mount 0\ntext\nopen EROFS\nopen EROFS\nremove EROFS\nRead-only file system\nRead-only file system\numount 0\n'
	is "$output" "mount EROFS"$'\n'"$each${each}end" "a disk, and a mount, that is read-only"
	is "$(md5sum <"$scratch/readonly")" "$sum" "is not written"
}

mutants() { # BLOCK-SIZE
	rm -f "$scratch/base"
	make base 7M -b "$1" -J size=$(($1 / 1024)) -N 128
	truncate -s 8M "$scratch/mutant"
	capture machine --no-net --timeout 150 --disk "$scratch/mutant" --file "$scratch/base:/base" --file "$scratch/probe:/probe" -- sh -c "mkdir /mnt; /probe mutants /dev/vda /base $((SEED * 100000)) $((SEED * 100000 + MUTANTS / 2)) /mnt; echo end"
	like "$output" "^mutants $((MUTANTS / 2)) mounted [0-9]+ refused [0-9]+"$'\n'"end$" "$((MUTANTS / 2)) mutants of blocks of $1 bytes, seed $SEED: mounted, read, written; the machine stands"
	echo "# $output"
	[ "${output##*$'\n'}" = end ] || tail -n 12 <<<"$errors" | sed 's/^/# /'
}

if ! musl-gcc -static -O2 -Wall -Wextra -Werror -o "$scratch/probe" "$here/probe.c"; then
	not_ok "the program is built"
else
	mkdir -p "$scratch/tree/folder/below/more"
	echo text >"$scratch/tree/folder/text"
	head -c 300000 /dev/urandom >"$scratch/tree/large"
	ln "$scratch/tree/large" "$scratch/tree/folder/same"
	ln -s folder/text "$scratch/tree/link"
	ln -s "$(head -c 200 /dev/zero | tr '\0' x)" "$scratch/tree/long"
	for i in $(seq 60); do echo "$i" >"$scratch/tree/folder/below/file number $i"; done
	images
	refused
	read_only
	mutants 1024
	mutants 4096
fi
done_testing
