#!/usr/bin/env bash
# listing.sh [--check] CHAPTER: puts the code that a chapter shows into it, from the file that is compiled and tested, so that they never part. In
# the chapter a line `<!-- listing: FILE -->` stands before
# the block of code; in FILE the lines `/* listing: begin */` and `/* listing: end */` around what is shown. The Makefile calls it, and tests check it.
set -euo pipefail
cd "$(dirname "$0")/.."
check=''
if [ "$1" = --check ]; then # exit status 1: they differ
	check=1
	shift
fi
new=$(mktemp)
trap 'rm -f "$new"' EXIT

awk '
    function fail(text) { print FILENAME ": " text > "/dev/stderr"; exit failed = 1 }
    inside { if (/^```$/) inside = 0; else next }
    { print }
    pending {
        if (!/^```/) fail("a block of code is expected after the listing of " source)
        shown = lines = 0
        while ((got = (getline line < source)) > 0) {
            if (line == "/* listing: end */") shown = 0
            if (shown) { print line; lines++ }
            if (line == "/* listing: begin */") shown = 1
        }
        if (got < 0 || !lines) fail("nothing to show in " source)
        close(source)
        pending = 0
        inside = 1
    }
    /^<!-- listing: .* -->$/ { source = $3; pending = 1 }
    END { if (!failed && (inside || pending)) fail("a listing does not end") }
' "$1" >"$new"
if [ -n "$check" ]; then
	cmp "$new" "$1"
else
	cmp -s "$new" "$1" || cat "$new" >"$1"
	touch "$1"
fi
