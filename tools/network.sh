# The machine's network interface: --publish, --net, --no-net. Sourced by machine.sh.
# shellcheck shell=bash disable=SC2154,SC2034

publish=() net='' no_net='' network_address=10.0.2.15 # the address: Linux's, which does not ask for one

network_option() {
	case $1 in
	--publish)
		if ! [[ ${2#udp:} =~ ^([1-9][0-9]{0,4}):([1-9][0-9]{0,4})$ ]] || [ "${BASH_REMATCH[1]}" -gt 65535 ] || [ "${BASH_REMATCH[2]}" -gt 65535 ]; then
			die "--publish $2: HOSTPORT:PORT or udp:HOSTPORT:PORT is expected"
		fi
		publish+=("$2")
		;;
	--net)
		[[ $2 =~ ^(user|hub|dgram:[1-9][0-9]{0,4}:[1-9][0-9]{0,4}(:[1-9])?)$ ]] || die "--net $2: user, hub or dgram:PORT:PORT[:MACHINE] is expected"
		net=$2
		;;
	esac
}

# What was asked for, together; afterwards `net` is empty where there is to be no interface. With --icount time leaps ahead whenever the machine is idle, and a module
# is a test of the kernel: there it must be asked for.
network_decide() {
	local one
	if [ -n "$no_net" ]; then
		[ -z "$net" ] || die "--no-net: not with --net"
		[ ${#publish[@]} -eq 0 ] || die "--no-net: not with --publish"
		return
	fi
	if [ ${#publish[@]} -gt 0 ]; then
		[ "${net:=user}" = user ] || die "--publish: not with --net $net"
	elif [ -z "$icount" ] && [ -z "$module" ]; then
		net=${net:-user}
	fi
	for one in "${publish[@]}"; do
		port_is_free "$one"
	done
	one=$(printf '%s\n' "${publish[@]%:*}" | sort | uniq -d)
	[ -z "$one" ] || die "--publish: port $one twice"
}

# The kernel's list has each socket's address and port in hexadecimal, and what state it is in: 0A is a TCP socket that listens. What is left of closed connections is no
# hindrance.
port_is_free() {
	local protocol=tcp port=${1#udp:} state=0A address # :PORT as listed
	[ "$port" = "$1" ] || protocol=udp state=
	port=${port%:*}
	printf -v address ':%04X' "$port"
	if awk -v port="$address" -v state="$state" -v here='^(0+|0100007F|0+FFFF00000100007F):' \
		'substr($2, length($2) - 4) == port && $2 ~ here && (state == "" || $4 == state) { taken = 1 } END { exit !taken }' \
		"/proc/net/$protocol" "/proc/net/${protocol}6"; then
		die "--publish $1: ${protocol^^} port $port of this host is taken"
	fi
}

# One interface, joined to a back end of QEMU's, is added to `emulator`.
network_interface() { # NAME BACK-END [,OPTIONS]
	local device=virtio-net-pci,romfile=
	[ "$machine" != microvm ] || device=virtio-net-device
	emulator+=(-netdev "$2" -device "$device,netdev=$1${3-}")
}

network_device() {
	local backend=user,id=net0 one protocol local_port remote_port
	[ -n "$net" ] || return 0
	case $net in
	user)
		for one in "${publish[@]}"; do
			protocol=tcp
			[[ $one != udp:* ]] || protocol=udp one=${one#udp:}
			backend+=",hostfwd=$protocol:127.0.0.1:${one%:*}-:${one#*:}"
		done
		network_interface net0 "$backend"
		;;
	hub) # what one sends the other receives; the first takes its time before it sends, so that frames are under way for a while
		network_interface net0 hubport,id=net0,hubid=0 ,mac=52:54:00:12:34:50,tx=timer
		network_interface net1 hubport,id=net1,hubid=0 ,mac=52:54:00:12:34:51
		;;
	dgram:*)
		IFS=: read -r _ local_port remote_port one <<<"$net"
		network_interface net0 "dgram,id=net0,local.type=inet,local.host=127.0.0.1,local.port=$local_port,remote.type=inet,remote.host=127.0.0.1,remote.port=$remote_port" \
			",mac=52:54:00:12:34:5${one:-1}"
		network_address=10.0.2.$((14 + ${one:-1}))
		;;
	esac
}
