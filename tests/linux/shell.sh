#!/usr/bin/env bash
# BusyBox's shell and tools, and Debian's bash: unmodified, with everything that scripts do.
# shellcheck disable=SC2154,SC2016
. "${BASH_SOURCE[0]%/*}/../lib.sh"

capture machine -- busybox sh -c 'i=0; for f in a b c; do i=$((i+1)); echo $f > /tmp/$f; done; cat /tmp/a /tmp/b /tmp/c | tr a-c A-C | tr -d "\n"; echo $i'
is "$output" "ABC3" "loops, redirections, pipelines"
capture machine -- busybox sh -c 'x=$(echo inner; exit 4); echo "$x $?"; (exit 7); echo $?; ! true; echo $?'
is "$output" "inner 4
7
1" "command substitution and statuses"
capture machine -- busybox sh -c 'sleep 5 & p=$!; kill $p; wait $p; echo $?; trap "echo trapped" USR1; kill -USR1 $$; echo after'
is "$output" "143
trapped
after" "background jobs, kill, wait, trap"
capture machine -- busybox sh -c 'mkdir -p /tmp/d/e; echo x > /tmp/d/e/f; cp -r /tmp/d /tmp/g; mv /tmp/g /tmp/h; ln -s h /tmp/l; find /tmp/h /tmp/l/e -type f; rm -r /tmp/h; ls /tmp/l 2>&1 | head -1; tar cf /tmp/t.tar -C /tmp d; tar tf /tmp/t.tar | wc -l; gzip -c /tmp/t.tar | gunzip | cmp - /tmp/t.tar && echo same'
is "$output" "/tmp/h/e/f
/tmp/l/e/f
ls: /tmp/l: No such file or directory
3
same" "files, links, archives"
capture machine -- busybox sh -c 'ps | grep -c "[1] .*keeper\|[1] .*init"; free | grep -c Mem; uptime | grep -c load; top -b -n 1 | grep -c "^CPU:"'
is "$output" "1
1
1
1" "ps, free, uptime and top read /proc"

bash_script='
f() { local a=("$@"); echo "${#a[@]} ${a[-1]}"; }
f one two "three four"
declare -A map=([x]=1 [y]=2); echo "${map[y]} ${!map[@]}" | tr " " "\n" | sort | tr "\n" " "; echo
cat <<END
here $((6 * 7)) document
END
trap "echo bye" EXIT
(sleep 0.2; exit 9) & wait $!; echo "waited $?"
for i in {1..3}; do sleep 0.0$i & done; wait; jobs -r | wc -l
while read -r line; do echo "<$line>"; done < <(printf "p\nq\n")
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
printf "%s\n" "${BASH_VERSION%%.*}"
'
capture machine --file /bin/bash-static -- /bin/bash-static -c "$bash_script"
is "$output" "3 three four
2 x y 
here 42 document
waited 9
0
<p>
<q>
b
5
bye" "bash: functions, arrays, here-documents, jobs, wait, trap, process substitution"
is "$status" 0 "and its exit status"
done_testing
