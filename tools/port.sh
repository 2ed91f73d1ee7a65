# Sourced by whoever publishes ports of the machine.
# shellcheck shell=bash

# free_port: prints a TCP port of this host's loopback interface on which nobody listens just now.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000)) # below those that the host gives to its own clients
		(: </dev/tcp/127.0.0.1/$port) 2>/dev/null || break
	done
	echo $port
}
