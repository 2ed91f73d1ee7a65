#!/usr/bin/env bash
# As tree.sh, with Linux on the other side: slower in the emulator, so the tree is smaller. FILES: how many (4000).
WITH=linux FILES=${FILES:-4000} exec "${BASH_SOURCE[0]%/*}/tree.sh"
