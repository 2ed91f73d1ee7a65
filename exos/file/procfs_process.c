/* /proc/PID: what is told of one process, from the process table and its address space. Called by procfs.c, through the
 * table at the end. */
#include <exos/file/procfs.h>
#include <exos/proc/thread.h>
#include <exos/start.h>
#include <exos/tty/tty.h>
#include <exos/vm/vm.h>

#define KIB_PER_PAGE (FRAME_SIZE / 1024)

int procfs_next_process(struct proc *unused, int from)
{
	int lowest = -1;

	(void)unused;
	LIST_FOR_EACH (l, &proc_list) {
		int pid = CONTAINER_OF(l, struct proc, link)->pid;

		if (pid >= from && (lowest < 0 || pid < lowest))
			lowest = pid;
	}
	return lowest;
}

static const char *state_name(const struct proc *p)
{
	switch (p->state) {
	case PROC_STOPPED:
		return "T (stopped)";
	case PROC_ZOMBIE:
		return "Z (zombie)";
	default:
		return p->sleeping || p == proc_keeper ? "S (sleeping)" : "R (running)";
	}
}

static int parent_pid(const struct proc *p) { return p->parent ? p->parent->pid : 0; }
static uint64_t mapped(const struct proc *p) { return p->vm ? vm_mapped(p->vm) : 0; }
static uint64_t resident(const struct proc *p) { return p->vm ? p->vm->resident : 0; }

/* Signals with a handler, or ignored. */
static signal_set signals_handled(const struct proc *p, bool ignored)
{
	signal_set set = 0;

	for (int n = 1; n < SIGNAL_COUNT; n++) {
		uint64_t handler = p->signals.actions[n].handler;

		if (ignored ? handler == SIGNAL_IGNORE : handler > SIGNAL_IGNORE)
			set |= signal_bit(n);
	}
	return set;
}

static void write_stat(struct text *t, struct proc *p)
{
	text_print(t, "%d (%s) %c %d %d %d %lu %d 0 ", p->pid, p->name, state_name(p)[0], parent_pid(p), p->group,
		p->session, p->tty ? tty_device_number(p->tty) : 0ul, p->tty ? tty_foreground(p->tty) : -1);
	/* Faults are not counted; all time used is told as time in user mode, where programs and their library both
	 * run. */
	text_print(t, "0 0 0 0 %lu 0 %lu 0 20 0 %u 0 %lu ", procfs_user_time(proc_ticks(p)),
		procfs_user_time(p->children_ticks), thread_count(p), p->start_time / (1000000000 / USER_HZ));
	text_print(t, "%lu %lu %lu 0 0 0 0 0 %lu %lu %lu %lu ", mapped(p), resident(p), UINT64_MAX, p->signals.shared.set,
		p->signals.mask, signals_handled(p, true), signals_handled(p, false));
	text_print(t, "0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 %d\n", p->exit_status);
}

static void write_status(struct text *t, struct proc *p)
{
	text_print(t, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		p->name, p->umask, state_name(p), p->pid, p->pid, parent_pid(p));
	text_print(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", p->uid, p->euid, p->suid, p->euid, p->gid,
		p->egid, p->sgid, p->egid);
	if (p->files)
		text_print(t, "FDSize:\t%u\n", p->files->room);
	if (p->vm)
		text_print(t, "VmSize:\t%8lu kB\nVmRSS:\t%8lu kB\n", mapped(p) / 1024, resident(p) * KIB_PER_PAGE);
	text_print(t,
		"Threads:\t%u\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		thread_count(p), 0ul, p->signals.shared.set, p->signals.mask, signals_handled(p, true), signals_handled(p, false));
}

static void write_statm(struct text *t, struct proc *p)
{
	text_print(t, "%lu %lu 0 0 0 0 0\n", mapped(p) / FRAME_SIZE, resident(p));
}

static void write_comm(struct text *t, struct proc *p) { text_print(t, "%s\n", p->name); }

static void write_cmdline(struct text *t, struct proc *p)
{
	if (p->arguments)
		text_add(t, p->arguments, p->arguments_length);
}

static void write_limit(struct text *t, uint64_t limit)
{
	if (limit == LIMIT_NONE)
		text_print(t, "unlimited            ");
	else
		text_print(t, "%-20lu ", limit);
}

static void write_limits(struct text *t, struct proc *p)
{
	static const struct {
		const char *name, *unit;
	} limits[LIMIT_COUNT] = {{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"}, {"Max stack size", "bytes"},
		{"Max core file size", "bytes"}, {"Max resident set", "bytes"}, {"Max processes", "processes"}, {"Max open files", "files"},
		{"Max locked memory", "bytes"}, {"Max address space", "bytes"}, {"Max file locks", "locks"}, {"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"}, {"Max nice priority", ""}, {"Max realtime priority", ""}, {"Max realtime timeout", "us"}};

	text_print(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (uint32_t n = 0; n < LIMIT_COUNT; n++) {
		text_print(t, "%-25s ", limits[n].name);
		write_limit(t, p->limits[n][0]);
		write_limit(t, p->limits[n][1]);
		text_print(t, "%-10s\n", limits[n].unit);
	}
}

static ssize copy_string(const char *from, char *to, size_t size)
{
	size_t n;

	if (!from)
		return -ENOENT;
	n = MIN(strlen(from), size);
	memcpy(to, from, n);
	return (ssize)n;
}

static ssize exe_readlink(struct proc *p, int number, char *to, size_t size)
{
	(void)number;
	return copy_string(p->executable, to, size);
}

static int exe_follow(struct proc *p, int number, struct inode **out)
{
	(void)number;
	return p->executable ? path_inode(root_inode, p->executable, 0, out) : -ENOENT;
}

static ssize place_readlink(struct inode *place, struct proc *p, char *to, size_t size)
{
	return place ? inode_path(place, p->root, to, size) : -ENOENT;
}

static int place_follow(struct inode *place, struct inode **out)
{
	if (!place)
		return -ENOENT;
	inode_ref(place);
	*out = place;
	return 0;
}

static ssize cwd_readlink(struct proc *p, int number, char *to, size_t size)
{
	(void)number;
	return place_readlink(p->cwd, p, to, size);
}

static int cwd_follow(struct proc *p, int number, struct inode **out)
{
	(void)number;
	return place_follow(p->cwd, out);
}

static ssize root_readlink(struct proc *p, int number, char *to, size_t size)
{
	(void)number;
	return p->root ? inode_path(p->root, root_inode, to, size) : -ENOENT;
}

static int root_follow(struct proc *p, int number, struct inode **out)
{
	(void)number;
	return place_follow(p->root, out);
}

/* Of a thread only that it is there, and what the whole process tells. */
static const struct procfs_entry thread_entries[] = {
	{.name = "comm", .mode = TYPE_FILE | 0444, .write = write_comm},
	{.name = "stat", .mode = TYPE_FILE | 0444, .write = write_stat},
	{.name = "status", .mode = TYPE_FILE | 0444, .write = write_status},
	{.name = NULL},
};
static const struct procfs_entry process_thread = {.mode = TYPE_DIR | 0555, .entries = thread_entries};

static const struct procfs_entry process_entries[] = {
	{.name = "cmdline", .mode = TYPE_FILE | 0444, .write = write_cmdline},
	{.name = "comm", .mode = TYPE_FILE | 0444, .write = write_comm},
	{.name = "cwd", .mode = TYPE_LINK | 0777, .readlink = cwd_readlink, .follow = cwd_follow},
	{.name = "exe", .mode = TYPE_LINK | 0777, .readlink = exe_readlink, .follow = exe_follow},
	{.name = "fd", .mode = TYPE_DIR | 0500, .numbered = &procfs_fd_link, .next = procfs_next_fd},
	{.name = "limits", .mode = TYPE_FILE | 0444, .write = write_limits},
	{.name = "maps", .mode = TYPE_FILE | 0444, .write = procfs_write_maps},
	{.name = "mountinfo", .mode = TYPE_FILE | 0444, .write = procfs_write_mountinfo},
	{.name = "mounts", .mode = TYPE_FILE | 0444, .write = procfs_write_mounts},
	{.name = "root", .mode = TYPE_LINK | 0777, .readlink = root_readlink, .follow = root_follow},
	{.name = "smaps", .mode = TYPE_FILE | 0444, .write = procfs_write_smaps},
	{.name = "smaps_rollup", .mode = TYPE_FILE | 0444, .write = procfs_write_smaps_rollup},
	{.name = "stat", .mode = TYPE_FILE | 0444, .write = write_stat},
	{.name = "statm", .mode = TYPE_FILE | 0444, .write = write_statm},
	{.name = "status", .mode = TYPE_FILE | 0444, .write = write_status},
	{.name = "task", .mode = TYPE_DIR | 0555, .numbered = &process_thread, .next = thread_next},
	{.name = NULL},
};

const struct procfs_entry procfs_process = {.mode = TYPE_DIR | 0555, .entries = process_entries};
