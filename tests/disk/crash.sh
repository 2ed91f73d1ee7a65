#!/usr/bin/env bash
# What a power cut leaves on a disk (tests/disk/crash): a workload runs with every write and flush logged, and the disks that a cut could leave are made from the log. Each is recovered, by the file system's own code or by e2fsck in turns; then e2fsck finds nothing
# to say, and everything that was synced is there. STATES: how many (600); SEED: of the workload and of the cuts (1); STEPS: of the workload (150); BLOCK: the file system's (4096).
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd -P)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

STATES=${STATES:-600} SEED=${SEED:-1} STEPS=${STEPS:-150} BLOCK=${BLOCK:-4096}
MARKER=$((25 << 20)) # behind the file system

tools() {
	local name
	for name in states check; do
		gcc -O2 -Wall -Wextra -Werror -o "$scratch/$name" "$here/crash/$name.c" || return
	done
	musl-gcc -static -O2 -Wall -Wextra -Werror -o "$scratch/workload" "$here/crash/workload.c" || return
	"$here/crash/recover.sh" build "$scratch"
}

# log_run NAME SEED MKE2FS-OPTIONS...: the workload on a fresh disk: $scratch/NAME.{base,log,promises}.
log_run() {
	local disk=$scratch/$1 node
	truncate -s $((26 << 20)) "$disk.base"
	mke2fs -q -t ext3 "${@:3}" "$disk.base" 24M || return
	cp --sparse=always "$disk.base" "$disk.img"
	: >"$disk.log"
	node="{\"driver\":\"blklogwrites\",\"file\":{\"driver\":\"file\",\"filename\":\"$disk.img\"},\"log\":{\"driver\":\"file\",\"filename\":\"$disk.log\"},\"log-sector-size\":512}"
	machine --machine q35 --no-net --timeout 100 --blockdev "$node" --file "$scratch/workload:/workload" -- \
		sh -c "mkdir /mnt && mount -t ext3 /dev/vda /mnt && exec /workload $2 $STEPS /dev/vda $MARKER /mnt" >"$disk.promises" 2>"$disk.errors"
}

# Called for each state: state.sh NAME SEED MARKER NUMBER.
state_command() {
	cat >"$scratch/state" <<END
#!/bin/sh
disk=$scratch/\$1.state
said=\$("$here/crash/recover.sh" "$scratch" "\$disk" "\$4") || { echo "# recovery: \$said"; exit 1; }
said=\$(e2fsck -fn "\$disk" 2>&1) || { echo "\$said" | sed 's/^/# /'; exit 1; }
rm -rf "$scratch/\$1.tree" && mkdir "$scratch/\$1.tree" || exit
debugfs -R "rdump / $scratch/\$1.tree" "\$disk" >/dev/null 2>&1
exec "$scratch/check" "$scratch/\$1.tree" "$scratch/\$1.promises" "\$2" "\$3"
END
	chmod +x "$scratch/state"
}

# states_of NAME SEED COUNT
states_of() {
	"$scratch/states" "$scratch/$1.log" "$scratch/$1.base" "$2" "$3" $MARKER "$scratch/$1.state" "$scratch/state" "$1" "$2" >"$scratch/$1.said"
}

one() { # NAME SEED COUNT WHAT MKE2FS-OPTIONS...
	if log_run "$1" "$2" "${@:5}"; then
		ok "the workload of seed $2 runs, $4"
	else
		not_ok "the workload of seed $2 runs, $4" "$(tail -n 5 "$scratch/$1.errors")"
		return
	fi
	if states_of "$1" "$2" "$3"; then
		ok "$3 crash states of seed $2, $4: clean, and nothing lost that was synced"
	else
		not_ok "$3 crash states of seed $2, $4: clean, and nothing lost that was synced" "$(grep -v 'states,' "$scratch/$1.said" | head -n 20)"
	fi
	tail -n 1 "$scratch/$1.said"
}

if ! tools; then
	not_ok "the tools are built"
else
	state_command
	one disk "$SEED" "$STATES" "blocks of $BLOCK bytes" -b "$BLOCK"
fi
done_testing
