#!/usr/bin/env bash
# A program that pages to its own memory as a tenant beside others: it holds nearly all that ExOS has, and when the arbiter asks for frames, it is the one that gives.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

if on_linux; then
	skip "paging when frames are asked back" "it is Aegis's"
	done_testing
	exit
fi

make -s -C "$root" build/tests/exos/pager
capture machine --icount --mem 128M --timeout 100 --arbiter even --file "$root/build/tests/exos/pager:/pager" -- \
	busybox env PAGER_TAKES_ALL=1 /pager works_while_frames_are_asked_back
is "$status" 0 "its memory is what it was through all revocations"
like "$output" "frames were asked back [1-9][0-9]* times" "it is asked"
like "$errors" "arbiter: asked exos for [1-9][0-9]* frames by 5 ms: [1-9][0-9]* returned" "and gives"
is "$(grep -c "asked exos .* by force" <<<"$errors")" 0 "so that nothing is taken by force"
done_testing
