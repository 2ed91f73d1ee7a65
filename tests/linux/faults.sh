#!/usr/bin/env bash
# What a program must not do gives it its signal, and the shell goes on; what is no executable is refused as Linux refuses it.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

cat >"$scratch/fault.c" <<'END'
#include <stdlib.h>
#include <string.h>
static volatile int depth;
static int overflow(int n)
{
	volatile char room[4096];
	room[0] = (char)n;
	depth++;
	return overflow(n + 1) + room[0];
}
int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "null")) *(volatile int *)0 = 1;
	if (!strcmp(what, "garbage")) ((void (*)(void))0x123456789000)();
	if (!strcmp(what, "noncanonical")) ((void (*)(void))0x8000000000000000)();
	if (!strcmp(what, "library")) *(volatile int *)0x7fc000000000 = 1;
	if (!strcmp(what, "kernel")) *(volatile int *)0xffffffff80100000 = 1;
	if (!strcmp(what, "stack")) return overflow(0);
	if (!strcmp(what, "hlt")) __asm__ volatile("hlt");
	if (!strcmp(what, "cli")) __asm__ volatile("cli");
	if (!strcmp(what, "out")) __asm__ volatile("outb %al, $0x80");
	if (!strcmp(what, "wrmsr")) __asm__ volatile("wrmsr" : : "c"(0xc0000080), "a"(0), "d"(0));
	if (!strcmp(what, "ud2")) __asm__ volatile("ud2");
	if (!strcmp(what, "divide")) __asm__ volatile("div %%ecx" : : "a"(1), "c"(0), "d"(0));
	if (!strcmp(what, "abort")) abort();
	return 0;
}
END
gcc -O0 -static -w -o "$scratch/fault" "$scratch/fault.c" || not_ok "the test program compiles"
capture machine --file "$scratch/fault:/fault" -- busybox sh -c \
	'for f in null garbage noncanonical library kernel stack hlt cli out wrmsr ud2 divide abort none; do /fault $f; echo $f $?; done 2>/dev/null'
is "$output" "null 139
garbage 139
noncanonical 139
library 139
kernel 139
stack 139
hlt 139
cli 139
out 139
wrmsr 139
ud2 132
divide 136
abort 134
none 0" "each fault gives its signal, and the shell goes on"

cp "$scratch/fault" "$scratch/truncated"
truncate -s 3000 "$scratch/truncated"
head -c 4096 /dev/urandom >"$scratch/corrupt"
printf '\177ELF' | dd of="$scratch/corrupt" conv=notrunc status=none
cp "$scratch/fault" "$scratch/foreign"
printf '\267\0' | dd of="$scratch/foreign" bs=1 seek=18 conv=notrunc status=none # AArch64
: >"$scratch/empty"
chmod +x "$scratch"/{truncated,corrupt,foreign,empty}
printf '#!/no/such/interpreter\n' >"$scratch/script"
chmod +x "$scratch/script"
printf '#!/bin/busybox sh\necho script $0 $1\n' >"$scratch/good"
chmod +x "$scratch/good"
capture machine --file "$scratch:/x" --file /bin/bash-static:/bash -- /bash -c \
	'for f in truncated corrupt foreign script missing; do /x/$f; echo $f $?; done 2>&1; /x/good argument; chmod -x /x/good; /x/good; echo $?; /x; echo $?' 2>&1
like "$output" "truncated: cannot execute binary file: Exec format error" "a truncated executable: Exec format error"
like "$output" "corrupt: cannot execute binary file: Exec format error" "a corrupt one"
like "$output" "foreign: cannot execute binary file: Exec format error" "one for another machine"
like "$output" "script: .*(bad interpreter|required file not found)" "a script whose interpreter is missing"
like "$output" "missing 127" "a missing file: 127"
like "$output" "script /x/good argument" "a script runs by its interpreter"
like "$errors" "good: Permission denied" "no permission to execute"
like "$errors" "/x: Is a directory" "a directory is no program"

if on_linux; then
	skip "too little memory" "Linux's own"
else
	capture machine --mem 3M --timeout 20 -- busybox true
	is "$status" 125 "too little memory: 125, not a hang"
	like "$errors" "not enough memory|memory" "and a clear message"
	capture machine --mem 5M --timeout 20 --file "$scratch/fault:/a" -- busybox true
	is "$status" 125 "a little more, still too little: 125"
	like "$errors" "memory" "and a clear message"
fi
done_testing
