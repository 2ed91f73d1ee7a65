#!/bin/sh
# Builds the coder and the replacement policies of exos/lib/vm for the host under ASan and UBSan, and runs their tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (printed); ROUNDS: how much of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build/host}/paging
mkdir -p "$build"
cd "$root"

gcc -D_GNU_SOURCE -std=gnu11 -g -O2 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -I. -o "$build/test_paging" \
	"$here/test_paging.c" exos/lib/vm/squeeze.c exos/lib/vm/replacement.c
exec "$build/test_paging"
