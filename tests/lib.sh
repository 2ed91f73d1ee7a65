# What the tests that start ./exo from the host share: TAP, and the machine. Sourced; the test ends by calling `done_testing`.
# shellcheck shell=bash

root=$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd -P)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/exo-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tools/port.sh
. "$root/tools/port.sh"
points=0
status=0

ok() { # NAME
	points=$((points + 1))
	echo "ok $points - $1"
}

not_ok() { # NAME [WHY...]
	local why
	points=$((points + 1))
	for why in "${@:2}"; do
		printf '%s\n' "$why" | head -n 20 | sed 's/^/# /'
	done
	echo "not ok $points - $1"
}

is() { # GOT EXPECTED NAME
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3" "got:      $1" "expected: $2"
	fi
}

like() { # GOT PATTERN NAME: an extended regular expression that must match somewhere
	if [[ $1 =~ $2 ]]; then
		ok "$3"
	else
		not_ok "$3" "got:     $1" "pattern: $2"
	fi
}

skip() { # NAME WHY
	points=$((points + 1))
	echo "ok $points - $1 # SKIP $2"
}

done_testing() { echo "1..$points"; }

# The system under test: ExOS, or with EXO_ON=linux the baseline. Options and program as for ./exo run.
machine() { "$root/exo" "${EXO_ON:-run}" "$@"; }

on_linux() { [ "${EXO_ON-}" = linux ]; }

# capture COMMAND...: its standard output and error into $output and $errors, its exit status into $status. As with $(...), newlines at the
# end are lost; where bytes count, the files $scratch/output and $scratch/errors have them.
# shellcheck disable=SC2034 # for the sourcing script
capture() {
	"$@" >"$scratch/output" 2>"$scratch/errors"
	status=$?
	output=$(tr -d '\0' <"$scratch/output")
	errors=$(tr -d '\0' <"$scratch/errors")
}

# Program made from C source on standard input: compile NAME [FLAGS...]; static, for the machine.
compile() {
	musl-gcc -static -O1 -w -x c -o "$scratch/$1" - "${@:2}"
}

# serve COMMAND...: starts a machine whose program prints the line `ready` once it serves, and reads standard input to its end before it ends; returns when it is ready.
# serve_end: ends its input, and leaves its exit status in $status.
serve() {
	local line=
	coproc SERVER { "$@" 2>"$scratch/server.errors"; }
	# shellcheck disable=SC2034,SC2153 # coproc sets them
	server_input=${SERVER[1]} server_output=${SERVER[0]} server_pid=$SERVER_PID
	while read -r -t 60 line <&"$server_output" && [ "${line%$'\r'}" != ready ]; do :; done
	[ "${line%$'\r'}" = ready ]
}

serve_end() {
	exec {server_input}>&-
	wait "$server_pid"
	# shellcheck disable=SC2034 # for the sourcing script
	status=$?
}
