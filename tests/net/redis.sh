#!/usr/bin/env bash
# redis-server as Debian ships it (dynamic, threaded), with redis-benchmark and redis-cli on the host.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

port=$(free_port)
mapfile -t libraries < <(ldd /usr/bin/redis-check-rdb | grep -o '/[^ ]*\( (\|$\)' | sed 's/ ($//' | sort -u)
options=()
for file in "${libraries[@]}"; do
	options+=(--file "$file")
done
cp -L /usr/bin/redis-check-rdb "$scratch/redis-server" # the package redis-server has no more than a link to this, and starts a server on this host
cli() { timeout 20 redis-cli -p "$port" "$@"; }

if serve machine --publish "$port:6379" --file "$scratch/redis-server:/usr/bin/redis-server" "${options[@]}" -- \
	sh -c 'redis-server --save "" --bind 0.0.0.0 --protected-mode no --dir /tmp --logfile /tmp/log & until grep -q "Ready to accept" /tmp/log 2>/dev/null; do :; done; echo ready; cat >/dev/null; kill -TERM $!; wait $!'; then
	ok "the server starts"
else
	not_ok "the server starts" "$(<"$scratch/server.errors")"
fi
is "$(cli ping)" PONG "ping"
is "$(cli set key value)/$(cli get key)" OK/value "a value is kept"
is "$(seq 1 5000 | sed 's/.*/RPUSH list &/' | timeout 60 redis-cli -p "$port" --pipe 2>&1 | tail -n 1)" "errors: 0, replies: 5000" "5,000 commands in one stream"
is "$(cli lindex list 4321)/$(cli llen list)" 4322/5000 "... are all done"
head -c 3000000 /dev/urandom >"$scratch/blob"
is "$(cli -x set blob <"$scratch/blob")" OK "3 MB in one value"
is "$(cli --raw get blob | head -c 3000000 | sha256sum)" "$(sha256sum <"$scratch/blob")" "... come back as they were"
capture timeout 100 redis-benchmark -p "$port" -n 5000 -c 50 -t set,get,incr,lpush,mset -q
is "$status" 0 "redis-benchmark, 50 clients"
is "$(tr '\r' '\n' <<<"$output" | grep -c 'requests per second')" 5 "... has five results"
capture timeout 60 redis-benchmark -p "$port" -n 5000 -c 10 -P 16 -t get -q
is "$status" 0 "... with requests in the pipeline"
is "$(cli bgsave)" "Background saving started" "a snapshot by a child process begins"
SECONDS=0
until [[ $(cli info persistence) == *rdb_bgsave_in_progress:0* ]] || [ $SECONDS -gt 60 ]; do :; done
like "$(cli info persistence)" "rdb_last_bgsave_status:ok" "... and ends well"
serve_end
is "$status" 0 "the server ends when told to"
done_testing
