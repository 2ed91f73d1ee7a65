#!/usr/bin/env bash
# Debian's sqlite3, as it is: 100,000 rows in transactions on a disk; killed with the machine at any time, and cut off from power (tests/disk/crash) at any write. Each time the database that is left is whole, and has every transaction whose end was seen.
# KILLS: how often the machine is killed, for each way that sqlite keeps its journal (6); STATES: power cuts for each (60); SEED.
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

KILLS=${KILLS:-6} STATES=${STATES:-60} SEED=${SEED:-1} ROWS=${ROWS:-100000}
RANDOM=$SEED
disk=$scratch/disk

fresh_disk() {
	truncate -s 64M "$disk"
	mke2fs -q -F -t ext3 "$disk"
}

# EXTRA: the end of a transaction that deletes its journal is synced, too.
# transactions MODE FIRST COUNT ROWS: SQL; each transaction's number is printed when it has ended.
transactions() {
	echo "PRAGMA journal_mode=$1; PRAGMA synchronous=EXTRA; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, batch INTEGER, text TEXT); CREATE INDEX IF NOT EXISTS i ON t(batch, text);"
	awk -v first="$2" -v count="$3" -v rows="$4" 'BEGIN {
		for (n = first; n < first + count; n++) {
			print "BEGIN;"
			printf "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < %d) INSERT INTO t(batch, text) SELECT %d, hex(x * 7919 + %d) || \" of a row\" FROM c;\n", rows, n, n
			if (n % 7 == 3) printf "UPDATE t SET text = text || \"+\" WHERE batch = %d;\n", n - 2
			print "COMMIT;"
			printf "SELECT \"ended %d\";\n", n
		}
	}' | tr '"' "'"
}

# sqlite3 with its interpreter and libraries, as options.
mapfile -t sqlite3_files < <(ldd /usr/bin/sqlite3 | grep -o '/[^ ]*\( (\|$\)' | sed 's/ ($//; s/^/--file=/')
sqlite3_files+=(--file /usr/bin/sqlite3)

# The machine, with sqlite3 reading $scratch/sql.
sqlite_machine() { # OPTIONS...
	machine --machine q35 --no-net --timeout 100 --file "$scratch/sql:/sql" "${sqlite3_files[@]}" "$@" -- sh -c 'mkdir -p /mnt; mount -t ext3 /dev/vda /mnt && sqlite3 /mnt/data.db </sql'
}

# whole IMAGE LEAST ROWS: is the database on a recovered image right? Prints why not.
whole() {
	local said file
	for file in data.db data.db-journal data.db-wal data.db-shm; do
		rm -f "$scratch/left/$file"
	done
	mkdir -p "$scratch/left"
	debugfs -R "rdump / $scratch/left" "$1" >/dev/null 2>&1
	[ -s "$scratch/left/data.db" ] || [ "$2" -lt 0 ] || { echo "no database"; return 1; }
	said=$(sqlite3 "$scratch/left/data.db" 'PRAGMA integrity_check;' 2>&1)
	[ "$said" = ok ] || { echo "integrity_check: $said"; return 1; }
	[ "$2" -ge 0 ] || return 0
	said=$(sqlite3 "$scratch/left/data.db" "SELECT count(*), min(n), max(n), max(batch) >= $2 FROM (SELECT batch, count(*) AS n FROM t GROUP BY batch);" 2>&1)
	[[ $said == *"|$3|$3|1" ]] || { echo "batches, rows in each from, to, all that ended: $said, of $2"; return 1; }
}

recovered() { # IMAGE NUMBER: by our code or by e2fsck, and then clean
	"$here/crash/recover.sh" "$scratch" "$1" "$2" && e2fsck -fn "$1" >"$scratch/fsck" 2>&1 || { cat "$scratch/fsck"; return 1; }
}

run_whole() { # MODE
	fresh_disk
	transactions "$1" 0 $((ROWS / 1000)) 1000 >"$scratch/sql"
	echo "SELECT 'rows', count(*) FROM t; PRAGMA integrity_check;" >>"$scratch/sql"
	capture sqlite_machine --disk "$disk"
	like "$output" "rows.$ROWS"$'\n'ok "$ROWS rows, journal_mode=$1: counted and checked in the machine"
	is "$(whole "$disk" $((ROWS / 1000 - 1)) 1000)$(e2fsck -fn "$disk" 2>&1 >/dev/null | grep -v '^e2fsck')" '' "... and on the host, the disk clean"
}

run_killed() { # MODE
	local n wrong='' ended pid count all=''
	for ((n = 0; n < KILLS; n++)); do
		fresh_disk
		transactions "$1" 0 100 200 >"$scratch/sql"
		count=$((RANDOM % 80))
		coproc MACHINE { set -m; exec "$root/exo" run --no-net --timeout 200 --disk "$disk" --file "$scratch/sql:/sql" "${sqlite3_files[@]}" -- sh -c 'mkdir -p /mnt; mount -t ext3 /dev/vda /mnt && sqlite3 /mnt/data.db </sql' 2>"$scratch/errors"; }
		pid=$MACHINE_PID ended=-1
		while read -r _ ended && [ "${ended:--1}" -lt "$count" ] 2>/dev/null; do :; done < <(grep --line-buffered '^ended' <&"${MACHINE[0]}")
		pkill -KILL -f "$disk" 2>/dev/null
		wait "$pid" 2>/dev/null
		all+=" ${ended:--1}"
		wrong+=$(recovered "$disk" "$n")$(whole "$disk" "${ended:--1}" 200)
	done
	echo "# killed after transaction$all"
	is "$wrong" '' "killed $KILLS times, journal_mode=$1: whole, and every transaction that ended is there"
}

run_cut() { # MODE
	local node
	fresh_disk
	cp --sparse=always "$disk" "$scratch/base"
	transactions "$1" 0 60 20 >"$scratch/sql"
	rm -f "$scratch/log"
	: >"$scratch/log"
	node="{\"driver\":\"blklogwrites\",\"file\":{\"driver\":\"file\",\"filename\":\"$disk\"},\"log\":{\"driver\":\"file\",\"filename\":\"$scratch/log\"},\"log-sector-size\":512}"
	capture sqlite_machine --blockdev "$node"
	like "$output" 'ended 59' "60 transactions with every write logged, journal_mode=$1"
	{
		declare -f whole recovered
		printf 'scratch=%q here=%q\n' "$scratch" "$here"
		printf 'recovered %q "$2" && whole %q -1 20\n' "$scratch/state" "$scratch/state"
	} >"$scratch/state.sh"
	capture "$scratch/states" "$scratch/log" "$scratch/base" "$SEED" "$STATES" 0 "$scratch/state" bash "$scratch/state.sh"
	is "$status" 0 "$STATES power cuts, journal_mode=$1: the database is whole"
	[ "$status" -eq 0 ] || printf '%s\n' "$output" | head -n 20 | sed 's/^/# /'
}

if gcc -O2 -Wall -Wextra -Werror -o "$scratch/states" "$here/crash/states.c" && "$here/crash/recover.sh" build "$scratch"; then
	for mode in delete wal; do
		run_whole $mode
		run_killed $mode
		run_cut $mode
	done
else
	not_ok "the tools are built"
fi
done_testing
