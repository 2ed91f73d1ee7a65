#!/usr/bin/env bash
# Much of one thing: a thousand programs one after the other, and 256 MiB through five processes; nothing is lost, nothing is left.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

capture machine -- busybox sh -c 'run() { i=0; while [ $i -lt $1 ]; do busybox true; i=$((i+1)); done; echo $i; }
free() { while read -r name value unit; do [ $name = MemFree: ] && echo $value; done < /proc/meminfo; }
run 20; free; run 1000; free'
read -r -d '' warm before thousand after <<<"$output"
is "$warm $thousand" "20 1000" "a thousand programs run"
if on_linux; then
	skip "frames in use afterwards are those before" "Linux's caches move"
else
	is "$after" "$before" "frames in use afterwards are those before"
fi

expected=$(head -c 268435456 /dev/zero | tr '\0' b | md5sum | cut -d' ' -f1)
capture machine -- busybox sh -c 'head -c 268435456 /dev/zero | cat | tr "\000" a | tr a b | cat | md5sum'
is "${output%% *}" "$expected" "256 MiB through a pipeline of processes has the host's digest"
done_testing
