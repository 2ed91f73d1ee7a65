#!/usr/bin/env bash
# 64 MiB from ExOS and to it, over a wire that loses, doubles and reorders 5 % of the frames each way, to and from Debian's Linux kernel in a machine of its own: equal digests.
# shellcheck source=tests/lib.sh
. "${BASH_SOURCE[0]%/*}/../lib.sh"

bytes=$((${MEGABYTES:-64} << 20))
seed=${SEED:-$RANDOM}
echo "# seed $seed, $bytes bytes (SEED=, MEGABYTES=)"
openssl enc -aes-128-ctr -K "$(printf %032x "$seed")" -iv 0 </dev/zero 2>/dev/null | head -c "$bytes" >"$scratch/data"
expected=$(sha256sum <"$scratch/data" | cut -c 1-64)

# transfer SERVER CLIENT: what each machine's shell runs; their output goes to $scratch/exos and $scratch/linux. The Linux machine is the second one on the wire, and a whole PC, as on a
# microvm Linux does not always find out how fast its clock runs when the host is busy.
transfer() {
	cat >"$scratch/both" <<-MACHINES
		"$root/exo" run --net "\$WIRE_NET" --file "$scratch/data:/data" -- sh -c '$1' >"$scratch/exos" 2>"$scratch/exos.errors" &
		"$root/exo" linux --machine q35 --net "\$WIRE_NET2" --file "$scratch/data:/data" -- sh -c '$2' >"$scratch/linux" 2>"$scratch/linux.errors"
		wait \$!
	MACHINES
	capture "$root/build/wire" --second --loss 50 --duplicate 50 --reorder 50 --seed "$seed" --summary -- bash "$scratch/both"
	printf '%s\n' "$errors" "$(<"$scratch/exos.errors")" "$(<"$scratch/linux.errors")" | grep . | sed 's/^/# /' | head -n 5
	like "$errors" ' [1-9][0-9]* lost, [1-9][0-9]* doubled, [1-9][0-9]* reordered' "the wire was bad"
}
received() { cut -c 1-64 "$scratch/$1" | tail -n 1; }

# BusyBox's nc ends when the other side has no more to say: so who only listens keeps an input that does not end.
quiet='mkfifo /quiet; exec 3<>/quiet;'
transfer "$quiet nc -l -p 9000 </data" "$quiet until nc 10.0.2.15 9000 <&3 >/got && [ -s /got ]; do :; done; sha256sum </got"
is "$(received linux)" "$expected" "from ExOS to Linux"
transfer "$quiet nc -l -p 9000 <&3 | sha256sum" 'until nc 10.0.2.15 9000 </data; do :; done'
is "$(received exos)" "$expected" "from Linux to ExOS"
done_testing
