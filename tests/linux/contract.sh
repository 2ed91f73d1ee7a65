#!/usr/bin/env bash
# The command line's contract: standard streams byte for byte, exit statuses, options (shared design, section 6).
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

capture machine -- busybox sh -c 'exit 0'
is "$status" 0 "exit status 0"
capture machine -- busybox sh -c 'exit 3'
is "$status" 3 "exit status 3"
capture machine -- busybox sh -c 'kill -TERM $$'
is "$status" 143 "killed by SIGTERM: 128 + 15"
capture machine -- busybox sh -c 'echo out; echo err >&2'
is "$output" out "standard output is standard output"
like "$errors" err "standard error is standard error"

head -c 300000 /dev/urandom >"$scratch/bytes"
machine -- busybox cat <"$scratch/bytes" >"$scratch/copy" 2>/dev/null
is "$(md5sum <"$scratch/copy")" "$(md5sum <"$scratch/bytes")" "300,000 random bytes pass through unchanged"
machine -- busybox sh -c 'cat >&2' <"$scratch/bytes" >/dev/null 2>"$scratch/copy"
is "$(md5sum <"$scratch/copy")" "$(md5sum <"$scratch/bytes")" "and through standard error, with nothing of the machine's own among them"
capture machine -- busybox wc -c </dev/null
is "$output" 0 "end of file on standard input arrives"

capture machine --file "$scratch/bytes:/data/bytes" -- busybox md5sum /data/bytes
is "${output%% *}" "$(md5sum <"$scratch/bytes" | cut -d' ' -f1)" "a file of the host has the same digest inside"
capture machine --env GREETING='good day' -- busybox sh -c 'echo "$GREETING"'
is "$output" "good day" "--env sets a variable"
capture machine --timeout 2 -- busybox sleep 100
is "$status" 124 "--timeout ends the machine with 124"
capture machine -- no-such-program
is "$status" 127 "a program that is nowhere: 127"
like "$errors" "no-such-program" "and its name is said"
echo data >"$scratch/data"
capture machine -- "$scratch/data"
is "$status" 126 "a file that is no executable: 126"
capture machine --smp 2 -- busybox echo two
is "$output" "two" "--smp 2 runs a program"
for cpus in 0 65 two 2x ''; do
	capture machine --smp "$cpus" -- busybox true
	is "$status" 125 "--smp '$cpus' is no number of CPUs: 125"
done
capture machine --disk "$scratch/data" -- busybox true
is "$status" 125 "--disk with a file that is no image: 125"
capture machine --file "$scratch/missing" -- busybox true
is "$status" 125 "--file with a missing file: 125"
capture machine --mem 512M --icount -- busybox sh -c 'cat /proc/uptime'
first=$output
capture machine --mem 512M --icount -- busybox sh -c 'cat /proc/uptime'
is "$output" "$first" "--icount makes time repeat to the digit"

printf 'ls / | wc -l\nexit 3\n' | machine >"$scratch/output" 2>/dev/null
is "${PIPESTATUS[1]}" 3 "a script on standard input: its exit status"
like "$(cat "$scratch/output")" '^[0-9]+$' "and its output"
machine -- busybox yes 2>/dev/null | head -n 2 >"$scratch/output"
is "$(tr '\n' ' ' <"$scratch/output")" "y y " "a closed pipe ends the program"
done_testing
