#!/usr/bin/env bash
# --publish, --net and --no-net: what they refuse before anything boots, and a client of this host that is served by the baseline.
# shellcheck disable=SC2154 # output, errors and status come from capture
. "${BASH_SOURCE[0]%/*}/../lib.sh"

refused() { # NAME PATTERN OPTION...
	capture machine "${@:3}" -- busybox true
	is "$status" 125 "$1: 125"
	like "$errors" "$2" "$1: it is said why"
}
for what in 80 80: :80 0:80 80:0 65536:80 80:65536 a:b tcp:80:80 80:80:80 udp:80 ''; do
	refused "--publish '$what'" 'HOSTPORT:PORT' --publish "$what"
done
for what in tap dgram dgram:1 dgram:1:2:3:4 ''; do
	refused "--net '$what'" 'is expected' --net "$what"
done
refused "--no-net with --publish" 'not with --publish' --no-net --publish 8080:80
refused "--no-net with --net" 'not with --net' --no-net --net user
refused "--publish with a wire" 'not with --net' --net dgram:5000:5001 --publish 8080:80
refused "one port twice" 'twice' --publish 8080:80 --publish 8080:81

# --keep says what the emulator is started with.
interfaces() { # COUNT NAME OPTION...
	capture env TMPDIR="$scratch" "$root/exo" "${EXO_ON:-run}" --keep "${@:3}" -- busybox sh -c 'cat /etc/resolv.conf 2>/dev/null'
	is "$(grep -o -e '-device virtio-net' <<<"$errors" | wc -l)" "$1" "$2"
	[ "$1" -gt 0 ] || is "$output" "" "$2: and no name server"
	[ "$1" -eq 0 ] || is "$output" "nameserver 10.0.2.3" "$2: and a name server"
}
interfaces 1 "there is an interface"
interfaces 0 "not with --no-net" --no-net
interfaces 0 "nor with --icount" --icount
interfaces 1 "unless it is asked for" --icount --net user
interfaces 1 "or something is published" --icount --publish "udp:$(free_port):7"

# A server on a whole PC, whose interface is a PCI device.
mkdir "$scratch/www"
head -c 300000 /dev/urandom >"$scratch/www/file"
port=$(free_port)
echo "# port $port"
if serve machine --machine q35 --publish "$port:80" --publish "udp:$port:7" --file "$scratch/www:/www" -- sh -c 'httpd -p 80 -h /www && echo ready && cat >/dev/null'; then
	ok "a server starts on q35"
else
	not_ok "a server starts on q35" "$(<"$scratch/server.errors")"
fi
capture curl --silent --show-error --max-time 20 -o "$scratch/file" "http://127.0.0.1:$port/file"
is "$status" 0 "a client of this host is answered"
is "$(md5sum <"$scratch/file")" "$(md5sum <"$scratch/www/file")" "and gets the file as it is"
refused "a port that is taken" "TCP port $port of this host is taken" --publish "$port:80"
refused "a UDP port that is taken" "UDP port $port of this host is taken" --publish "udp:$port:80"
serve_end
is "$status" 0 "the server ends when its input does"
done_testing
