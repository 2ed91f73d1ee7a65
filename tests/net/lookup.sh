#!/usr/bin/env bash
# A server whose GETs are answered by a handler in the kernel (apps/lookup), asked from the host: what it says, that the handler says it, beside busy processes
# and with the server stopped, requests that are wrong, and values that change while they are read. The same program by ordinary sockets on Linux.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

export SEED=${SEED:-$RANDOM}
gets=${GETS:-10000}
echo "# seed $SEED (SEED=, GETS=)"
lookup=$root/build/apps/lookup
port=$(free_port)
ask() { "$lookup" --ask "127.0.0.1:$port" "$@"; }
count() { ask stats | awk -v name="$1" '$1 == name { print $2 }'; } # NAME: of the server's counts
# The guest's shell does what it is told, and says `done`.
guest() {
	local line
	echo "$1; echo done" >&"$server_input"
	while read -r -t 30 line <&"$server_output" && [ "${line%$'\r'}" != done ]; do :; done
}

# shellcheck disable=SC2016 # for the guest
if serve machine --smp 2 --timeout 300 --publish "udp:$port:11300" --file "$lookup:/lookup" -- sh -c \
	'/lookup --ready & server=$!; while read -r line; do eval "$line"; done; kill -9 $server'; then
	ok "it starts"
else
	not_ok "it starts" "$(<"$scratch/server.errors")"
	done_testing
	exit 1
fi

long=$(printf 'v%.0s' {1..1024}) key=$(printf 'k%.0s' {1..32})
is "$(ask set a hello; ask get a)" hello "a value that was set"
is "$(ask set a other; ask get a)" other "and another one"
is "$(ask set "$key" "$long"; ask get "$key")" "$long" "the longest key with the longest value"
is "$(ask set empty ''; ask get empty; echo $?)" 0 "an empty value"
is "$(ask get nothing 2>&1)" "lookup: no such key" "what is not there"
is "$(ask delete a; ask get a 2>&1; ask delete a 2>&1)" $'lookup: no such key\nlookup: no such key' "what is deleted"
is "$(ask set aaaaaaaa 8; ask set aaaaaaaab 9; ask set aaaaaaa 7; ask get aaaaaaaa; ask get aaaaaaaab; ask get aaaaaaa)" 897 "keys that begin alike"

before=$(count handled)
capture ask check 100 "$gets"
like "$output" '^0 wrong' "$gets GETs of 100 keys: $output"
if on_linux; then
	capture ask race 2000
	like "$output" '^0 torn, 0 older, changing' "a value that is set meanwhile is of one piece"
	serve_end
	done_testing
	exit
fi
handled=$(($(count handled) - before))
is "$((handled >= gets && handled < gets + 100))" 1 "the handler has answered them: $handled"

# Beside ten who compute, five on each CPU; and when the server cannot run at all.
guest 'for i in 1 2 3 4 5 6 7 8 9 10; do while :; do :; done & busy="$busy $!"; done'
before=$(count gets)
capture ask check 100 "$gets"
like "$output" '^0 wrong' "the same beside ten busy processes: $output"
is "$(($(count gets) - before))" 0 "the server had nothing to do with it"
ask get "$key" >/dev/null # the last that was asked for is in the table
# shellcheck disable=SC2016
guest 'kill $busy; kill -STOP $server'
capture ask repeat "$key" "$gets"
is "$status" 0 "GETs are answered while the server is stopped"
# shellcheck disable=SC2016
guest 'kill -CONT $server'

capture ask race "$gets"
like "$output" '^0 torn, 0 older, changing' "a value that is set meanwhile is of one piece: $output"

# More keys than the table has places: the server answers for the others.
before=$(count handled)
capture ask check 2000 4000
like "$output" '^0 wrong' "2000 keys, which the table has no room for: $output"
like "$(($(count handled) - before))" '^([5-9][0-9][0-9]|[1-3][0-9][0-9][0-9])$' "some by the handler, some by the server"

capture ask noise 20000
is "$(ask get "$key")" "$long" "after 20,000 requests of which most are wrong"
serve_end
is "$status" 0 "it ends as asked"
is "$(<"$scratch/server.errors")" "" "and nobody had anything to say"
done_testing
