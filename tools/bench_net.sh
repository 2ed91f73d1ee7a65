# The rows of ./exo bench that need somebody outside the machine: servers and their clients. Time is the host's there, so instructions are counted by the emulator (tools/count), while the machine runs, before
# and after so many requests. Sourced by tools/bench.sh.
# shellcheck shell=bash disable=SC2154
# shellcheck source=tools/port.sh
. "$root/tools/port.sh"

NET_SIZES=(0 1024 10240 102400)
NET_REQUESTS=500

# net_nginx: nginx as Debian packages it, without installing it, as that would start a server on this host. Prints where it is.
net_nginx() {
	local at=$build/packages/nginx
	if [ ! -x "$at/usr/sbin/nginx" ]; then
		say "fetching the Debian package nginx, which is measured on Linux"
		mkdir -p "$at"
		(cd "$at" && apt-get download nginx >"$build/packages.log" 2>&1 && dpkg-deb -x nginx_*.deb .)
		[ -x "$at/usr/sbin/nginx" ] || die "cannot fetch the package nginx; see $build/packages.log"
	fi
	echo "$at/usr/sbin/nginx"
}

# net_libraries PROGRAM: the options that put a program's interpreter and libraries into the machine.
net_libraries() { ldd "$1" | grep -o '/[^ ]*\( (\|$\)' | sed 's/ ($//; s/^/--file /'; }

net_count() { od -An -t u8 "$1" | tr -d ' '; }

# net_settled FILE [TIMES]: waits until next to nothing is counted any more, for 10 s at most or so many tenths, and prints the count. A Linux that waits has its clock's ticks now and then.
NET_IDLE=20000 # instructions in a tenth of a second

net_settled() {
	local before now times
	now=$(net_count "$1")
	for ((times = 0; times < ${2:-100}; times++)); do
		before=$now
		sleep 0.1
		now=$(net_count "$1")
		[ $((now - before)) -gt $NET_IDLE ] || break
	done
	echo "$now"
}

# net_requests PORT SIZE N: as a config of curl, which keeps its connection where the server does.
net_requests() {
	local i
	for ((i = 0; i < $3; i++)); do
		printf 'url = "http://127.0.0.1:%d/%d"\noutput = "/dev/null"\n' "$1" "$2"
	done
}

# net_row ROW COUNT PORT SIZE: so many requests, after as many that warm everything up.
net_row() {
	local before after
	curl -s -S --fail --fail-early --max-time 120 -K <(net_requests "$3" "$4" 100) || return
	before=$(net_settled "$2")
	curl -s -S --fail --fail-early --max-time 300 -K <(net_requests "$3" "$4" "$NET_REQUESTS") || return
	after=$(net_settled "$2")
	echo "$1 $(((after - before) / NET_REQUESTS))"
}

# net_serve SYSTEM ROWS COMMAND [OPTIONS...]: a machine that runs COMMAND in its shell, which prints `ready` when it serves port 80; prints a row ROWS.SIZE for each size.
net_serve() {
	local port size count=$results/count.$2.$1 line='' pid status=0
	port=$(free_port)
	coproc SERVER { "$root/exo" "$1" --tcg --timeout 600 --count "$count" --publish "$port:80" --file "$results/www:/www" "${@:4}" -- sh -c "$3" 2>"$results/server.$2.$1"; }
	pid=$SERVER_PID
	local input=${SERVER[1]} output=${SERVER[0]}
	while read -r -t 60 line <&"$output" && [ "${line%$'\r'}" != ready ]; do :; done
	if [ "${line%$'\r'}" != ready ]; then
		kill "$pid"
		return 1
	fi
	for size in "${NET_SIZES[@]}"; do
		net_row "$2.$size" "$count" "$port" "$size" || status=1
	done
	exec {input}>&-
	wait "$pid" || status=1
	[ $status = 0 ] || cat "$results/server.$2.$1" >&2
	return $status
}

# net_try COMMAND...: Linux does not always start on a host that is busy.
net_try() {
	local rows
	for _ in 1 2 3; do
		if rows=$("$@"); then
			echo "$rows"
			return
		fi
	done
	return 1
}

# bench_http SYSTEM: BusyBox httpd on both; and of servers that are made to be fast the specialised one on ExOS, nginx on Linux.
bench_http() {
	local size
	mkdir -p "$results/www"
	for size in "${NET_SIZES[@]}"; do
		head -c "$size" /dev/zero | tr '\0' x >"$results/www/$size"
	done
	net_try net_serve "$1" http.busybox 'httpd -p 80 -h /www && echo ready && cat >/dev/null' || return
	if [ "$1" = run ]; then
		net_try net_serve run http.web '/web --ready --port 80 /www' --file "$build/apps/web:/web"
	else
		local nginx
		nginx=$(net_nginx) || return
		cat >"$results/nginx.conf" <<-'CONF'
			worker_processes 1;
			daemon off;
			master_process off;
			error_log /dev/null;
			pid /tmp/nginx.pid;
			events { worker_connections 512; }
			http {
				access_log off;
				sendfile on;
				tcp_nopush on;
				keepalive_requests 1000000;
				client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
				server { listen 80; root /www; }
			}
		CONF
		# shellcheck disable=SC2046 # a list of words
		net_try net_serve linux http.web 'mkdir -p /var/log/nginx; /nginx -c /nginx.conf & until echo | nc 127.0.0.1 80 >/dev/null 2>&1; do :; done; echo ready; cat >/dev/null; kill $!' \
			$(net_libraries "$nginx") --file "$nginx:/nginx" --file "$results/nginx.conf:/nginx.conf" --file /etc/passwd --file /etc/group
	fi
}

# bench_bulk SYSTEM: streams out of the machine and into it, by BusyBox nc, as instructions for 1,000 bytes. One stream before, so that everything is warm. BusyBox's nc ends when the other side has no more to say, so who
# only listens keeps an input that does not end.
bench_bulk() { net_try net_bulk "$1"; }

net_bulk() {
	local port bytes=$((32 << 20)) count=$results/count.bulk.$1 line='' before after pid
	port=$(free_port)
	coproc SERVER { "$root/exo" "$1" --tcg --timeout 300 --count "$count" --publish "$port:80" -- sh -c \
		'dd if=/dev/zero of=/data bs=1M count=32 2>/dev/null; mkfifo /quiet; exec 3<>/quiet
		echo ready; nc -l -p 80 </data >/dev/null; echo ready; nc -l -p 80 </data >/dev/null; echo ready; nc -l -p 80 <&3 >/dev/null; echo ready' 2>"$results/server.bulk.$1"; }
	pid=$SERVER_PID
	local output=${SERVER[0]}
	net_ready() { # it says so before it listens
		read -r -t 100 line <&"$output" && [ "${line%$'\r'}" = ready ] && sleep 1
	}
	net_take() { timeout 200 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat <&3" | wc -c; }
	net_ready && [ "$(net_take)" = $bytes ] && net_ready || return
	before=$(net_settled "$count")
	[ "$(net_take)" = $bytes ] && net_ready || return
	after=$(net_settled "$count")
	echo "tcp.bulk.send $(((after - before) * 1000 / bytes))"
	head -c $bytes /dev/zero | timeout 200 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3" && net_ready || return
	echo "tcp.bulk.receive $((($(net_count "$count") - after) * 1000 / bytes))"
	wait "$pid"
}

# bench_lookup SYSTEM: GETs of one key, one after the other. On Linux the server has its sockets only.
bench_lookup() {
	if [ "$1" = run ]; then
		net_try net_lookup run handler && net_try net_lookup run program --no-handler && net_try net_lookup run sockets --sockets
	else
		net_try net_lookup linux sockets --sockets | sed 'p; s/sockets/handler/; p; s/handler/program/'
	fi
}

net_lookup() { # SYSTEM ROW [OPTION]
	local port count=$results/count.lookup.$1 line='' before after pid
	port=$(free_port)
	# shellcheck disable=SC2016 # for the guest
	coproc SERVER { "$root/exo" "$1" --tcg --timeout 300 --count "$count" --publish "udp:$port:11300" --file "$build/apps/lookup:/lookup" -- sh -c \
		'/lookup --ready '"${3-}"' & cat >/dev/null; kill -9 $!' 2>"$results/server.lookup.$1"; }
	pid=$SERVER_PID
	local input=${SERVER[1]} output=${SERVER[0]} ask=("$build/apps/lookup" --ask "127.0.0.1:$port")
	while read -r -t 100 line <&"$output" && [ "${line%$'\r'}" != ready ]; do :; done
	"${ask[@]}" set key "$(head -c 64 /dev/zero | tr '\0' v)" && "${ask[@]}" repeat key 500 || return
	before=$(net_settled "$count")
	"${ask[@]}" repeat key 5000 || return
	after=$(net_settled "$count")
	echo "lookup.get.$2 $(((after - before) / 5000))"
	exec {input}>&-
	wait "$pid"
}
