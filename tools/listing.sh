#!/usr/bin/env bash
# listing.sh CHAPTER: puts the code that a chapter shows into it, from the file that is compiled and tested, so that they never part. In the chapter a line `<!-- listing: FILE -->` stands before
# the block of code; in FILE the lines `/* listing: begin */` and `/* listing: end */` around what is shown. The Makefile calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

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
' "$1" >"$1.new" || { rm -f "$1.new"; exit 1; }
cmp -s "$1.new" "$1" || cat "$1.new" >"$1"
rm -f "$1.new"
touch "$1"
