#!/usr/bin/env bash
# Programs of the root under schedulers of one's own, as a user runs them: apps/schedule, and the chapter's example, apps/stride.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

flock "$root/build/lock" make --no-print-directory -s -C "$root" build/apps/schedule build/apps/stride >&2 || exit 1
with=(--file "$root/build/apps/schedule:/bin/schedule" --file "$root/build/apps/stride:/bin/stride")
# The shell itself counts: programs that it starts would have slices of their own.
cat >"$scratch/count" <<'END'
#!/bin/busybox sh
i=0
while [ $i -lt $1 ]; do i=$((i+1)); done
echo $2
exit $3
END
chmod +x "$scratch/count"
with+=(--file "$scratch/count:/bin/count")

if on_linux; then
	capture machine "${with[@]}" -- /bin/schedule stride 1 /bin/true
	like "$errors" "not ExOS" "on Linux it says that the kernel schedules"
	done_testing
	exit
fi

capture machine "${with[@]}" -- schedule --help
like "$output" "^usage: schedule" "--help tells how"
is "$status" 0 "and is no error"
for wrong in "" "stride" "nosuch 1 true" "stride x true" "stride 1" "stride=x 1 true" "edf 5 true"; do
	# shellcheck disable=SC2086 # several words
	capture machine "${with[@]}" -- schedule $wrong
	is "$status" 2 "schedule $wrong: refused"
done

capture machine --icount "${with[@]}" -- schedule stride 1 /bin/count 30000 slow 7 : 3 /bin/count 30000 quick 3
is "$output" "quick"$'\n'"slow" "who has three times the tickets ends first"
is "$status" 7 "the exit status is the highest"
capture machine --icount "${with[@]}" -- schedule lottery=3 3 '[' schedule stride 1 /bin/count 20000 inner-slow 0 : 5 /bin/count 20000 inner-quick 0 ']' : 1 /bin/count 60000 outer 0
is "$output" "inner-quick"$'\n'"inner-slow"$'\n'"outer" "schedulers nest by brackets"
capture machine "${with[@]}" -- schedule edf 6/20 /bin/count 100 a 0 : 15/20 /bin/count 100 b 0
like "$errors" "more than there is" "what EDF cannot promise it refuses"
is "$status" 1 "and that is an error"
capture machine --icount "${with[@]}" -- schedule -v edf 2/20 /bin/count 20000 little 0 : 14/20 /bin/count 40000 much 0
is "$output" "much"$'\n'"little" "budgets under EDF are shares"
like "$output$errors" "0 late, [1-9][0-9]* over budget" "and -v says what became of jobs"
capture machine "${with[@]}" -- busybox sh -c 'schedule stride 1 nosuch : 1 count 10 here 0; echo $?'
like "$output" "here.*127" "a program that is not there harms no other"

capture machine --icount "${with[@]}" -- stride 1 /bin/date 2 /bin/uname 1 /nosuch
is "$("$root/tools/listing.sh" --check docs/schedulers.md 2>&1)" "" "the chapter shows the program that is tested"
like "$output" "Linux" "the chapter's stride scheduler runs programs"
like "$output" "UTC" "all of them"
is "$status" 0 "and ends with them"

# On a terminal: keys are typed when what they answer has been seen.
mkfifo "$scratch/keys"
script -qefc "$root/exo run --timeout 60 --file $root/build/apps/schedule:/bin/schedule" /dev/null <>"$scratch/keys" >"$scratch/seen" 2>&1 &
seen() { # PATTERN: waits for it
	until grep -q "$1" "$scratch/seen" || ! kill -0 $! 2>/dev/null; do
		sleep 0.1
	done
}
seen 'exo:/#'
echo 'schedule stride 1 busybox sh -c "echo rea""dy; while :; do :; done" : 2 busybox sh -c "while :; do :; done"' >"$scratch/keys"
seen '^ready'
printf '\003' >"$scratch/keys"
seen '\^C'
printf 'echo "ended "$?\nexit\n' >"$scratch/keys"
wait $!
like "$(cat "$scratch/seen")" $'\n''ended 130' "Ctrl-C ends a scheduler and its clients"

done_testing
