#!/usr/bin/env bash
# Memory is asked back from a program, the whole way: the arbiter's demand on ExOS's account, its keeper, the program's handler, frames back in the kernel before the
# deadline. A program that answers, one that does not, one that dies of it, one that sleeps; and the cache of bench/cache.c.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

if on_linux; then
	skip "revocation" "it is Aegis's"
	done_testing
	exit
fi

# Every fifth of a second 4% of the frames, until both have the same.
cat >"$scratch/step.policy" <<'POLICY'
tenant db exos frames 74% machine
tenant neighbour polite frames 25%
share even
reserve 1%
step 4%
every 200ms
deadline 5ms
tell at 5%
POLICY
compile revoked -Wall -Werror -D_GNU_SOURCE -std=gnu11 -I"$root" -I"$root/include" <"$root/tests/linux/revoked.c"
unlike() { # GOT PATTERN NAME
	is "$(grep -E "$2" <<<"$1")" "" "$3"
}
revoked() { # MODE FRAMES: with a shell that outlives it
	capture machine --icount --mem 48M --timeout 60 --arbiter "$scratch/step.policy" --file "$scratch/revoked:/revoked" -- \
		busybox sh -c "/revoked $1 $2; echo status \$?"
	# the first demand alone: how much was asked, and what came back, by the arbiter's log and by the program
	read -r demanded returned _ < <(sed -nE 's/^arbiter: asked db for ([0-9]+) frames by 5 ms: ([0-9]+) returned.*/\1 \2/p' <<<"$errors")
	read -r asked given busy faults wrong < <(sed -nE 's/^asked ([0-9]+) given ([0-9]+) busy ([0-9]+) faults ([0-9]+) wrong ([0-9]+)$/\1 \2 \3 \4 \5/p' <<<"$output")
	forced=$(sed -nE 's/^exos: process [0-9]+ \(revoked\) has not given back ([0-9]+) frames in time: taken from it by force$/\1/p' <<<"$errors" | head -n 1)
}
in_time() { # NAME
	like "$demanded" '^[1-9]' "$1: frames are asked back"
	is "$returned" "$demanded" "$1: and are in the kernel before the deadline, all of them"
}

revoked gives 3500
in_time "a program that gives"
is "$given ${asked:-none}" "$asked $given" "it was asked for so many, and gave as many"
is "$((asked > 0 && asked <= demanded))" 1 "what was not idle"
is "$busy" 1 "a frame that is still bound is refused (EBUSY), until it is unbound"
is "$wrong $faults" "0 0" "and what it kept is whole"
like "$output" "status 0" "it goes on"

revoked calls 3500
in_time "a program that makes system calls all the time"
is "$given" "$asked" "is asked between two of them"

revoked sleeps 3500
in_time "a program that sleeps in a system call"
is "$((asked > 0)) $given" "1 $asked" "is woken and gives"
like "$output" "read 1" "and its call goes on as if nothing had been"

revoked mute 3500
is "$given $((asked > 0 && returned + asked == demanded))" "0 1" "a program that gives nothing"
is "${forced:-none} $faults $wrong" "none 0 0" "keeps all, as long as the account has not more than it may"
like "$output" "status 0" "and goes on"

revoked mute 7300
is "$given $((forced > 0 && forced <= asked))" "0 1" "where it has, that much is taken from the program by force, which is said"
is "$faults $wrong" "$forced $forced" "and it finds out by a fault for each: told, not killed"
unlike "$errors" "asked db .* by force" "in time: nothing is taken from those beside it"
like "$output" "status 0" "it goes on"

revoked frail 7300
like "$errors" "exos: process [0-9]+ \\(revoked\\) is killed: it has not given back [0-9]+ frames in time" \
	"a program that has not said that it bears this is killed, which is said"
in_time "by its end"
like "$output" "status 137" "by SIGKILL"
is "$status" 0 "alone"

revoked dies 3500
in_time "a program that dies in its handler"
like "$errors" "exos: revoked: a handler's own access to 8 failed: process [0-9]+ is killed" "which is said"
like "$output" "status 139" "and is its end, by which its frames come back"
is "$status" 0 "alone"

# The cache of results of the bench, beside two neighbours that grow until all have the same: what it is asked for it gives, the cheapest or what the clock says.
{
	echo 'tenant other polite frames 10%'
	sed 's/25%/15%/' "$scratch/step.policy"
} >"$scratch/cache.policy"
cache() { # POLICY
	capture machine --icount --mem 48M --timeout 100 --arbiter "$scratch/cache.policy" --file "$root/build/bench/cache:/cache" -- /cache "$1" 100000 150000
	is "$status" 0 "a cache that drops by $1: every result is right"
	is "$(sed -nE 's/^arbiter: asked db for ([0-9]+) frames by 5 ms: ([0-9]+) returned after.*/\1 \2/p' <<<"$errors" | awk '{ n++; bad += $1 != $2 } END { print (n > 2), bad + 0 }')" "1 0" \
		"$1: asked again and again, it gives in time each time"
	read -r asked given lost < <(sed -nE 's/^demands [0-9]+ asked ([0-9]+) given ([0-9]+) lost ([0-9]+)$/\1 \2 \3/p' <<<"$output")
	is "$((given > 500)) $given $lost" "1 $asked 0" "$1: all that is asked of it, so nothing is taken"
	instructions=$(sed -nE 's/.* instructions ([0-9]+) .*/\1/p' <<<"$output")
	sum=$(sed -nE 's/.* sum ([0-9a-f]+)$/\1/p' <<<"$output")
	echo "# $1: $instructions instructions"
}
cache default
by_default=$instructions sum_default=$sum
cache cheapest
is "$sum" "$sum_default" "both give the same results"
is "$((instructions < by_default))" 1 "and dropping the cheapest takes fewer instructions"
done_testing
