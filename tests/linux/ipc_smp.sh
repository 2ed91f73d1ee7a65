#!/usr/bin/env bash
# Two CPUs: the programs that test words, rings, calls, RPC and conversations through pipes between processes, whose ends now run at the same time.
# shellcheck disable=SC2154
. "${BASH_SOURCE[0]%/*}/../lib.sh"

for program in ipc lrpc rpc rpc_hostile turns; do
	capture machine --smp 2 --timeout 100 --file "$root/build/tests/exos/$program:/test" -- /test
	is "$status $(grep -c '^ok' <<<"$output") $(grep '^not ok' <<<"$output")" "0 $(sed -n 's/^1\.\.//p' <<<"$output") " "$program, all of it"
done
done_testing
