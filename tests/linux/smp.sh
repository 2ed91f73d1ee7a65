#!/usr/bin/env bash
# Two CPUs: what processes do at the same time comes out as if they did it one after the other.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

capture machine --smp 2 -- busybox nproc
is "$output" 2 "two CPUs are seen"
capture machine --smp 2 -- busybox sh -c 'for i in 1 2 3 4; do (seq 1 20000 | md5sum) & done; wait'
expected=$(seq 1 20000 | md5sum)
is "$output" "$expected"$'\n'"$expected"$'\n'"$expected"$'\n'"$expected" "four pipelines side by side each come out right"
expected=$(head -c 16777216 /dev/zero | tr '\0' b | md5sum)
capture machine --smp 2 -- busybox sh -c 'head -c 16777216 /dev/zero | cat | tr "\000" a | tr a b | cat | md5sum'
is "$output" "$expected" "16 MiB through a pipeline of processes has the host's digest"
capture machine --smp 2 -- busybox sh -c 'w() { for i in $(seq 1 10); do busybox true || echo bad $?; done; }
count() { echo $(ps -o pid | wc -l); }
count; w & w & w & w & wait; count'
read -r -d '' before after <<<"$output"
is "$after" "$before" "four that start ten programs each leave none behind"
capture machine --smp 2 -- busybox sh -c 'while :; do :; done & a=$!; while :; do :; done & b=$!; sleep 1; kill $a $b; wait $a; echo $?; wait $b; echo $?'
is "$output" $'143\n143' "what runs on the other CPU is killed there"
capture machine --smp 2 -- busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do while :; do :; done & a=$!; while :; do :; done & b=$!; usleep 30000; kill $a $b; wait $a; echo $?; wait $b; echo $?; done | sort | uniq -c'
like "$output" "^ *20 143" "again and again: no signal is lost on the way back to a program"
capture machine --smp 2 -- busybox sh -c 'taskset 1 sh -c "taskset -p \$\$; nproc"; taskset 2 nproc; taskset 4 nproc || echo refused'
like "$output" "mask: 1" "an affinity is kept over exec"
like "$output" refused "a CPU that is not there is refused"
done_testing
