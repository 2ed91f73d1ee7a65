#!/usr/bin/env bash
# Writes docs/reference.md from the one table of kernel calls and the one list of errors (include/aegis). `make reference` calls it.
set -euo pipefail
# shellcheck disable=SC2016 # the backquotes are Markdown
cd "$(dirname "$0")/.."

rows() { # header, list macro, X arguments -> one line a row, fields separated by tabs
    printf '#include <aegis/%s>\n#undef X\n#define X(%s) ROW %s END\n%s(X)\n' "$1" "$3" "$4" "$2" |
        gcc -E -P -Iinclude - | tr '\n' ' ' | perl -ne '
            while (/ROW (.*?) END/g) {
                my @fields;
                my $row = $1;
                while ($row =~ /((?:"(?:[^"\\]|\\.)*"\s*)+)|([^\s|"]+)/g) {
                    if (defined $1) { my $s = $1; $s =~ s/"\s*"//g; $s =~ s/^"|"\s*$//g; push @fields, $s }
                    else { push @fields, $2 }
                }
                print join("\t", @fields), "\n";
            }'
}

{
    echo "# Reference: kernel calls"
    echo
    echo "Written by \`make reference\` from \`include/aegis/calls.h\` and \`include/aegis/error.h\`; change those, not this."
    echo
    sed -n 's/^ \* \{0,1\}//; /^A call is/,/^Any other number/p' include/aegis/calls.h
    echo
    rows calls.h AEGIS_CALLS "number, name, arity, arguments, text" "number | name | arguments | text" |
        while IFS=$'\t' read -r number name arguments text; do
            printf '## %s: `%s%s`\n\n%s\n\n' "$number" "$name" "$arguments" "$(tr '\n' ' ' <<<"$text" | sed 's/ *$//')"
        done
    echo "## Errors"
    echo
    echo "| name | value | meaning |"
    echo "|---|---|---|"
    rows error.h AEGIS_ERRORS "name, number, text" "name | number | text" |
        while IFS=$'\t' read -r name number text; do
            printf '| `E_%s` | -%s | %s |\n' "$name" "$number" "$text"
        done
} >docs/reference.md
