#!/usr/bin/env bash
# What one tries first on a machine with a network: ping, by both versions of IP; ifconfig, route, ip; names.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

# answered COMMAND: all that were sent came back.
answered() {
	capture machine -- sh -c "$1"
	like "$output" ' 0% packet loss' "$1"
}
answered 'ping -c 2 -i 0.1 10.0.2.2'
answered 'ping -c 1 localhost'
answered 'ping -6 -c 1 ::1'
# The address comes seconds after the machine has started: who goes out waits for it. A timer that nobody looks at would show here.
for _ in 1 2 3; do
	answered 'ping -6 -c 1 fec0::2'
done

# shellcheck disable=SC2016 # for the machine's shell
{
	capture machine -- sh -c 'ifconfig eth0; ip addr show dev eth0; ip route; route -n; hostname -i'
	like "$output" 'inet addr:10\.0\.2\.15 .*Mask:255\.255\.255\.0' "ifconfig"
	like "$output" 'inet 10\.0\.2\.15/24 brd 10\.0\.2\.255' "ip addr"
	like "$output" 'default via 10\.0\.2\.2 dev eth0' "ip route"
	like "$output" $'\n0\\.0\\.0\\.0 +10\\.0\\.2\\.2 ' "route"
	like "$output" $'\n127\\.0\\.1\\.1 *$' "hostname -i"
	capture machine -- sh -c 'ifconfig eth0 10.0.2.77; ip link set eth0 down; ip addr add 10.0.2.9/24 dev eth0; ip addr show dev eth0; ping -c 1 10.0.2.2'
	like "$errors" 'SIOCSIFADDR: Operation not supported.*RTNETLINK answers: Operation not supported' "changes are refused"
	like "$output" 'inet 10\.0\.2\.15/24.* 0% packet loss' "... and change nothing"

	# A server for the machine's own addresses. The own address is taken from what ip says.
	capture machine -- sh -c 'mkdir /www; echo page >/www/f; httpd -p 80 -h /www; ping -6 -c 1 fec0::2 >/dev/null
		own=$(ip -6 addr show dev eth0 | sed -n "s|.*inet6 \(fec0[^/]*\)/.*|\1|p"); for a in "$own" ::1; do wget -q -O - "http://[$a]/f"; done'
	is "$output" $'page\npage' "TCP by IPv6 between processes"
}

# The name server's answer depends on the host; the question does not. BusyBox asks by itself, getent by the C library.
for asks in "nslookup name.example" "getent ahosts name.example"; do
	# shellcheck disable=SC2086 # a list of words
	capture "$root/build/wire" --capture "$scratch/frames" -- "$root/exo" run --net @NET@ -- $asks
	questions=$(tcpdump -nr "$scratch/frames" udp dst port 53 2>/dev/null)
	like "$questions" 'IP 10\.0\.2\.15\.[0-9]+ > 10\.0\.2\.3\.53: [0-9]+\+ A\? name\.example\.' "$asks: a question goes to the name server"
done
done_testing
