#!/usr/bin/env bash
# As crash.sh, with blocks of 1024 bytes: several of a file's in a page, several of the journal's in a frame.
BLOCK=1024 SEED=$((${SEED:-1} + 1)) exec "${BASH_SOURCE[0]%/*}/crash.sh"
