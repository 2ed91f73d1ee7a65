# The host's end of the link with standard streams that are no terminal, against a machine that plays scenarios. Run by run.sh.
# shellcheck shell=bash disable=SC2154
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tests/lib.sh
. "$here/../../lib.sh"
build=$1

play() { # OPTIONS... SCENARIO [ARGUMENT]
	local options=()
	while [[ $1 == --* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	"$build/link" "${options[@]}" -- "$build/machine" @CONSOLE0@ @CONSOLE1@ "$@"
}

head -c 300000 /dev/urandom >"$scratch/data"
capture play copy <"$scratch/data"
is "$status" 7 "the exit status is the program's"
is "$(cmp "$scratch/data" "$scratch/output" 2>&1)" "" "300 KB from a file go in and come out as they were"
is "$errors" "done" "standard error is apart"
play copy <"$scratch/data" 2>/dev/null | cat >"$scratch/piped"
is "$(cmp "$scratch/data" "$scratch/piped" 2>&1)" "" "through a pipe, too"
cat "$scratch/data" | capture play copy
is "$(cmp "$scratch/data" "$scratch/output" 2>&1)" "" "and from one"
capture play copy <&-
is "$status:$output" "7:" "a closed standard input is an empty one"
capture play copy </dev/null
is "$status:$output" "7:" "as is /dev/null"

for n in 0 1 127 139; do
	capture play leave $n </dev/null
	is "$status$output$errors" $n "exit status $n, and not a word"
done
capture play --status-file "$scratch/status" leave 5 </dev/null
is "$(cat "$scratch/status")" 5 "the status is in the status file"

{
	play modest
	cat
} <"$scratch/data" >"$scratch/output"
is "$({ echo modest; cat "$scratch/data"; } | cmp - "$scratch/output" 2>&1)" "" "input that was not asked for is left for the next to read"

capture play crash </dev/null
is "$status" 125 "a machine that ends by itself is a failure"
is "$output" before "what it sent before that arrives"
is "$errors" "exo: the machine ended without an exit status of the program
qemu: a bad thing
qemu: has happened" "the emulator's own words are shown"
capture "$build/link" -- /nonexistent/emulator </dev/null
is "$status" 125 "an emulator that is not there"
like "$errors" "^exo: /nonexistent/emulator cannot be started: No such file" "is named"
capture play garbage </dev/null
is "$status" 125 "nonsense on the line is a failure"
like "$errors" "no message" "and said to be one"

began=$EPOCHREALTIME
capture play --timeout 0.5 hang </dev/null
is "$status" 124 "time runs out"
is "$output" up "what came before is there"
like "$errors" "^exo: ended after 0.5 seconds" "it is said why"
capture play --timeout 0.2 hang stubborn </dev/null
is "$status" 124 "even a machine that will not go is ended"
is "$((${EPOCHREALTIME%.*} - ${began%.*} < 10))" 1 "in time"
capture play --timeout soon hang </dev/null
is "$status" 125 "a timeout that is no number is refused"

for signal in TERM INT HUP; do
	# A shell starts background jobs with SIGINT ignored; env undoes it.
	env --default-signal=INT "$build/link" -- "$build/machine" @CONSOLE0@ @CONSOLE1@ hang </dev/null >"$scratch/output" &
	link=$!
	until [ -s "$scratch/output" ]; do sleep 0.05; done
	machine=$(cat "/proc/$link/task/$link/children")
	kill -$signal $link
	wait $link
	is $? $((128 + $(kill -l $signal))) "SIG$signal ends it with 128+N"
	is "$(kill -0 "${machine% }" 2>&1 | grep -c 'No such')" 1 "and the machine with it"
	: >"$scratch/output"
done
play hang </dev/null >"$scratch/output" &
link=$!
until [ -s "$scratch/output" ]; do sleep 0.05; done
link=$(cat "/proc/$link/task/$link/children")
machine=$(cat "/proc/${link% }/task/${link% }/children")
kill -KILL "${link% }"
for _ in {1..40}; do [ -d "/proc/${machine% }" ] && sleep 0.05; done
is "$([ -d "/proc/${machine% }" ] && echo there)" "" "a link that is killed takes the machine with it"

{
	play yes </dev/null
	echo $? >"$scratch/status"
} | head -n 2 >"$scratch/output"
is "$(cat "$scratch/output" "$scratch/status" | tr '\n' ' ')" "y y 141 " "the guest learns that nobody reads its output"

mkfifo "$scratch/slow"
play --quiet-log "$scratch/log" flood 16777216 </dev/null >"$scratch/slow" &
exec 3<"$scratch/slow"
sleep 0.5
before=$(wc -l <"$scratch/log")
is "$((before < 8))" 1 "a reader that does not read makes the machine wait"
is "$(wc -c <&3)" 16777216 "and gets all in the end"
wait $!
is $? 0 "with the program's status"
exec 3<&-

capture play log </dev/null
is "$errors" "aegis: kernel
exos: library
aegis: ?[31mred
aegis: aeg
aegis: no end" "log lines have a prefix, and control no terminal"
capture play --log-prefix "linux: " log </dev/null
like "$errors" "linux: no end" "another prefix"
capture play --quiet-log "$scratch/log" log </dev/null
is "$errors" "" "a log that goes to a file"
is "$(head -n 1 "$scratch/log")" "aegis: kernel" "is in the file"
capture play leave 4 </dev/null >&-
is "$status" 4 "a closed standard output does not matter to who does not use it"
