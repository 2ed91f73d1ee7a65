#!/bin/sh
# Builds the network stack of exos/net for the host under ASan and UBSan, and runs its tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). FRAMES: how many the fuzzer sends.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/stack.sh"
stack_test net '' "${FRAMES-}" "$here"/test_*.c
