#!/usr/bin/env bash
# Programs in the machine ask this host: by IPv4, by IPv6, while several do so at once, and by names.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$scratch/www"
head -c 3000000 /dev/urandom >"$scratch/www/large"
large=$(sha256sum <"$scratch/www/large")
port=$(free_port)
/bin/busybox httpd -f -p "127.0.0.1:$port" -h "$scratch/www" &
servers=($!)
six=
if [ -s /proc/net/if_inet6 ]; then
	six=yes
	/bin/busybox httpd -f -p "[::1]:$port" -h "$scratch/www" &
	servers+=($!)
fi
trap 'kill "${servers[@]}"; rm -rf "$scratch"' EXIT

in_machine() { capture machine --env "PORT=$port" -- sh -c "$1"; }

# shellcheck disable=SC2016 # for the machine's shell
{
	in_machine 'wget -q -O - http://10.0.2.2:$PORT/large | sha256sum'
	is "$output" "$large" "3 MB from this host"
	in_machine 'for i in 1 2 3 4 5 6 7 8; do (wget -q -O - http://10.0.2.2:$PORT/large | sha256sum) & done; wait'
	is "$(sort -u <<<"$output")/$(wc -l <<<"$output")" "$large/8" "... by eight at once"
	in_machine 'for i in $(seq 100); do wget -q -O /dev/null http://10.0.2.2:$PORT/none 2>/dev/null; echo $?; done | sort | uniq -c'
	like "$output" '^ *100 1$' "100 times a page that is not there"
	in_machine 'wget -q -O - http://10.0.2.2:1/'
	like "$status$errors" '^1.*refused' "a port at which nobody listens"
	if [ -n "$six" ]; then
		# The address comes by router advertisement, a moment after the first socket is made.
		in_machine 'until wget -q -O /large "http://[fec0::2]:$PORT/large" 2>/dev/null; do :; done; sha256sum </large'
		is "$output" "$large" "3 MB by IPv6"
	else
		skip "3 MB by IPv6" "this host has no IPv6"
	fi
	# What a name server answers depends on this host's own.
	in_machine 'cat /etc/resolv.conf; ping -c 1 localhost | head -n 1'
	like "$output" 'nameserver 10.0.2.3.*' "the emulator's name server is known"
	like "$output" '127\.0\.0\.1' "... and the name localhost"
}
done_testing
