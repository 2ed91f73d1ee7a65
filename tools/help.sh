# ./exo help [COMMAND]. Sourced.
# shellcheck shell=bash

help_main() {
	case ${1-} in
	run | linux | debug | test | bench | image) "help_$1" ;;
	*) help_commands ;;
	esac
}

help_commands() {
	cat <<'END'
Aegis is an exokernel, ExOS its library operating system: unmodified Linux programs run on them in a virtual machine.

usage: ./exo COMMAND ...

  run [OPTIONS] [--] [PROGRAM [ARGS...]]     boot Aegis and run PROGRAM (or a shell) on ExOS
  linux [OPTIONS] [--] [PROGRAM [ARGS...]]   the same on Debian's Linux kernel: the baseline
  debug [OPTIONS] [--] [PROGRAM [ARGS...]]   as run, stopped under gdb
  test [NAME...]                             run all tests, or those named
  bench [NAME...] [--json FILE]              measure ExOS and Linux side by side; with --plots, draw the figures
  image FORMAT FILE [OPTIONS]                a root file system on a disk, or an image that boots elsewhere
  help [COMMAND]                             more about a command

Try ./exo run, and type `ls`, `ps`, `exit 3`. Missing Debian packages are installed at first use.
END
}

help_run() {
	cat <<'END'
usage: ./exo run [OPTIONS] [--] [PROGRAM [ARGS...]]

Boots Aegis in a virtual machine and runs PROGRAM, an unmodified Linux executable, on ExOS. Without PROGRAM: an interactive shell.

PROGRAM with a slash is a path of this host if it exists here (it is copied to the same path in the machine, with the interpreter and
libraries that it needs), else a path in the machine. A bare name is looked up in the machine's PATH, then in this host's.

  --file HOST[:GUEST]   put a file or folder of this host into the machine's root; without GUEST at the same path (one that
                        is not absolute counts from the root, where PROGRAM starts)
  --root DIR            use this folder as the root instead of BusyBox's
  --root IMAGE[,readonly]   a root on a disk: the file system (ext2, ext3) of this image, or of its first partition with one, is / from the start, and
                        what is written stays. It is /dev/vda; --disk's follow. /dev, /proc and an empty /tmp lie over it. Files of --file, and a
                        PROGRAM of this host, are written into it; but of what is in its own PATH the image's own programs are run if it has
                        them, and no library of it is replaced
  --env K=V             an environment variable of PROGRAM
  --mem SIZE            memory of the machine (512M)
  --smp N               CPUs of the machine, 1 to 64 (1)
  --timeout SECONDS     end the machine after that long
  --icount              one guest instruction is one nanosecond: every run takes exactly the same (no KVM)
  --machine NAME        microvm (starts fastest) or q35 (a whole PC)
  --kvm, --tcg          how instructions run; else KVM where it is found to work
  --arbiter POLICY      let the arbiter start ExOS, beside the tenants of this policy, and move memory between them as it says: a file,
                        or a name of apps/arbiter/policies (even, reserve); README.md there tells what a policy may say
  --count FILE          keep in FILE (8 bytes, in this host's order) how many instructions the machine has executed; no KVM
  --profile FILE        keep in FILE where they were executed (tools/count tells how it is read); no KVM
  --cpu MODEL           what the emulated CPU offers, as the emulator's -cpu has it (max), for measurements: no KVM
  --cachesim FILE       write to FILE what a model of data caches (tools/cachesim) counts in the phases that PROGRAM marks; one CPU, no KVM
  --net hub             two network interfaces joined to each other, for tests of the kernel
  --module FILE         boot this environment instead of ExOS, for tests of the kernel; no PROGRAM
  --keep                keep the image and print the emulator's command
  --publish HOSTPORT:PORT   connections to this port of the host (127.0.0.1) go to PORT of the machine; udp:HOSTPORT:PORT: datagrams. May be repeated
  --net WHAT            what the network interface is joined to: user (the emulator's own network, through which the host's can be reached), or
                        dgram:PORT:PORT[:MACHINE] (for tests: each frame is a datagram from the first UDP port of 127.0.0.1 to the second, and
                        back; MACHINE tells several on one wire apart), or
                        hub (two interfaces, joined to each other: for tests of the kernel)
  --no-net              no network interface. There is one by default, but with --icount only if --publish or --net is given: time leaps
                        ahead there when the machine has nothing to do, and whoever waits for an answer gives up at once
  --disk IMAGE[,readonly]   a disk: an image, raw or qcow2 (what is in it tells). May be repeated: /dev/vda, /dev/vdb in this order. What the machine
                        flushes is on this host's disk. mke2fs -t ext3 IMAGE 64M makes an image
  --blockdev JSON       a disk as the emulator's -blockdev has it (without node-name), for tests: errors, or a log of what is written, as in
                        {"driver":"raw","file":{"driver":"blkdebug","inject-error":[{"event":"write_aio","errno":28}],
                                                "image":{"driver":"file","filename":"IMAGE"}}}
                        {"driver":"blklogwrites","file":{"driver":"file","filename":"IMAGE"},"log":{"driver":"file","filename":"LOG"}}

Standard input, output and error are PROGRAM's. Messages of kernel and library go to standard error, each with a prefix.
Exit status: PROGRAM's, 128+N if signal N ended it; 127 not found, 126 not executable, 124 --timeout, 125 the machine failed.
END
}

help_linux() {
	cat <<'END'
usage: ./exo linux [OPTIONS] [--] [PROGRAM [ARGS...]]

Runs PROGRAM on Debian's Linux kernel with the same root, program, emulator and options as `./exo run` (see ./exo help run), for
comparison. The kernel is the newest /boot/vmlinuz-*-amd64.
END
}

help_debug() {
	cat <<'END'
usage: ./exo debug [OPTIONS] [--] [PROGRAM [ARGS...]]

As `./exo run` (see ./exo help run), with the machine stopped before its first instruction and gdb at this terminal, which knows the symbols
of Aegis, ExOS and PROGRAM. Inside tmux the machine has this pane and gdb another; elsewhere PROGRAM gets no input and its
output is shown at the end. Commands of our own: `help user-defined` in gdb.
END
}

help_test() {
	cat <<'END'
usage: ./exo test [--list] [NAME...]

Runs all tests, or those whose name begins with NAME: host, host/vm, kernel, exos/signals, linux/shell, ... The last line is
`N passed, N failed`; the exit status is 1 if any failed. What each test said is left in build/test/.

With EXO_ON=linux in the environment, the tests of ExOS (exos/, linux/) run on the baseline, to show that the tests are right.
END
}

help_bench() {
	cat <<'END'
usage: ./exo bench [--fresh] [--list] [NAME...] [--json FILE]
       ./exo bench --plots [--fresh] [--list] [FIGURE...]

Measures rows on ExOS and on Linux in the same emulator, where the time-stamp counter counts guest instructions, and prints them side by
side: row, ExOS, Linux, ratio, the paper's figure, a note. NAME: the rows whose name begins so (exc, pipe, boot ...), or those of a group:
paper (all that the paper's tables have, in its order), kernel, system, wall. Without NAME: all of them. bench/rows is the table.

  --json FILE   write them as a list of {"row", "unit", "exos", "linux", "paper", "note"} as well
  --fresh       measure Linux again, too (its figures never change, so they are kept in build/)
  --list        name the rows, and measure nothing

With --plots: measures what the figures show, all or those named, and draws them into docs/figures/*.svg, for light and dark screens.
bench/README.md tells how to add one. The data are left in build/figures/.

Exit status: 125 if a program failed, or printed no value for a row that is its own; the table then has what the others measured.
END
}

help_image() {
	cat <<'END'
usage: ./exo image disk FILE [--root DIR] [--size SIZE] [--file HOST[:GUEST]]...
       ./exo image iso|qcow2|elf FILE [OPTIONS] [--] [PROGRAM [ARGS...]]

disk: a root file system (ext3) for ./exo run --root FILE: what is in DIR, or BusyBox with its links. A folder that has no BusyBox, /bin/sh,
/etc/passwd, group, hosts or resolv.conf gets them. Files that belong to whoever makes the image belong to root in it. SIZE (such as 2G): of the
whole disk; without it there is a quarter more than the files take, and 64 MiB. FILE must not be there yet. Where the memory that a
machine has is not enough for a --root DIR, this is the way.

The others are kernel, library, root file system and PROGRAM (a shell without it) in one file that boots on a PC or another emulator. The first
serial line (COM1) is the terminal; when PROGRAM ends, the machine is switched off. Options as for ./exo run (--file, --root DIR, --env);
those of the emulator (--mem, --smp, --net ...) mean nothing here.
  iso     a CD, or USB stick, that a PC's BIOS boots: qemu-system-x86_64 -M q35 -m 512 -nodefaults -display none -serial stdio -cdrom FILE
  qcow2   the same as a disk of the emulator: -drive file=FILE,if=virtio in place of -cdrom FILE
  elf     for loaders that start a kernel by PVH or Multiboot2: -kernel FILE
On a CPU without RDRAND or with few features, such as QEMU's default model, add -cpu max.
END
}
