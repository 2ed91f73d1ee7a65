#!/bin/sh
# Builds the virtio drivers for the host under ASan and UBSan, with a device in place of the hardware, and runs them: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of the device's behaviour (printed); ROUNDS: how many devices.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/virtio
mkdir -p "$build"
cd "$root"

flags="-D_GNU_SOURCE -std=gnu11 -g -O2 -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I$here/include -Iinclude -I."
failed=0
for driver in net block; do
	gcc $flags -o "$build/test_$driver" "$here/test_$driver.c" "$here/device.c" kernel/drivers/$driver.c kernel/drivers/virtio.c
	"$build/test_$driver" || failed=1
done
exit $failed
