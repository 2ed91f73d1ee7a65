#!/usr/bin/env bash
# How a volume is cached can be changed by a program (apps/caching): what is read from the disk tells.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

SMALL=$(((4 << 20) / 512)) LARGE=$(((96 << 20) / 512)) ROUNDS=4 # sectors
truncate -s 160M "$scratch/disk" && mke2fs -q -t ext3 -b 4096 "$scratch/disk" && musl-gcc -static -O2 -Wall -Wextra -Werror -o "$scratch/trace" "$here/caching.c" || exit

# with WORD...: the trace under that policy, on a volume that has just been mounted: sectors and requests.
with() {
	machine --no-net --mem 64M --timeout 100 --disk "$scratch/disk" --file "$scratch/trace:/trace" --file "$root/build/apps/caching:/caching" -- \
		sh -c "mkdir /mnt; mount -t ext3 /dev/vda /mnt && ${*:+/caching /mnt $* &&} /trace /mnt" 2>"$scratch/errors"
}

with
read -r reused requests < <(with)
read -r same _ < <(with replace=reused)
read -r oldest _ < <(with replace=oldest)
read -r _ small_requests < <(with first=1 ahead=1)
echo "# sectors: $reused by default, $same asked for, $oldest in the order in which they came; requests: $requests, without reading ahead $small_requests"
[ "${reused:-0}" -gt 0 ] && [ "$reused" -lt $((LARGE * ROUNDS + SMALL / 4)) ] && [ "$((oldest - reused))" -ge $SMALL ] && ok "one pass over a large file does not drive out what is read again and again; in order of age it does" ||
	not_ok "one pass over a large file does not drive out what is read again and again; in order of age it does" "$reused, $oldest" "$(tail -n 3 "$scratch/errors")"
[ "$((same - reused))" -lt $SMALL ] && [ "$((reused - same))" -lt $SMALL ] && ok "the default can be asked for" || not_ok "the default can be asked for" "$reused, $same"
[ "$small_requests" -gt $((requests * 4)) ] && ok "reading ahead can be done without" || not_ok "reading ahead can be done without" "$requests, $small_requests"

capture machine --no-net --disk "$scratch/disk" --file "$root/build/apps/caching:/caching" -- \
	sh -c 'mkdir /mnt; mount -t ext3 /dev/vda /mnt; /caching /tmp ahead=3; echo $?; /caching /mnt first=9 ahead=3; echo $?; /caching /mnt replace=best; echo $?; /caching /nowhere ahead=1; echo $?'
is "$output" $'1\n1\n2\n1' "wrong requests are refused, whoever asks"
like "$errors" 'on no disk.*Invalid argument.*replace=best: not understood.*No such file' "... and told why"
is "$(e2fsck -fn "$scratch/disk" 2>&1 >/dev/null | grep -v '^e2fsck')" '' "the disk is clean"
done_testing
