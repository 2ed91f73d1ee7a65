#!/usr/bin/env bash
# As tree.sh, with blocks smaller than a page.
SIZE=1024 exec "${BASH_SOURCE[0]%/*}/tree.sh"
