# ./exo debug: the machine of ./exo run, stopped, and gdb. Sourced by machine.sh.
# shellcheck shell=bash disable=SC2154

# The host's file that PROGRAM is, or nothing: for its symbols.
debug_program_file() {
	local name=$1
	[[ $name == */* ]] || name=$(command -v "$name")
	[ ! -f "$name" ] || echo "$name"
}

debug_script() {
	local file
	echo "set confirm off"
	echo "set pagination off"
	echo "file $build/aegis"
	echo "add-symbol-file $build/exos.elf"
	file=$(debug_program_file "$1")
	[ -z "$file" ] || echo "add-symbol-file $file"
	echo "source $root/tools/gdbinit"
	echo "target remote $2"
}

debug_main() {
	local socket script machine_pid
	machine_prepare "aegis exos.module pack link" "machine debug" "$@"
	make_image "$work/image" --prefix "$build/exos.module"
	machine_command "$build/aegis" "$work/image"
	socket=$work/gdb
	script=$build/debug.gdb
	emulator+=(-S -chardev "socket,path=$socket,server=on,wait=off,id=gdb" -gdb chardev:gdb)
	debug_script "${program[0]}" "$socket" >"$script"
	if [ -n "${TMUX-}" ] && command -v tmux >/dev/null; then
		tmux split-window -h "while ! [ -S '$socket' ]; do sleep 0.1; done; exec gdb -q -x '$script'"
		machine_go
	fi
	"$build/link" -- "${emulator[@]}" </dev/null >"$work/output" 2>&1 &
	machine_pid=$!
	while ! [ -S "$socket" ]; do
		kill -0 "$machine_pid" 2>/dev/null || die "the machine did not start: $(cat "$work/output")"
		sleep 0.1
	done
	gdb -q -x "$script"
	kill "$machine_pid" 2>/dev/null
	wait "$machine_pid"
	cat "$work/output"
	exit 0
}
