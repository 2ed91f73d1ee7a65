#!/usr/bin/env bash
# Packets taken by programs in tcpdump's language (apps/capture): written on this host, installed in the machine, and what they took read by this host's tcpdump again. And programs that are none.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

app=$root/build/apps/capture
if on_linux; then
	tcpdump -dd udp 2>/dev/null | capture machine --file "$app:/capture" -- /capture
	like "$status $errors" '^1 .*for ExOS' "on Linux it says that it is for ExOS"
	done_testing
	exit
fi

program() { tcpdump -y EN10MB -dd "$2" >"$scratch/$1" 2>/dev/null; }
text() { printf "%${1}s" "$2" | tr ' ' .; } # LENGTH LAST
udp() { printf %s "$2" >"/dev/udp/127.0.0.1/$1"; }

mkfifo "$scratch/in"
exec {in}<>"$scratch/in"
# began COMMAND...: its standard input is $in; it runs, with standard output in a file, until it says `listening`; that line is $line. ended: its end, what it said then in $errors.
began() {
	rm -f "$scratch/said"
	mkfifo "$scratch/said"
	"$@" <"$scratch/in" >"$scratch/output" 2>"$scratch/said" &
	pid=$!
	exec {said}<"$scratch/said"
	while read -r -t 30 line <&"$said" && [[ $line != *listening* ]]; do echo "# $line"; done
}
ended() {
	errors=$(timeout 60 cat <&"$said")
	exec {said}<&-
	wait "$pid"
	status=$?
}
read_back() { tcpdump -nn -A -r "$scratch/output" 2>&1; }

port=$(free_port) other=$(free_port)
echo "# ports $port, $other"

# With `or` in it (either port, IPv4 or IPv6, and a length): compiled, once for each Ethernet type. A short datagram is not taken.
program compiled 'udp port 5514 and greater 100'
began machine --publish "udp:$port:5514" --file "$app:/capture" --file "$scratch/compiled:/program" -- /capture --count 3 /program
like "$line" 'listening, 2 filters, compiled' "a program with alternatives is compiled"
for n in 1 2 3; do
	udp "$port" "short $n"
	udp "$port" "$(text 200 "long $n")"
done
ended
is "$status" 0 "it ends after so many packets"
like "$errors" '3 packets, 0 dropped' "... and says so"
got=$(read_back)
is "$(grep -c '> 10.0.2.15.5514: .*length 200' <<<"$got")" 3 "tcpdump reads them back"
is "$(grep -o "long.[0-9]" <<<"$got" | tr "\n" " ")" "long.1 long.2 long.3 " "they are those that were sent, in order"
is "$(grep -c short <<<"$got")" 0 "what the program does not accept is not there"
like "$(tcpdump -tt -r "$scratch/output" 2>/dev/null | head -n 1)" "^$(date +%s | cut -c 1-7)" "the time is about now"

# A conjunction, as lines of text; ended by a signal. A socket with a port of its own compares more, goes on, and is not overheard.
program atoms 'ip proto 17'
cat >"$scratch/guest" <<'EOF'
/hear >/heard &
while ! grep -q ':0007 ' /proc/net/udp; do :; done
/capture --print <program &
pid=$!
read -r word
kill -INT $pid
wait $pid
echo "status $?"
wait
cat /heard
EOF
compile hear <<'EOF'
#include <arpa/inet.h>
#include <stdio.h>
int main(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(7) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[100] = "";

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || recv(fd, text, sizeof(text) - 1, 0) < 0)
		return 1;
	return puts(text) < 0;
}
EOF
began machine --publish "udp:$port:5514" --publish "udp:$other:7" --file "$app:/capture" --file "$scratch/atoms:/program" --file "$scratch/guest:/guest" --file "$scratch/hear:/hear" -- sh /guest
like "$line" 'listening, 1 filter, as atoms' "a conjunction becomes atoms"
udp "$other" "for the socket"
udp "$port" "for nobody"
for _ in {1..200}; do
	grep -q 5514 "$scratch/output" && break
	read -r -t 0.1 _ <&"$in" # a look every 100 ms
done
echo end >&"$in"
ended
got=$(tr -d '\r' <"$scratch/output")
like "$got" '[0-9:]{8}\.[0-9]{9} 10\.0\.2\.2:[0-9]+ > 10\.0\.2\.15:5514 udp 52 bytes' "a line a packet"
like "$got" $'status 0\nfor the socket' "SIGINT ends it; a socket has its own packets"
is "$(grep -c ':7 udp' <<<"$got")" 0 "... which are not seen"
like "$errors" '1 packet, 0 dropped' "one was taken"

# Programs that are none, side by side in one machine.
refused=$scratch/refused
mkdir "$refused"
return='{ 0x6, 0, 0, 0x00000000 },'
printf '%s\n' "$return" 'rm -rf /' "$return" >"$refused/2:not an instruction"
printf '%s\n' '' "{ 0x28, 0, 0, 12 }" "{ 0x10028, 0, 0, 12 }," "$return" >"$refused/3:not an instruction"
printf '%s\n' "{ 0x28, 0, 0, 0x1ffffffff }," "$return" >"$refused/1:not an instruction"
printf '%s\n' "{ 0x28, -1, 0, 12 }," "$return" >"$refused/1:not an instruction "
printf '{ 0x6, 0, 0, 0 },\0\n' >"$refused/1:not an instruction  "
printf '%s\n' "{ 0x15, 1, 0, 0x800 }," "$return" >"$refused/1:jumps out"
printf '%s\n' "{ 0x28, 0, 0, 12 }," "{ 0x5, 0, 0, 4294967295 }," "$return" >"$refused/2:jumps out"
printf '%s\n' "{ 0x28, 0, 0, 12 }," "{ 0x28, 0, 0, 12 }," >"$refused/2:must return"
for _ in {1..513}; do echo "$return"; done >"$refused/513:too long"
head -c 100000 /dev/urandom | tr -d '{\n' >"$refused/1:not an instruction   "
: >"$refused/:no instructions"
printf '%s\n' "{ 0xffff, 0, 0, 12 }," "{ 0x6, 0, 0, 1 }," >"$refused/:the kernel refuses"
printf '%s\n' "{ 0x34, 0, 0, 0 }," "{ 0x6, 0, 0, 1 }," >"$refused/:the kernel refuses "
printf '%s\n' "$return" >"$refused/:accepts no packet"
# shellcheck disable=SC2016 # for the guest
capture machine --file "$app:/capture" --file "$refused:/refused" -- sh -c 'cd /refused; for f in *; do /capture "$f" 2>&1 >/out; echo "status $?"; done; /capture --count 0 2>&1; /capture /none 2>&1'
for file in "$refused"/*; do
	name=${file##*/} at=
	[ "${name%%:*}" ] && at=", line ${name%%:*}"
	wrong=${name#*:}
	answer=$(tr -d '\r' <<<"$output" | grep -A 1 -F -e "$name$at: " -e "capture: the ${wrong#the }" -e "capture: the program ${wrong}" | head -n 2)
	like "$answer" "$wrong.*
status 2" "refused: '$name'"
done
like "$output" '0: not a number.*/none: No such file' "and options that are none"
done_testing
