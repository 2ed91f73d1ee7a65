#!/usr/bin/env bash
# --arbiter: ExOS as one tenant of several. While its program works, memory is asked back from it, which it gives, and from a tenant that gives
# nothing, from which it is taken. Time is counted in instructions: however busy this host is, the same happens.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

if on_linux; then
	skip "the arbiter" "it is Aegis's"
	done_testing
	exit
fi

asked() { # TENANT: of each demand in $errors how much was asked, returned, taken by force
	sed -nE "s/^arbiter: asked $1 for ([0-9]+) frames by [0-9.]+ ms: ([0-9]+) returned(; took ([0-9]+) by force)?.*/\1 \2 \4/p" <<<"$errors"
}

cat >"$scratch/work.sh" <<'SCRIPT'
set -e
for _ in 1 2 3 4 5 6 7 8 9 10; do cat /bin/busybox; done >/tmp/kept
dd if=/dev/zero of=/tmp/gone bs=1M count=12 2>/dev/null
rm /tmp/gone
first=$(md5sum </tmp/kept)
while [ "$(cut -d. -f1 /proc/uptime)" -lt 2 ]; do
	[ "$(md5sum </tmp/kept)" = "$first" ] || echo "the file changed"
done
echo "$first"
exit 7
SCRIPT
capture machine --icount --mem 128M --timeout 100 --arbiter even --file "$scratch/work.sh:/work.sh" -- busybox sh /work.sh
is "$output" "$(for _ in 1 2 3 4 5 6 7 8 9 10; do cat /bin/busybox; done | md5sum)" "a program's file has the right digest through all revocations"
is "$status" 7 "and its exit status is that of ./exo"
like "$errors" "arbiter: exos is ExOS, with [0-9]+ frames" "the arbiter says what a tenant may have"
like "$errors" "arbiter: asked exos for [1-9][0-9]* frames by 5 ms: [1-9][0-9]* returned after [0-4]" "ExOS is asked, and gives back before the deadline"
is "$(asked exos | awk '$1 != $2')" "" "each time all that it is asked for"
like "$errors" "arbiter: asked hog for [1-9][0-9]* frames by 5 ms: 0 returned; took [1-9][0-9]* by force in [0-9.]+ ms \(frames 0x[0-9a-f]+" \
	"from a tenant that gives nothing it is taken, by name"
is "$(asked hog | awk '$2 != 0 || $1 != $3')" "" "each time exactly what it owes"
gained=$(sed -nE 's/^arbiter: neighbour is short: gets ([0-9]+) frames of .*/\1/p' <<<"$errors" | awk '{ n += $1 } END { print n }')
is "$({ asked exos && asked hog; } | awk '{ n += $1 } END { print n }')" "$gained" "and who was short gets as much"

cat >"$scratch/deaf.policy" <<'POLICY'
tenant exos exos frames 50% machine
tenant mute deaf frames 20%
tenant hog greedy frames 20%
POLICY
capture machine --icount --mem 128M --timeout 60 --arbiter "$scratch/deaf.policy" -- busybox sh -c 'sleep 2; exit 5'
is "$status" 5 "a program ends with its status beside a tenant that never yields"
held=$(sed -nE 's/^arbiter: mute is .*, with ([0-9]+) frames.*/\1/p; s/^arbiter: mute is short: .*, ([0-9]+) in all/\1/p' <<<"$errors" | tail -n 1)
like "$errors" "arbiter: mute was stopped: it ignored the ends of its slices" "which is stopped"
like "$errors" "arbiter: took $held frames of mute by force" "and loses all of its $held frames"

cat >"$scratch/reserve.sh" <<'SCRIPT'
for i in 1 2 3 4 5; do for j in 1 2 3 4 5 6; do cat /bin/busybox; done >/tmp/$i; sleep 0.2; done
cat /tmp/[1-5] | md5sum
SCRIPT
capture machine --icount --mem 256M --timeout 100 --arbiter reserve --file "$scratch/reserve.sh:/work.sh" -- busybox sh /work.sh
is "$output" "$(for _ in $(seq 30); do cat /bin/busybox; done | md5sum)" "reserve: a program that needs more than its size gets it"
like "$(asked hog | awk '$2 == 0 && $1 == $3 { print "taken" }')" taken "of the tenant with the lowest priority"
is "$(asked neighbour)$(asked exos)" "" "and of no other"

policy_refused() { # TEXT MESSAGE NAME
	printf '%s\n' "$1" >"$scratch/wrong.policy"
	capture machine --arbiter "$scratch/wrong.policy" -- busybox true
	is "$status ${errors%%$'\n'*}" "125 $2" "$3"
}
policy_refused $'# a comment\n\ntenant web exos frmaes 5%' "exo: wrong.policy:3: unknown word 'frmaes'" "a word that is none"
policy_refused 'share fairly' "exo: wrong.policy:1: share is even or priority, not 'fairly'" "a share that is none"
policy_refused 'tenant web exos frames 10x' "exo: wrong.policy:1: a size is 40%, 64M, 512K or a number of frames, not '10x'" "a size that is none"
policy_refused 'tenant web exos' "exo: wrong.policy:1: frames are missing for 'web'" "a tenant without a size"
policy_refused $'tenant web exos frames 60%\ntenant hog greedy frames 50%' \
	"exo: wrong.policy: tenants and reserve have more than 100% of the frames" "more than there is"
policy_refused 'tenant hog greedy frames 50%' "exo: wrong.policy: no tenant is of kind 'exos'" "nobody to run the program"
policy_refused 'deadline 3' "exo: wrong.policy:1: a time is 500us, 10ms or 2s, at most 60s, not '3'" "a time without its unit"
printf 'tenant web exos frames 5\n' >"$scratch/wrong.policy"
capture machine --timeout 20 --arbiter "$scratch/wrong.policy" -- busybox true
is "$status" 125 "a size that the library does not fit in"
like "$errors" "arbiter: wrong.policy: web has 5 frames, its module alone needs [0-9]+" "is said"
capture machine --arbiter no-such -- busybox true
is "$status $errors" "125 exo: --arbiter no-such: no such policy; there are: even reserve" "a policy that is not there"
done_testing
