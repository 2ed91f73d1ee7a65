#!/bin/sh
# Builds the network stack of exos/net for the host under ASan and UBSan, and runs TCP's tests: TAP, exit status 1 when one failed.
# BUILD: where to build (build/host). SEED: of what is random (1). SEGMENTS: how many the fuzzer sends (300000). TESTS: which (all). PCAP: a file for what test_states sends.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../net/stack.sh"
# shellcheck disable=SC2086 # a list of words
stack_test tcp tests/host/tcp/flow.c "${SEGMENTS-}" ${TESTS:-"$here"/test_*.c}
