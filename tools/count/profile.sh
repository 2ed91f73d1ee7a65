#!/usr/bin/env bash
# Where instructions went, by functions: profile.sh BEFORE AFTER, two readings of what `./exo run --profile FILE` writes (/dev/null: nothing before). Prints instructions and function, most first; of programs, which lie below the library, one sum.
set -u
build=${BASH_SOURCE[0]%/*}/../../build

# Of each entry its address and how often it ran; the array ends with the first that is empty.
blocks() { od -An -v -w16 -t x8 "$1" | awk -v sign="$2" '$1 ~ /^0+$/ { exit } { print $1, sign, $2 }'; }

{
	{ nm "$build/exos.elf"; nm "$build/aegis"; } | awk 'length($1) == 16 && $2 ~ /[tT]/ { print $1, "=", $3 }'
	echo 0000000000000000 = program
	blocks "$1" -
	blocks "$2" +
} | LC_ALL=C sort -k 1,1 -k 2,2r | awk '
	function number(hex,   n, i) { for (i = 1; i <= 16; i++) n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1; return n }
	$2 == "=" { name = $3; next }
	{ sum[name] += $2 == "+" ? number($3) : -number($3) }
	END { for (name in sum) if (sum[name] > 0) printf "%d %s\n", sum[name], name }' | sort -rn
