#!/usr/bin/env bash
# The web server that specialises (apps/web), asked from the host: each feature of HTTP that it has, by curl and by requests as bytes; many at once; clients that mean no good; files larger than its cache; and what its memory is then.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

web=$root/build/apps/web
if on_linux; then
	capture machine --file "$web:/web" -- /web /
	like "$status $errors" '^1 .*for ExOS' "on Linux it says that it is for ExOS"
	done_testing
	exit
fi

seed=${SEED:-$RANDOM}
requests=${REQUESTS:-1000} connections=${CONNECTIONS:-10000}
echo "# seed $seed (SEED=, REQUESTS=, CONNECTIONS=)"
www=$scratch/www
mkdir -p "$www/sub/deep" "$www/none" "$scratch/got"
bytes() { # N: of the seed
	openssl enc -aes-128-ctr -K "$(printf %032x "$seed")" -iv "$(printf %032x "$1")" </dev/zero 2>/dev/null | head -c "$1"
}
for size in 0 1 1100 1200 1300 1400 1448 1460 2900 10000 45000 46000 47000 100000 102400 400000 3000000; do
	bytes $size >"$www/$size"
done
echo '<p>index' >"$www/index.html"
echo '<p>sub' >"$www/sub/index.html"
echo 'body {}' >"$www/style.css"
echo 'a name' >"$www/a name"
echo before >"$www/changes"
port=$(free_port)
url=http://127.0.0.1:$port

# The guest's shell does what it is told, and says `done`.
guest() {
	local line
	echo "$1; echo done" >&"$server_input"
	while read -r -t 30 line <&"$server_output" && [ "${line%$'\r'}" != "done" ]; do :; done
}
# raw BYTES: what comes back until the other side ends, or for 10 s. printf's escapes.
raw() {
	local fd
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	# shellcheck disable=SC2059 # the bytes are a format, by intent
	printf "$1" >&"$fd"
	timeout "${2:-10}" cat <&"$fd" | tr -d '\0\r'
	exec {fd}>&-
}
code() { curl -s --max-time 20 -o /dev/null -w '%{http_code}' "$@"; }
header() { curl -s --max-time 20 -o /dev/null -D - "${@:2}" | tr -d '\r' | awk -v name="$1" 'tolower($1) == tolower(name ":") { sub(/^[^:]*: */, ""); print }'; }
close='Host: a\r\nConnection: close\r\n\r\n'

# shellcheck disable=SC2016 # for the guest
if serve machine --mem 96M --timeout 400 --publish "$port:80" --file "$web:/web" --file "$www:/www" -- sh -c \
	'mkfifo /in; /web --ready --report --cache 2M /www </in & exec 3>/in; while read -r line; do eval "$line"; done; exec 3>&-; wait $!'; then
	ok "it starts"
else
	not_ok "it starts" "$(<"$scratch/server.errors")"
	done_testing
	exit 1
fi

# A request that is never finished: looked at in the end.
exec {slow}<>"/dev/tcp/127.0.0.1/$port"
printf 'GET / HTTP/1.1\r\nHo' >&"$slow"
slow_began=$SECONDS

wrong=
for file in "$www"/[0-9]*; do
	[ "$(curl -s --max-time 60 "$url/${file##*/}" | sha256sum)" = "$(sha256sum <"$file")" ] || wrong+=" ${file##*/}"
done
is "$wrong" "" "files of all sizes, one larger than the cache"
is "$(code "$url/")/$(curl -s "$url/")" "200/<p>index" "a folder's index"
is "$(code "$url/sub")/$(header Location "$url/sub?x=1")" "301//sub/?x=1" "a folder without its slash is redirected"
is "$(curl -s -L "$url/sub")" "<p>sub" "... to where it is"
is "$(code "$url/none/") $(code "$url/nothing") $(code "$url/1/") $(code "$url/1/x")" "404 404 404 404" "what is not there"
is "$(curl -s "$url/a%20name")" "a name" "names that are encoded"
is "$(header Content-Type "$url/style.css")" "text/css; charset=utf-8" "types by suffix"
is "$(curl -s -I "$url/10000" | tr -d '\r' | grep -i '^content-length')" "Content-Length: 10000" "HEAD says what GET would"
is "$(raw "HEAD /10000 HTTP/1.1\r\n$close" | sed 1,/^$/d)" "" "... and no more"
date=$(header Date "$url/1")
is "$(($(date +%s) - $(date -d "$date" +%s) < 100))" 1 "the date is about right: $date"

tag=$(header ETag "$url/10000") modified=$(header Last-Modified "$url/10000")
is "$(code -H "If-None-Match: \"x\", $tag" "$url/10000") $(code -H 'If-None-Match: "x"' "$url/10000")" "304 200" "entity tags"
is "$(code -H "If-Modified-Since: $modified" "$url/10000") $(code -H 'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT' "$url/10000")" "304 200" "times of change"
for range in 0-0 1-1448 1400-1500 9999-9999 0-9999 5000- -1 -2000 9000-20000; do
	from=${range%-*} to=${range#*-}
	expected=$(case $range in -*) tail -c "${range#-}" "$www/10000" ;; *-) tail -c +$((from + 1)) "$www/10000" ;; *) tail -c +$((from + 1)) "$www/10000" | head -c $((to - from + 1)) ;; esac | sha256sum)
	[ "$(curl -s -r "$range" "$url/10000" | sha256sum)" = "$expected" ] || wrong+=" $range"
done
is "$wrong" "" "ranges"
is "$(header Content-Range -r 10-19 "$url/10000") $(code -r 10-19 "$url/10000")" "bytes 10-19/10000 206" "... say what they are"
is "$(code -r 10000- "$url/10000") $(code -r 5-2 "$url/10000") $(code -r 0-1,4-5 "$url/10000")" "416 200 200" "ranges that cannot be had, or are none"
is "$(code -r 1-2 -H "If-Range: $tag" "$url/10000") $(code -r 1-2 -H 'If-Range: "x"' "$url/10000")" "206 200" "a range of what the client knows"
is "$(curl -s -r 1000000-2999000 "$url/3000000" | sha256sum)" "$(tail -c +1000001 "$www/3000000" | head -c 1999001 | sha256sum)" "a large range"

is "$(raw 'GET / HTTP/1.0\r\n\r\n' | sed -n '1p;$p')" $'HTTP/1.1 200 OK\n<p>index' "HTTP/1.0, which ends with the answer"
is "$(raw "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n" | grep -ao 'HTTP/1.1 200' | wc -l)" 2 "... or stays, if it is asked to"
is "$(raw "$(printf 'GET /1100 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n%.0s' {1..200})GET / HTTP/1.1\r\n$close" | grep -ac 'HTTP/1.1 200 OK$')" 201 "201 requests at once on one connection"
is "$(raw "GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nGET /xGET /nothing HTTP/1.1\r\n$close" | grep -ao 'HTTP/1.1 ...' | cut -d' ' -f2 | tr '\n' ' ')" "200 404 " "a body is no request"
(
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	request=$'GET /1100 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
	for ((i = 0; i < ${#request}; i++)); do printf %s "${request:i:1}" >&"$fd"; done
	timeout 10 cat <&"$fd" | tail -c 1100 | cmp - "$www/1100"
)
is "$?" 0 "a request in single bytes"

first() { raw "$@" | head -n 1 | cut -d' ' -f2; }
is "$(first "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") $(header Allow -X DELETE "$url/")" "405 GET, HEAD" "methods that it has not"
is "$(first 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n') $(first 'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n') $(first 'GET / HTTP/3.0\r\n\r\n')" "501 501 505" "what it knows nothing of"
is "$(first 'GET / HTTP/1.1\r\n\r\n') $(first 'nonsense\r\n\r\n') $(first 'GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n') $(first 'GET / HTTP/1.1\r\n Host: a\r\n\r\n') $(first '\0\0\0\0\n')" "400 400 400 400 400" "bad requests"
is "$(first "GET /$(printf 'a%.0s' {1..9000}) HTTP/1.1\r\n$close") $(first "GET / HTTP/1.1\r\nX: $(printf 'a%.0s' {1..20000})\r\n$close") $(first 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n')" "414 431 413" "requests that are too large"
is "$(first 'GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n') $(first 'GET /%%2e%%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n') $(first 'GET /sub/%%2e%%2e%%2f%%2e%%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n') $(first 'GET /a%%00 HTTP/1.1\r\nHost: a\r\n\r\n') $(first 'GET /%%zz HTTP/1.1\r\nHost: a\r\n\r\n')" \
	"400 400 400 400 400" "paths out of the folder"
guest 'echo secret >/secret; mkdir /outside; echo secret >/outside/s; ln -s /secret /www/link; ln -s ../outside /www/out; ln -s sub /www/in; ln -s loop /www/loop; mkfifo /www/pipe'
is "$(code "$url/link") $(code "$url/out/s") $(code "$url/out") $(code "$url/loop") $(code "$url/pipe")" "403 403 403 403 403" "links out of it, and what is no file"
is "$(curl -s "$url/in/")" "<p>sub" "links within it"

is "$(curl -s "$url/changes")" before "a file that will change"
guest 'echo after >/www/changes; rm /www/2900'
until [ "$(curl -s "$url/changes")" = after ] || [ $((SECONDS - slow_began)) -gt 60 ]; do :; done
is "$(curl -s "$url/changes") $(code "$url/2900")" "after 404" "changes are noticed, and what is gone"

list() { # N
	local i names=("$www"/[0-9]*)
	for ((i = 0; i < $1; i++)); do
		name=${names[(i * 7 + seed) % ${#names[@]}]##*/}
		case $name in 2900 | 3000000) name=1100 ;; esac
		printf 'url = "%s/%s"\noutput = "%s/%s.%d"\n' "$url" "$name" "$scratch/got" "$name" "$i"
	done
}
check() { # N: whose digests are right
	local file
	for file in "$scratch"/got/*; do
		name=${file##*/}
		cmp -s "$file" "$www/${name%.*}" && echo
		rm -f "$file"
	done | wc -l
}
capture curl -s -S --fail --max-time 100 -w '%{num_connects}\n' -K <(list "$requests")
is "$(check)/$(awk '{ n += $1 } END { print n }' <<<"$output")/$errors" "$requests/1/" "$requests requests on one connection, every body right"
capture curl -s --fail --max-time 30 --parallel --parallel-immediate --parallel-max 200 -K <(list 200)
is "$(check)/$status" "200/0" "200 at once"

# Some come and say nothing, some half of something, some go away in the middle of an answer.
fds=()
for ((i = 0; i < 200; i++)); do
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	fds+=("$fd")
	case $((i % 3)) in 1) printf 'GET /1100 HT' >&"$fd" ;; 2) printf 'GET /3000000 HTTP/1.1\r\nHost: a\r\n\r\n' >&"$fd" ;; esac
done
is "$(curl -s --max-time 20 "$url/10000" | sha256sum)" "$(sha256sum <"$www/10000")" "200 clients that do not go on keep nobody from being served"
for fd in "${fds[@]}"; do exec {fd}>&-; done
for ((i = 0; i < connections; i++)); do
	(exec {fd}<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || echo refused
done | sort | uniq -c >"$scratch/refused" &
wait $!
is "$(<"$scratch/refused")/$(code "$url/1")" "/200" "$connections connections opened and dropped"

is "$(timeout $((30 - SECONDS + slow_began > 1 ? 30 - SECONDS + slow_began : 1)) head -n 1 <&"$slow" | tr -d '\r')" "HTTP/1.1 408 Request Timeout" "a request that is never finished"
exec {slow}>&-
serve_end
is "$status" 0 "it ends as asked"
report=$(grep -a '^web:' "$scratch/server.errors")
echo "# $report"
read -r open kept stack <<<"$(sed -E 's/.*, ([0-9]+) of them open; [0-9]+ files, ([0-9]+) frames .*; ([0-9]+) frames for the stack.*/\1 \2 \3/' <<<"$report")"
is "$((open < 30))$((kept <= 512))$((stack < 1000))" 111 "connections that are gone hold nothing, and the cache keeps its bound"
done_testing
