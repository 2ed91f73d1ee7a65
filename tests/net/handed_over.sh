#!/usr/bin/env bash
# Connections from this host whose server forks, executes, computes, is stopped, killed, or writes and ends at once: whoever takes the packets in, each byte arrives. On one CPU and on two (OPTIONS=).
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

compile server <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

static int serve(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 5))
		_exit(1);
	return l;
}

static void echo(int s)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(s, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0, put; at < n; at += put)
			if ((put = write(s, bytes + at, n - at)) < 0)
				_exit(2);
	_exit(n < 0);
}

static void much(int s)
{
	static char bytes[1 << 20];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 26);
	if (write(s, bytes, sizeof(bytes)) != sizeof(bytes))
		_exit(3);
}

/* One connection after the other; each server has a child that answers, and then does what it is called. */
static void forks(int l, char how)
{
	for (;;) {
		int s = accept(l, NULL, NULL);
		pid_t child = how == 'v' ? vfork() : fork();

		if (child == 0 && how == 'v') {
			dup2(s, 0);
			dup2(s, 1);
			execl("/bin/cat", "cat", NULL);
			_exit(127);
		}
		if (child == 0) {
			close(l);
			if (how == 's')
				kill(getppid(), SIGSTOP);
			echo(s);
		}
		if (how == 'd')
			_exit(0);
		close(s);
		for (volatile unsigned long n = 0; how == 'c'; n++)
			;
	}
}

int main(int argc, char **argv)
{
	static const char hows[] = "fcsdv";
	int l[8];

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; hows[i]; i++) {
		l[i] = serve(1001 + i);
		if (!fork())
			forks(l[i], hows[i]);
		close(l[i]);
	}
	l[5] = serve(1006); /* eight that all wait on one */
	for (int i = 0; i < 8; i++)
		if (!fork())
			for (;;) {
				int s = accept(l[5], NULL, NULL);
				char bytes[16];
				ssize_t n = read(s, bytes, sizeof(bytes));

				if (n > 0)
					n = write(s, bytes, n);
				close(s);
			}
	l[6] = serve(1007); /* writes and ends at once */
	for (int i = 0; i < 4; i++)
		if (!fork()) {
			much(accept(l[6], NULL, NULL));
			_exit(0);
		}
	l[7] = serve(1008); /* writes and is killed */
	for (int i = 0; i < 4; i++)
		if (!fork()) {
			much(accept(l[7], NULL, NULL));
			kill(getpid(), SIGKILL);
		}
	printf("ready\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	kill(0, SIGKILL);
}
C
publish=()
declare -a ports
for i in 1 2 3 4 5 6 7 8; do
	ports[i]=$(free_port)
	publish+=(--publish "${ports[i]}:$((1000 + i))")
done
much=$(awk 'BEGIN { for (i = 0; i < 1048576; i++) printf "%c", 97 + i % 26 }' | sha256sum)

# shellcheck disable=SC2086 # a list of words
if serve "$root/exo" run ${OPTIONS-} "${publish[@]}" --file "$scratch/server:/server" -- /server; then
	ok "the servers start"
else
	not_ok "the servers start" "$(<"$scratch/server.errors")"
fi

# talk PORT: fifty lines there and back over one connection, each waited for; prints how many came back as they were.
talk() {
	local i line good=0 connection
	exec {connection}<>"/dev/tcp/127.0.0.1/${ports[$1]}" || return
	for ((i = 0; i < 50; i++)); do
		echo "line $i" >&"$connection"
		read -r -t 20 line <&"$connection" || break
		[ "$line" = "line $i" ] && good=$((good + 1))
	done
	exec {connection}>&-
	echo $good
}
is "$(talk 1)" 50 "a child answers while its parent sleeps in accept"
is "$(talk 1)" 50 "... and the next one"
is "$(talk 2)" 50 "... while its parent computes"
is "$(talk 3)" 50 "... while its parent is stopped"
is "$(talk 4)" 50 "... when its parent is dead"
is "$(talk 5)" 50 "a program that was executed after vfork answers"
is "$(talk 5)" 50 "... and the next one"

short() { # COUNT: connections one after the other, of which each asks once
	local i line good=0 connection
	for ((i = 0; i < $1; i++)); do
		exec {connection}<>"/dev/tcp/127.0.0.1/${ports[6]}" || break
		echo "$i" >&"$connection"
		read -r -t 20 line <&"$connection"
		exec {connection}>&-
		[ "$line" = "$i" ] && good=$((good + 1))
	done
	echo $good
}
is "$(short 1000)" 1000 "1,000 short connections, and eight who wait to accept them"
for i in 1 2 3 4; do
	short 100 >"$scratch/short.$i" &
	clients[i]=$!
done
wait "${clients[@]}"
is "$(cat "$scratch"/short.*)" "$(printf '100\n100\n100\n100')" "... four at once"

receive() { timeout 20 cat <"/dev/tcp/127.0.0.1/${ports[$1]}" | sha256sum; }
for i in 1 2 3 4; do
	is "$(receive 7)" "$much" "1 MiB from a process that writes it and ends ($i)"
	is "$(receive 8)" "$much" "1 MiB from a process that writes it and is killed ($i)"
done
serve_end
is "$status" 137 "the machine ends as asked"

port=$(free_port)
head -c 1000000 /dev/urandom >"$scratch/data"
# shellcheck disable=SC2086
serve "$root/exo" run ${OPTIONS-} --publish "$port:80" --file "$scratch/data:/data" -- sh -c 'echo ready; nc -l -p 80 </data'
SECONDS=0
until { timeout 20 cat <"/dev/tcp/127.0.0.1/$port" >"$scratch/got"; } 2>/dev/null && [ -s "$scratch/got" ] || [ $SECONDS -gt 60 ]; do :; done # nobody listens at first
is "$(sha256sum <"$scratch/got")" "$(sha256sum <"$scratch/data")" "a machine whose program has written 1 MB and ended sends it before it ends"
serve_end
is "$status" 0 "... with its status"
done_testing
