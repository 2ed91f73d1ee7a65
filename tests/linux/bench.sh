#!/usr/bin/env bash
# ./exo bench from outside: which rows there are, tables and JSON, what is refused, programs that fail; and figures, from their descriptions to the SVG.
# shellcheck disable=SC2154,SC2030,SC2031 # output, errors and status come from capture; root is another in a subshell, and meant to be
. "${BASH_SOURCE[0]%/*}/../lib.sh"
unset EXO_BUILT # the measuring programs are not among what the tests have built
bench() { "$root/exo" bench "$@"; }

# The rows of the paper's tables, in its order; nobody renames them.
paper='call.null syscall.null exc.unalign exc.overflow exc.coproc exc.prot pct filter.10 ipc.pipe ipc.pipe2 ipc.shm ipc.lrpc ipc.tlrpc matmul
vm.dirty vm.prot1 vm.prot100 vm.unprot100 vm.trap vm.appel1 vm.appel2
vm.inverted.dirty vm.inverted.prot1 vm.inverted.prot100 vm.inverted.unprot100 vm.inverted.trap vm.inverted.appel1 vm.inverted.appel2
ash.rtt ash.load stride'

capture bench paper --list
is "$(tr '\n' ' ' <<<"$output")" "$(tr '\n' ' ' <<<"$paper")" "bench paper has the paper's rows in its order"
capture bench --list
is "$(tr ' ' '\n' <<<"$paper" | grep -vxF "$output")" "" "and so has bench without a name, among others"
is "$(sort <<<"$output" | uniq -d)" "" "no row is there twice"
all=$output
capture bench vm.inverted ipc.pi --list
is "$output" "$(grep -E '^(vm\.inverted|ipc\.pi)' <<<"$all")" "names select by how rows begin"

# A list of objects with the keys of the contract and nothing else, one a line.
json_lines() { # FILE
	awk '
		BEGIN {
			text = "\"([^\"\\\\]|\\\\[\"\\\\])*\""
			number = "(null|-?[0-9]+(\\.[0-9]+)?)"
			object = "^\\{\"row\": " text ", \"unit\": " text ", \"exos\": " number ", \"linux\": " number ", \"paper\": " text ", \"note\": " text "\\}"
		}
		{ line[NR] = $0 }
		END {
			bad = line[1] != "[" || line[NR] != "]"
			for (i = 2; i < NR; i++)
				bad = bad || line[i] !~ object (i < NR - 1 ? ",$" : "$")
			exit bad
		}' "$1"
}

capture bench pct matmul --json "$scratch/json"
is "$status" 0 "rows by name are measured"
like "$output" $'\npct +[0-9]+ +- ' "what Linux has not is a dash"
like "$output" $'\nmatmul +[0-9]+ +[0-9]+ +[0-9.]+ ' "what both have is there with the ratio"
json_lines "$scratch/json"
is "$?" 0 "--json: objects with the contract's keys"
is "$(sed -n 's/^{"row": "\([^"]*\)".*/\1/p' "$scratch/json" | tr '\n' ' ')" "pct matmul pct.roundtrip pct.crowd " "for the rows of the table"
pair=$(sed -n 's/.*"matmul".*"exos": \([0-9]*\), "linux": \([0-9]*\),.*/\1 \2/p' "$scratch/json")
is "$pair" "$(awk '$1 == "matmul" { print $2, $3 }' <<<"$output")" "with its values"
first=$output
capture bench pct matmul
is "$output" "$first" "and measured again they are the same to the digit"

capture bench no.such.row
is "$status" 125 "an unknown name is refused"
like "$errors" "no\.such\.row" "and named"
capture bench pct no.such.row --list
is "$status" 125 "beside a known one, too"
capture bench --no-such-option
is "$status" 125 "an unknown option is refused"
capture bench pct --json "$scratch/no/such/folder"
is "$status" 125 "a file that cannot be written is refused"

# The command with a table and programs of our own: `good` prints, `bad` fails, `mute` prints nothing. $scratch/ran has what was run.
fake_root=$scratch/fake
mkdir -p "$fake_root/bench" "$fake_root/build/bench"
for program in good bad mute; do
	: >"$fake_root/bench/$program.c"
	: >"$fake_root/build/bench/$program"
done
cat >"$fake_root/bench/rows" <<'ROWS'
# a comment | with bars
[one]
good.both|instructions|good|1 "s" \|
good.second|ms|mute good||from the second program
[two]
bad.row|instructions|bad||
mute.row|instructions|mute||
later.row|instructions|-||not yet
ROWS
fake_bench() (
	root=$fake_root build=$fake_root/build
	# shellcheck source=tools/common.sh
	. "${BASH_SOURCE[0]%/*}/../../tools/common.sh"
	# shellcheck source=tools/bench.sh
	. "${BASH_SOURCE[0]%/*}/../../tools/bench.sh"
	bench_prepare() {
		results=$(mktemp -d "$scratch/results.XXXXXX")
		kernel=kernel
		trap bench_end EXIT
	}
	bench_job() {
		echo "$1" >>"$scratch/ran"
		case $1 in
		good.run) printf '# a remark\ngood.both 4\ngood.second 2.5\n' ;;
		good.linux) echo good.both 10 ;;
		bad.*)
			echo "out of memory" >&2
			return 3
			;;
		esac
	}
	bench_main "$@"
)
ran() {
	sort "$scratch/ran" 2>/dev/null | tr '\n' ' '
	rm -f "$scratch/ran"
}

capture fake_bench one --json "$scratch/json"
is "$status" 0 "a table of our own"
like "$output" $'\ngood.both +4 +10 +2.5 ' "its values"
like "$output" $'\ngood.second +2.5 +- +- .*from the second' "the first program that printed a row counts"
like "$errors" "# a remark" "remarks of the programs are passed on"
json_lines "$scratch/json"
is "$?" 0 "quotes and backslashes are kept in JSON"
is "$(ran)" "good.linux good.run mute.linux mute.run " "only the programs of wanted rows are run"
capture fake_bench good.both
is "$(ran)" "good.run " "Linux's figures are remembered"
capture fake_bench good.both --fresh
is "$(ran)" "good.linux good.run " "--fresh measures them again"
echo changed >"$fake_root/build/bench/good"
capture fake_bench good.both
is "$(ran)" "good.linux good.run " "a program that has changed, too"
capture fake_bench bad.row good.both
is "$status" 125 "a program that fails makes the command fail"
like "$output" $'\ngood.both +4 +10' "what the others measured is in the table"
like "$errors" "out of memory.*bad on .* failed with status 3" "and why it failed is said"
ran >/dev/null
capture fake_bench bad.row
is "$(ran)" "bad.linux bad.run " "what failed is not remembered"
capture fake_bench mute.row
is "$status" 125 "a row that no program printed makes the command fail"
like "$errors" "mute\.row" "and is named"
ran >/dev/null
capture fake_bench later.row
is "$status" 0 "a row that nothing prints yet is none of those"
is "$(ran)" "" "nor is anything run for it"
find "$scratch" -name 'results.*' | grep -q .
is "$?" 1 "nothing is left behind"
for line in 'only a name' 'two.fields|ms' 'good.both|ms|good||twice' 'x.y|ms|nothing||no such program'; do
	cp "$fake_root/bench/rows" "$scratch/rows"
	echo "$line" >>"$fake_root/bench/rows"
	capture fake_bench
	is "$status" 125 "refused in the table: $line"
	mv "$scratch/rows" "$fake_root/bench/rows"
done

# Figures.
build=$root/build
# shellcheck source=tools/common.sh
. "$root/tools/common.sh"
# shellcheck source=tools/plots.sh
. "$root/tools/plots.sh"
(depend plots)
apart() ("$@") # what dies there does not end the test
capture bench --plots --list
is "$output" "$(plots_names)" "--plots --list names the figures"
for name in $(plots_names); do
	capture apart plots_check "$root/bench/figures/$name.gp"
	is "$status" 0 "the description of $name is well formed"
	like "$(cat "$root/docs/figures/$name.svg" 2>/dev/null)" "Drawn by ./exo bench --plots $name<" "and it is drawn, and says how"
done
capture bench --plots no_such_figure
is "$status" 125 "an unknown figure is refused"

description() { # LINE...: checks a description of these lines
	printf '%s\n' "$@" >"$scratch/figure.gp"
	capture apart plots_check "$scratch/figure.gp"
}
good=('# figure: shows it' '# data exos exos fork_size' 'plot exos using 1:2')
description "${good[@]}"
is "$status" 0 "a description is taken"
description "${good[@]:1}"
is "$status" 125 "not one that does not say what it shows"
description "${good[0]}" "${good[2]}"
is "$status" 125 "nor one without data"
description "${good[0]}" '# data exos minix fork_size' "${good[2]}"
is "$status" 125 "nor of another system"
description "${good[0]}" '# data exos exos no_such_program' "${good[2]}"
is "$status" 125 "nor of a program that is not there"
description "${good[@]:0:2}" 'plot 1'
is "$status" 125 "nor one that does not draw its data"

cat >"$scratch/sample.gp" <<'END'
# figure: A sample: shares of three & their ideal lines.
# data shares exos fork_size
set title "shares"
set xlabel "slices"
plot for [i = 2:4] shares using 1:i with points lt i - 1, for [i = 1:3] i * x / 6 with lines lt 7 notitle
END
cat >"$scratch/sample" <<'END'
# remarks are passed over
slices three two one
0 0 0 0
6 3 2 1
12 6 4 -
END
draw() { # DESCRIPTION DATA
	capture apart plots_draw "$scratch/$1.gp" "$scratch/$1.svg" "shares=$scratch/$2"
}
draw sample sample
is "$status" 0 "a figure is drawn from given data"
svg=$(cat "$scratch/sample.svg")
like "$svg" "<title>A sample: shares of three &amp; their" "with what it shows as its title"
like "$svg" "prefers-color-scheme: dark" "for dark screens, too"
lacking=''
while read -r _ _ light dark; do
	[[ $svg == *"[stroke=\"$light\"] { stroke: $dark }"* ]] || lacking+=" $light"
done < <(grep '^# dark ' "$root/bench/figures/style.gp")
is "$lacking" "" "in both colours each"
is "$(grep -c "<use .*color='#0969da'" <<<"$svg")" 4 "three points and the key's of the first"
is "$(grep -c "<use .*color='#1a7f37'" <<<"$svg")" 3 "of the third one is missing"
sed 's/lt i - 1/lc rgb "#123456"/' "$scratch/sample.gp" >"$scratch/other.gp"
draw other sample
is "$status" 125 "a colour that dark screens have none for is refused"
[ ! -e "$scratch/other.svg" ]
is "$?" 0 "and nothing is drawn"
for line in '18 9 6' '18 9 6 three' ''; do
	if [ -n "$line" ]; then
		cp "$scratch/sample" "$scratch/bad"
		echo "$line" >>"$scratch/bad"
	else
		head -n 3 "$scratch/sample" >"$scratch/bad"
	fi
	draw sample bad
	is "$status" 125 "data that cannot be drawn are refused: ${line:-one line}"
done
done_testing
