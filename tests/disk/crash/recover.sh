#!/bin/sh
# What a system does with a disk after a crash, on this host. recover.sh build FOLDER: builds what it needs there. recover.sh FOLDER DISK NUMBER: recovers; in turns as ExOS does at mount, or by e2fsck's journal replay and what it does with inodes that have no names any more.
# Anything else that e2fsck mends is a fault: status 1, and what it said.

build() {
	here=$(cd -- "${0%/*}" && pwd -P)
	root=$(cd "$here/../../.." && pwd -P)
	gcc -std=gnu11 -O2 -g -Wall -Wextra -Werror -I"$root/include" -I"$root" -o "$1/recover" "$here/recover.c" "$root"/exos/ext2/*.c
}

by_e2fsck() {
	said=$(e2fsck -p -E journal_only "$1" 2>&1) || [ $? -eq 1 ] || { echo "$said"; return 1; }
	said=$(e2fsck -p "$1" 2>&1 | grep -v -e 'recovering journal' -e ': clean,' -e 'Clearing orphaned inode' -e 'Truncating orphaned inode' -e '^[^ ]*: [0-9]*/[0-9]* files' -e 'Setting free \(blocks\|inodes\) count to')
	[ -z "$said" ] || { echo "$said"; return 1; }
}

if [ "$1" = build ]; then
	build "$2"
elif [ $(($3 % 2)) -eq 0 ]; then
	"$1/recover" "$2"
else
	by_e2fsck "$2"
fi
