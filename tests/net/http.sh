#!/usr/bin/env bash
# Debian's unmodified busybox httpd, asked by curl on the host: many requests, one after the other and at once, every body's digest right.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

sequential=${REQUESTS:-10000}
concurrent=200
files=100

mkdir "$scratch/www" "$scratch/got"
seed=${SEED:-$RANDOM}
echo "# seed $seed, $sequential requests (SEED=, REQUESTS=)"
for ((i = 0; i < files; i++)); do
	openssl enc -aes-128-ctr -K "$(printf %032x "$seed")" -iv "$(printf %032x "$i")" </dev/zero 2>/dev/null | head -c $((i == 0 ? 0 : (i * 7919 + seed) % (i % 10 ? 8000 : 100000))) >"$scratch/www/f$i"
done
port=$(free_port)

# check FROM TO: what was got, numbered so, against what is served.
check() {
	local i
	for ((i = $1; i <= $2; i++)); do
		echo "$(cut -c 1-64 "$scratch/digest.$((i % files))")  $i"
	done >"$scratch/digests"
	(cd "$scratch/got" && sha256sum --quiet -c "$scratch/digests" 2>&1 | tail -n 5)
}
for ((i = 0; i < files; i++)); do
	sha256sum <"$scratch/www/f$i" >"$scratch/digest.$i"
done
requests() { # FROM TO
	local i
	for ((i = $1; i <= $2; i++)); do
		printf 'url = "http://127.0.0.1:%d/f%d"\noutput = "%s"\n' "$port" $((i % files)) "$scratch/got/$i"
	done
}

if serve machine --publish "$port:80" --file "$scratch/www:/www" -- sh -c 'httpd -p 80 -h /www && echo ready && cat >/dev/null'; then
	ok "the server starts"
else
	not_ok "the server starts" "$(<"$scratch/server.errors")"
fi
is "$(curl -s --max-time 20 -w '%{http_code}' -o /dev/null "http://127.0.0.1:$port/none")" 404 "a file that is not there"
capture curl -s -S --fail --max-time 100 -K <(requests 1 "$sequential")
is "$status/$errors" 0/ "$sequential requests, one after the other"
is "$(check 1 "$sequential")" "" "... every body's digest is right"
capture curl -s -S --fail --max-time 60 --parallel --parallel-immediate --parallel-max "$concurrent" -K <(requests 20001 $((20000 + concurrent)))
is "$status" 0 "$concurrent requests at once"
is "$(check 20001 $((20000 + concurrent)))" "" "... every body's digest is right"
serve_end
is "$status" 0 "the machine ends as asked"
done_testing
