#!/usr/bin/env bash
# Dynamic executables: Debian's own, and some that look at how they were loaded; files that are no programs although a part of them looks like one.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

sources=$root/tests/linux/dynamic
library_folder=/lib/x86_64-linux-gnu

# Takes over the points that a program prints as `ok NAME` and `not ok NAME`.
take_points() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'not ok '*) not_ok "${line#not ok }" ;;
		esac
	done <<<"$output"
}

capture machine -- /bin/ls /
like "$output" $'bin\n.*tmp' "Debian's ls, by its path"
is "$status" 0 "and its exit status"
capture machine -- perl -e 'my %h = map { $_ => length } qw(a bb ccc); print join(",", map { "$_$h{$_}" } sort keys %h), "\n"; exit 3'
is "$output" "a1,bb2,ccc3" "perl, found in the host's PATH"
is "$status" 3 "and its exit status"
capture machine --file /usr/bin/sort --file /usr/bin/cut -- bash -c \
	'f() { echo "$1-$$" | /usr/bin/cut -d- -f1; }; for i in 3 1 2; do f $i & done | /usr/bin/sort | tr "\n" " "; wait; x=$(echo inner; exit 4); echo "$x $?"; kill -TERM $BASHPID; echo not here'
is "$output" "1 2 3 inner 4" "bash runs other dynamic executables in pipes"
is "$status" 143 "and ends by its own signal"

if ! { gcc -O1 -shared -fPIC -o "$scratch/library.so" "$sources/library.c" && gcc -O1 -Wl,-z,now -o "$scratch/loaded" "$sources/loaded.c" "$scratch/library.so" &&
	gcc -O1 -o "$scratch/threads" "$sources/threads.c" && gcc -static -O1 -o "$scratch/try" "$sources/try.c"; }; then
	not_ok "the test programs compile"
fi
capture machine -- "$scratch/loaded" "$scratch/library.so"
take_points
is "$status" 0 "a program with a library: all of that"
like "$output" "SIGBUS" "to the end"
gcc -O1 -no-pie -Wl,-z,now -o "$scratch/loaded_low" "$sources/loaded.c" "$scratch/library.so"
capture machine -- "$scratch/loaded_low" "$scratch/library.so"
is "$status $(grep -c '^ok' <<<"$output")" "0 $(grep -c 'point(' "$sources/loaded.c" | awk '{ print $1 - 1 }')" "all of that for one that is not position-independent"
capture machine --file "$scratch/library.so" -- "$scratch/threads" "$scratch/library.so"
take_points
is "$status" 0 "a program with threads: all of that"
like "$output" "cancelled" "to the end"

# Twice the same program in one machine: where it is, where its library's function, its stack.
cat >"$scratch/where.c" <<'END'
#include <stdio.h>
int main(void)
{
	printf("%p %p\n", (void *)main, (void *)printf);
	return 0;
}
END
gcc -O1 -o "$scratch/where" "$scratch/where.c"
capture machine --file "$scratch/where:/where" --file "$library_folder/libc.so.6" --file /lib64/ld-linux-x86-64.so.2 --file /usr/bin/setarch -- busybox sh -c \
	'/where; /where; setarch -R /where; setarch -R /where; /lib64/ld-linux-x86-64.so.2 /where | wc -w; /lib64/ld-linux-x86-64.so.2 --list /where | wc -l'
mapfile -t line <<<"$output"
read -r program_1 library_1 <<<"${line[0]}"
read -r program_2 library_2 <<<"${line[1]}"
is "$([ "$program_1" != "$program_2" ] && [ "$library_1" != "$library_2" ] && echo differ)" "differ" "programs and libraries are at other addresses each time"
is "$(wc -w <<<"${line[2]}") ${line[2]}" "2 ${line[3]}" "or at the same, by setarch -R"
is "${line[4]} ${line[5]}" "2 $(on_linux && echo 3 || echo 2)" "the dynamic linker, run by its name"

cat >"$scratch/preloaded.c" <<'END'
int getpid(void) { return 4711; }
END
gcc -O1 -shared -fPIC -w -o "$scratch/preloaded.so" "$scratch/preloaded.c"
capture machine --file "$scratch/preloaded.so:/preloaded.so" --env LD_PRELOAD=/preloaded.so -- bash -c 'echo $$'
is "$output" 4711 "LD_PRELOAD"
gcc -O1 -o "$scratch/lacks" "$scratch/where.c" -Wl,--no-as-needed "$scratch/preloaded.so" && rm "$scratch/preloaded.so"
capture machine -- "$scratch/lacks"
is "$status" 127 "a library that is missing: 127"
like "$errors" "preloaded.so: cannot open shared object file" "and the dynamic linker's message"

# What execve says to programs that name something else than a dynamic linker.
mkdir "$scratch/x"
interpreted() { # NAME INTERPRETER [FLAGS...]
	gcc -O1 -o "$scratch/x/$1" "$scratch/where.c" "-Wl,--dynamic-linker=$2" "${@:3}"
}
echo 'int main(void) { return 42; }' | musl-gcc -static -w -x c -o "$scratch/x/static" -
echo 'const char name[] __attribute__((section(".interp"))) = "/no/such"; int main(void) { return 43; }' | musl-gcc -static -w -x c -o "$scratch/x/nested" -
echo 'int nothing;' | gcc -c -x c -o "$scratch/x/object" -
printf '#!/bin/busybox sh\n# An interpreter may not be a script itself, however long.\nexit 44\n' >"$scratch/x/script"
printf '\177ELF\2\1\1' >"$scratch/x/short"
head -c 100 "$scratch/x/static" >"$scratch/x/cut"
{ printf '\177ELF' && head -c 4096 /dev/zero; } >"$scratch/x/corrupt"
echo "no program at all, but long enough to have been the header of one, had it only begun like that" >"$scratch/x/text"
cp "$scratch/x/static" "$scratch/x/forbidden"
chmod +x "$scratch"/x/*
chmod -x "$scratch/x/forbidden"
kinds=(static nested object script short cut corrupt text forbidden)
for kind in "${kinds[@]}"; do
	interpreted "by_$kind" "/x/$kind"
done
interpreted by_none /no/such
interpreted by_folder /x
interpreted by_long "/$(printf 'x%.0s' {1..5000})"
interpreted overlapping /x/static -no-pie
expected="by_static: exit 42
nested: No such file or directory
by_nested: exit 43
by_none: No such file or directory
by_folder: Permission denied
by_forbidden: Permission denied
by_text: Accessing a corrupted shared library
by_script: Accessing a corrupted shared library
by_corrupt: Accessing a corrupted shared library
by_short: Input/output error
by_long: Exec format error"
mapfile -t names < <(cut -d: -f1 <<<"$expected")
capture machine --file "$scratch/x:/x" --file "$scratch/try:/try" -- /try "${names[@]/#//x/}"
is "$output" "$expected" "execve and interpreters that are none"
# The last one Linux lets cover the program that names it.
capture machine --file "$scratch/x:/x" --file "$scratch/try:/try" -- /try /x/by_object /x/by_cut /x/overlapping
is "$(grep -c 'Accessing a corrupted shared library' <<<"$output")" "$(on_linux && echo 2 || echo 3)" "and those that are cut off, no executables, or in the program's place"

# The same files, spoilt byte by byte: whatever comes of it, the next program runs. SEED, ROUNDS.
seed=${SEED:-1}
RANDOM=$seed
mkdir "$scratch/spoilt"
for ((n = 0; n < ${ROUNDS:-40}; n++)); do
	cp "$scratch/where" "$scratch/spoilt/$n"
	for ((i = 0; i < 3; i++)); do
		# Header and program header table: 64 + 13 * 56 bytes.
		printf %b "\\x$(printf %02x $((RANDOM % 256)))" | dd of="$scratch/spoilt/$n" bs=1 seek=$((16 + RANDOM % 776)) conv=notrunc status=none
	done
done
capture machine --timeout 100 --file "$scratch/spoilt:/spoilt" --file "$scratch/where:/where" --file "$library_folder/libc.so.6" --file /lib64/ld-linux-x86-64.so.2 -- \
	busybox sh -c 'for f in /spoilt/*; do timeout -s KILL 2 $f >/dev/null 2>&1; done; /where | wc -w'
is "$output" 2 "executables spoilt at random: seed $seed"

# Killed while they start, dynamic programs leave nothing behind.
capture machine --file "$scratch/where:/where" --file "$library_folder/libc.so.6" --file /lib64/ld-linux-x86-64.so.2 -- busybox sh -c '
	free_now() { while read -r name kib unit; do [ $name = MemFree: ] && echo $kib; done </proc/meminfo; }
	some() { for i in 1 2 3 4 5 6 7 8; do /where >/dev/null & kill -9 $! 2>/dev/null; wait $!; /where >/dev/null; done; }
	some 2>/dev/null; before=$(free_now); some 2>/dev/null; some 2>/dev/null; some 2>/dev/null; after=$(free_now)
	[ $((before - after)) -lt 64 ] && echo kept || echo $before $after'
is "$output" kept "programs killed while they start leave no memory behind"
done_testing
