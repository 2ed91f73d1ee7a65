#!/usr/bin/env bash
# A machine without a network card: processes talk over 127.0.0.1 and ::1 all the same, and the rest of the world cannot be reached.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

for options in --no-net "--icount --no-net" "--no-net --smp 2"; do
	# shellcheck disable=SC2086 # a list of words
	capture machine $options --file "$root/build/tests/exos/tcp:/tcp" -- /tcp
	is "$status$(grep -B 2 '^not ok' <<<"$output")" 0 "tests/exos/tcp, $options"
done
capture machine --no-net --smp 2 --file "$root/build/tests/exos/socket_deaths:/deaths" -- /deaths
is "$status$(grep -v '^ok' <<<"$output")" "0# TEST_SEED=$(sed -n 's/^# TEST_SEED=//p' <<<"$output")
1..1" "tests/exos/socket_deaths, --smp 2"
capture machine --no-net -- sh -c 'nc -w 2 10.0.2.2 80; echo $?; nc -w 2 fec0::2 80; echo $?; echo datagram | nc -u -w 1 10.0.2.2 9; cat /proc/net/dev | grep -c eth'
like "$errors" "Network (is )?unreachable" "another machine: unreachable"
is "$(head -n 2 <<<"$output" | tr '\n' ' ')" "1 1 " "... and the program ends with an error"
# shellcheck disable=SC2016 # for the machine's shell
capture machine --no-net -- sh -c 'mkdir /www; echo page >/www/f; httpd -p 80 -h /www; for i in 1 2 3; do wget -q -O - http://127.0.0.1/f; wget -q -O - "http://[::1]/f"; done; ping -c 1 127.0.0.1 | grep received'
like "$output" "^page
page
page
page
page
page" "busybox httpd and wget"
done_testing
