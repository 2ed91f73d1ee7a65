#!/usr/bin/env bash
# A flood of SYNs from addresses that never answer, 2,000 a second, does not touch a connection that is there, and new ones come. Then frames that nobody sane would send, 50,000 of them, while clients ask: the machine goes
# on, and is as before when it is over.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

count=${COUNT:-50000}
seed=${SEED:-$RANDOM}
echo "# seed $seed, $count frames (SEED=, COUNT=)"
port=$(free_port)
mkdir "$scratch/www"
head -c 6000000 /dev/urandom >"$scratch/www/large"
head -c 5000 /dev/urandom >"$scratch/www/small"
large=$(sha256sum <"$scratch/www/large")
small=$(sha256sum <"$scratch/www/small")

# ask COMMAND: one line that a command in the machine prints.
ask() {
	local line=
	echo "$1" >&"$server_input"
	read -r -t 30 line <&"$server_output"
	echo "$line"
}
free_memory() { ask "sed -n 's/MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo"; }

# start WIRE'S OPTIONS: a server that has answered; what the wire is to put in begins behind that, when it is told to.
begin=$scratch/begin
start() {
	# shellcheck disable=SC2016 # for the machine's shell
	if serve "$root/build/wire" --publish "$port:80" --seed "$seed" --summary --begin "$begin" "$@" -- "$root/exo" run --net @NET@ --file "$scratch/www:/www" -- \
		sh -c 'httpd -p 80 -h /www && echo ready; while read -r line; do eval "$line"; done'; then
		ok "the server starts"
	else
		not_ok "the server starts" "$(<"$scratch/server.errors")"
	fi
	is "$(curl -s --max-time 20 "http://127.0.0.1:$port/small" | sha256sum)" "$small" "a first answer"
	before=$(free_memory)
	asked=0 good=0
	: >"$scratch/answer"
	: >"$begin"
}

request() {
	asked=$((asked + 1))
	curl -s -S --max-time "$patience" -o "$scratch/answer" "http://127.0.0.1:$port/small" 2>>"$scratch/new.errors"
	[ "$(sha256sum <"$scratch/answer")" != "$small" ] || good=$((good + 1))
	: >"$scratch/answer"
}

# end WHAT THE WIRE MUST SAY: those that are half open, or wait after their end, hold little.
end() {
	local after summary
	after=$(free_memory)
	echo "# free before: $before KiB, afterwards: $after KiB"
	is "$((${before:-0} > 0 && before - ${after:-0} < 4096))" 1 "the memory comes back"
	serve_end
	is "$status" 0 "the machine ends as asked"
	summary=$(grep '^wire: seed' "$scratch/server.errors")
	echo "# $summary"
	like "$summary" "$1" "all were sent"
	is "$(grep -v '^wire: ' "$scratch/server.errors")" "" "the machine has not complained"
}

patience=30
start --syn-flood 80:2000
exec {transfer}< <(curl -s -S --max-time 100 "http://127.0.0.1:$port/large" 2>"$scratch/curl.errors")
: >"$scratch/got"
for ((i = 0; i < 60; i++)); do # read so slowly that it lasts
	head -c 100000 <&"$transfer" >>"$scratch/got"
	for ((j = 0; j < 5; j++)); do
		request
	done
done
cat <&"$transfer" >>"$scratch/got"
is "$(<"$scratch/curl.errors")" "" "the connection that was there goes on"
is "$(sha256sum <"$scratch/got")" "$large" "... and has every byte"
is "$good$(cat "$scratch/new.errors")" "$asked" "new ones come meanwhile ($asked)"
end ' [1-9][0-9]{3,} SYNs'

# Half of these frames have right checksums and are real ones but for a bit or two, with the right sequence numbers: as a RST such a frame ends a connection, and as a FIN it stops it, and must. So not all get an answer.
patience=2
start --malformed "$count:5000"
SECONDS=0
while [ -e "$begin" ] && [ $SECONDS -lt $((count / 1000 + 60)) ]; do # the wire removes it when it has sent all; on a busy host it is slower than it should
	request
done
is "$((good > asked / 2))" 1 "most of those who ask meanwhile have an answer ($good of $asked)"
patience=30
asked=0 good=0
for ((i = 0; i < 20; i++)); do
	request
done
is "$good" "$asked" "... and all of those who ask afterwards"
end " $count malformed frames"
done_testing
