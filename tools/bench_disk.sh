# The rows of ./exo bench about files on a disk: the machine says on its standard output when a phase begins and ends, and waits for an answer. For `io` and `disk` instructions are counted by the emulator (tools/count), as time
# under --icount would hold the waits for the disk; for `rate` it is the time on this host. Sourced by tools/bench.sh; settling as for servers (bench_net.sh).
#
# Both systems: the same image, of the same mke2fs, mounted with the same options, and a CPU without the fast string instructions. The counter counts every repetition of these: Linux would copy a page by
# 4,096 of them where the CPU offers ERMS, and copies by words of 8 bytes where it does not.
# shellcheck shell=bash disable=SC2154

DISK_CPU=max,-erms,-fsrm
DISK_SIZE=1G # less gets blocks of 1 KiB, which would cost Linux more
DISK_PAIRS=5

# disk_guest: what the machine's shell runs first. noatime: a read is no write. A type is given, as a mount without one tries several.
disk_guest() {
	cat <<-'SH'
		set -e
		fresh() { if [ -d /mnt ]; then umount /mnt; else mkdir /mnt; fi; mount -t TYPE -o noatime /dev/vda /mnt; }
		mark() { echo "$1"; read -r answer; }
		phase() {
			row=$1; shift
			mark "begin $row"; "$@"; mark "end $row"; sync; mark "synced $row"
		}
		fresh
	SH
}

# The phases of Xok's evaluation (Kaashoek et al., SOSP'97, section 6), on this repository's own files: first each on a file system that has just been mounted, then twice in one that stays mounted, of which the second round counts.
disk_guest_io() {
	cat <<-'SH'
		unpack() { tar -x -f /mnt/tree.tar -C /mnt; }
		compile() { find /mnt/tree -name '*.c' | xargs -n 1 /disk compile /mnt/tree; }
		round() { # before each phase, what the rows end with
			$1; $2 copy$3 cp /mnt/tree.tar /mnt/copy.tar
			$1; $2 unpack$3 unpack
			$1; $2 tree$3 cp -r /mnt/tree /mnt/tree2
			$1; $2 diff$3 diff -r /mnt/tree /mnt/tree2
			$1; $2 compile$3 compile
			[ $(find /mnt/tree -name '*.c' | wc -l) = $(find /mnt/tree -name '*.o' | wc -l) ]
			$1; $2 delete$3 rm -r /mnt/tree /mnt/tree2 /mnt/copy.tar
		}
		unmeasured() { shift; "$@"; }
		sync; phase nothing true
		round fresh phase .cold
		fresh
		round true unmeasured
		round true phase .warm
		umount /mnt
		mark bye
	SH
}

disk_guest_disk() {
	cat <<-'SH'
		sync; phase nothing true
		mkdir /mnt/small
		/disk small.create /mnt/small
		fresh; /disk small.read /mnt/small
		/disk small.read.warm /mnt/small
		fresh; /disk small.delete /mnt/small
		/disk seq.write /mnt/large
		fresh; /disk seq.read /mnt/large
		/disk seq.read.warm /mnt/large
		fresh; /disk random.read /mnt/large
		fresh; /disk random.write /mnt/large
		fresh; /disk fsync /mnt/log
		/disk fdatasync /mnt/large
		umount /mnt
		mark bye
	SH
}

disk_guest_rate() {
	cat <<-'SH'
		/disk seq.write /mnt/large
		fresh; /disk seq.read /mnt/large
		fresh; /disk random.read /mnt/large
		fresh; /disk random.write /mnt/large
		umount /mnt
		mark bye
	SH
}

# disk_tree: which tree it is.
disk_tree() { git -C "$root" rev-parse 'HEAD^{tree}'; }

# disk_filesystem FILE: the file system, with the archive in it. Identity and seed of its hashes are fixed, so that it is the same each time.
disk_filesystem() {
	local tree=$results/tree
	if [ ! -d "$tree" ]; then
		mkdir "$tree"
		git -C "$root" archive --format=tar --prefix=tree/ -o "$tree/tree.tar" HEAD || die "the tree that is measured with is this repository's newest commit, and git cannot give it"
	fi
	/sbin/mke2fs -q -t ext3 -d "$tree" -U 11111111-2222-3333-4444-555555555555 -E hash_seed=66666666-7777-8888-9999-000000000000 "$1" $DISK_SIZE
}

# disk_marks COUNT: what there was at each mark, `MARK ROW NUMBER` a line: the instructions, once the machine has come to rest, or three tenths of a second later; or without COUNT, the time in us. Answers the machine by descriptor 9. EXO_PROFILE=FOLDER in the environment: puts there where the instructions were, up to each mark (tools/count).
disk_marks() {
	local line what row
	while read -r -t 300 line; do
		read -r what row <<<"${line%$'\r'}"
		case $what in
		begin | synced) echo "$what $row $(if [ -n "$1" ]; then net_settled "$1" 3; else echo "${EPOCHREALTIME/./}"; fi)" ;;
		end) echo "$what $row $(if [ -n "$1" ]; then net_count "$1"; else echo "${EPOCHREALTIME/./}"; fi)" ;;
		esac
		[ -z "${EXO_PROFILE-}" ] || cp --sparse=always "$results/profile" "$EXO_PROFILE/$what.$row"
		echo >&9
		[ "$what" != bye ] || return 0
	done
	return 1 # it fell silent, or ended before its time
}

# disk_machine SYSTEM SCRIPT [COUNT]: runs it, and prints its marks. Its image is clean afterwards, or it has failed.
disk_machine() {
	local image=$results/$2.$1.img type=ext3 options=() pid input output status=0
	disk_filesystem "$image" || return
	[ -z "${3-}" ] || options=(--count "$3")
	[ -z "${EXO_PROFILE-}" ] || options+=(--profile "$results/profile")
	[ "$1" = run ] || type=ext4 # on Linux the newer of the two drivers' modes: it allocates late
	coproc MACHINE { "$root/exo" "$1" --tcg --cpu "$DISK_CPU" --timeout 900 "${options[@]}" --disk "$image" --file "$build/bench/disk:/disk" -- \
		sh -c "$(disk_guest | sed "s/TYPE/$type/"; "disk_guest_$2")" 2>"$results/machine.$2.$1"; }
	pid=$MACHINE_PID
	output=${MACHINE[0]} input=${MACHINE[1]}
	exec 8<&"$output" 9>&"$input" {output}<&- {input}>&- # the coprocess's own descriptors a pipeline does not have
	disk_marks "${3-}" <&8 | tee "$results/marks.$2.$1" || status=1
	exec 8<&- 9>&-
	wait "$pid" || status=1
	/sbin/e2fsck -fn "$image" >"$results/fsck.$2.$1" 2>&1 || status=1
	[ $status = 0 ] || tail -n 5 "$results/machine.$2.$1" "$results/fsck.$2.$1" >&2
	return $status
}

# bench_io, bench_disk SYSTEM: what a mark itself takes is known from a phase in which nothing is done.
bench_io() { disk_counted "$1" io io. ''; }
bench_disk() { disk_counted "$1" disk disk. 'small.create=1000 small.read=1000 small.read.warm=1000 small.delete=1000 seq.write=16384 seq.read=16384 seq.read.warm=16384 random.read=4096 random.write=4096 fsync=500 fdatasync=500'; }

disk_counted() { # SYSTEM SCRIPT PREFIX DIVISORS
	set -o pipefail
	disk_machine "$1" "$2" "$results/count.$2.$1" | awk -v prefix="$3" -v divisors="$4" '
		BEGIN { n = split(divisors, pair, " "); for (i = 1; i <= n; i++) { split(pair[i], field, "="); divisor[field[1]] = field[2] } }
		$1 == "begin" { before = $3 }
		$1 == "end" { bare = $3 - before }
		$1 == "synced" {
			whole = $3 - before
			if ($2 == "nothing") { nothing = whole; nothing_bare = bare; next }
			by = $2 in divisor ? divisor[$2] : 1
			printf "%s%s %d\n", prefix, $2, (whole - nothing) / by
			printf "%s%s.unsynced %d\n", prefix, $2, (bare - nothing_bare) / by
			dot = match($2, /\.(cold|warm)$/)
			if (prefix != "io.") next
			all[substr($2, dot)] += whole - nothing
			all_bare[substr($2, dot)] += bare - nothing_bare
		}
		END { for (state in all) printf "io.all%s %d\nio.all%s.unsynced %d\n", state, all[state], state, all_bare[state] }'
}

# bench_rate SYSTEM: both systems in turns when it is ExOS's turn, and Linux's share of that when it is Linux's. The median, and each pair's ratio as a comment: above 100 percent ExOS is the faster one.
bench_rate() {
	local pair system
	if [ "$1" = linux ]; then
		cat "$results/rate.of.linux"
		return
	fi
	for ((pair = 0; pair < DISK_PAIRS; pair++)); do
		for system in run linux; do
			disk_machine $system rate >"$results/rate.marks" || return
			awk '$1 == "begin" { before = $3 } $1 == "synced" { print "disk.rate." $2, int(($3 - before) / 1000) }' "$results/rate.marks" >"$results/rate.$system.$pair"
		done
	done
	for system in run linux; do
		cat "$results/rate.$system".? | sort -k 1,1 -k 2,2n | awk -v most=$DISK_PAIRS '{ if ($1 != row) n = 0; row = $1; if (++n == int((most + 1) / 2)) print }' >"$results/rate.of.$system"
	done
	cat "$results/rate.of.run"
	for ((pair = 0; pair < DISK_PAIRS; pair++)); do
		paste -d ' ' "$results/rate.run.$pair" "$results/rate.linux.$pair"
	done | awk '{ all[$1] = all[$1] " " int($4 * 100 / $2) } END { for (row in all) print "# " row ", ExOS against Linux in percent, by pairs:" all[row] }'
}

# disk_table SYSTEM: the phases of `io` as a figure's columns.
disk_table() {
	set -o pipefail
	bench_io "$1" | awk '
		BEGIN { n = split("copy unpack tree diff compile delete", phase, " ") }
		{ value[$1] = $2 }
		END {
			print "phase cold warm"
			for (i = 1; i <= n; i++) print i, value["io." phase[i] ".cold"], value["io." phase[i] ".warm"]
		}'
}
