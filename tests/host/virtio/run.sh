#!/bin/sh
# Builds the virtio-net driver for the host under ASan and UBSan, with a device in place of the hardware, and runs it: TAP, exit status 1 when it failed.
# BUILD: where to build (build/host). SEED: of the device's behaviour (printed); ROUNDS: how many devices.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/virtio
mkdir -p "$build"
cd "$root"

flags="-D_GNU_SOURCE -std=gnu11 -g -O2 -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I$here/include -Iinclude -I."
gcc $flags -o "$build/test_net" "$here/test_net.c" "$here/device.c" kernel/drivers/net.c kernel/drivers/virtio.c
exec "$build/test_net"
