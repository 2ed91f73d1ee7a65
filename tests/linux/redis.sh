#!/usr/bin/env bash
# redis-server as Debian ships it, dynamic and threaded: clients on a UNIX socket, snapshots by fork, one of which is killed, and a start from the snapshot.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

# In Debian redis-server is a link to a program of redis-tools, which is known by its name; the package redis-server would start one on this host.
server=/usr/bin/redis-check-rdb
programs=("$server" /usr/bin/redis-cli /usr/bin/redis-benchmark)
mapfile -t libraries < <(ldd "${programs[@]}" | grep -o '/[^ ]*\( (\|$\)' | sed 's/ ($//' | sort -u)
options=(--file "$server:/usr/bin/redis-server")
for file in "${programs[@]:1}" "${libraries[@]}"; do
	[ ! -f "$file" ] || options+=(--file "$file")
done
cat >"$scratch/session" <<'END'
serve() {
	redis-server --port 0 --unixsocket /tmp/socket --dir /tmp --save "" --io-threads 2 --enable-debug-command yes "$@" >>/tmp/log 2>&1 &
	until c ping >/dev/null 2>&1; do :; done
}
c() { redis-cli -s /tmp/socket "$@"; }
logged() { # N PATTERN: waits until the server has said so N times
	until [ "$(grep -c "$2" /tmp/log)" -ge "$1" ]; do c ping >/dev/null; done
}
serve
echo set $(c set a 1) $(c incr a)
c debug populate 20000 key 100 >/dev/null
c config set rdb-key-save-delay 1000 >/dev/null
c bgsave >/dev/null
logged 1 "Background saving started by pid"
kill -9 $(sed -n 's/.*Background saving started by pid //p' /tmp/log)
logged 1 "Background saving terminated by signal 9"
echo killed $(c get a)
c config set rdb-key-save-delay 0 >/dev/null
c bgsave >/dev/null
c set late 1 >/dev/null
logged 1 "Background saving terminated with success"
c del late >/dev/null
redis-benchmark -s /tmp/socket -n 1000 -c 20 -q -t get 2>&1 | tr '\r' '\n' | grep -c 'GET: .* requests per second'
echo $(c eval 'local n = 0; for i = 1, 1000 do n = n + i end; return n' 0) $(c dbsize)
c config set appendonly yes >/dev/null
logged 1 "Background AOF rewrite finished successfully"
c set after rewrite >/dev/null
c flushall async >/dev/null
c shutdown nosave
wait $!
echo ended $?
rm -r /tmp/appendonlydir
serve
echo loaded $(c dbsize) $(c get a) $(c strlen key:777)
kill -TERM $!
wait $!
echo ended $?
END
capture machine --timeout 150 "${options[@]}" --file "$scratch/session:/session" --env PATH=/usr/bin:/bin -- bash /session
mapfile -t line <<<"$output"
is "${line[0]-}" "set OK 2" "a client sets and counts"
is "${line[1]-}" "killed 2" "a snapshot that is killed harms nobody"
is "${line[2]-}" 1 "redis-benchmark, twenty clients, to the end"
is "${line[3]-}" "500500 20001" "a script, and the number of keys"
is "${line[4]-}" "ended 0" "it ends when told, its threads with it"
is "${line[5]-}" "loaded 20001 2 100" "it starts from the snapshot, which has the state of its moment"
is "${line[6]-}" "ended 0" "and ends by a signal"
is "$(grep -c "not implemented" <<<"$errors")" 0 "nothing that it asked for is missing"
is "$status" 0 "and the session's exit status"
done_testing
