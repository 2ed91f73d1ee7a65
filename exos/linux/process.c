/* Making, replacing, ending and awaiting processes, and what is told and kept of them. Called from the table of calls. */
#include <exos/linux/files.h>
#include <exos/linux/timeval.h>
#include <exos/proc/thread.h>
#include <exos/proc/strings.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/x86_64/entry.h>

int64_t linux_fork(struct regs *r) { return proc_fork(r, &(struct fork_options){.exit_signal = SIGCHLD}); }

int64_t linux_vfork(struct regs *r)
{
	return proc_fork(r, &(struct fork_options){.vfork = true, .exit_signal = SIGCHLD});
}

#define STRING_MAX (128u << 10) /* bytes of one string, with its end */

static int string_in(struct exec_strings *strings, const char *program)
{
	uint32_t start = strings->length;

	while (strings->length - start < STRING_MAX) {
		int error;
		size_t room;
		char *to = exec_strings_room(strings, &room, &error);
		ssize length = to ? copy_in_string(to, program, room) : error;

		if (length >= 0) {
			exec_strings_used(strings, (size_t)length + 1);
			return strings->length - start <= STRING_MAX ? 0 : -E2BIG;
		}
		if (!to || length != -ENAMETOOLONG)
			return (int)length;
		exec_strings_used(strings, room); /* which is full: on to the next */
		program += room;
	}
	return -E2BIG;
}

/* A list of pointers with a null at its end; a null in place of the list is as good as an empty one. */
static int strings_in(struct exec_strings *strings, uint64_t list, uint32_t *count)
{
	if (!list)
		return 0;
	for (;; list += sizeof(uint64_t), (*count)++) {
		uint64_t string;
		int error;

		if (copy_in(&string, ADDRESS(const void, list), sizeof(string)))
			return -EFAULT;
		if (!string)
			return 0;
		error = string_in(strings, ADDRESS(const char, string));
		if (error)
			return error;
	}
}

int64_t linux_execve(struct regs *r)
{
	struct exec_strings strings = {0};
	char *path;
	int result = linux_path_in(A0(r), &path);

	if (result)
		return result;
	result = strings_in(&strings, A1(r), &strings.argc);
	/* Programs count on a name, those with others' rights too, and read past the end without: so Linux adds one. */
	if (!result && !strings.argc) {
		result = exec_strings_add(&strings, "");
		strings.argc = 1;
	}
	if (!result)
		result = strings_in(&strings, A2(r), &strings.envc);
	if (!result)
		result = proc_exec(r, path, &strings);
	exec_strings_free(&strings);
	linux_path_done(path);
	return result;
}

int64_t linux_exit_group(struct regs *r) { proc_exit((int)(A0(r) & 0xff) << 8); }

struct linux_rusage {
	struct linux_timeval user, system;
	int64_t others[14]; /* sizes and counts that nobody keeps: 0, as in Linux's own unused ones */
};

/* The library's work is the program's own: none of it is a system's. */
static int rusage_out(uint64_t program, uint64_t ticks)
{
	struct linux_rusage usage = {.user = linux_timeval(time_of_ticks(ticks))};

	return copy_out(ADDRESS(void, program), &usage, sizeof(usage));
}

int64_t linux_getrusage(struct regs *r)
{
	enum { RUSAGE_CHILDREN = -1, RUSAGE_SELF, RUSAGE_THREAD };

	switch ((int)A0(r)) {
	case RUSAGE_SELF:
		return rusage_out(A1(r), proc_ticks(self->proc));
	case RUSAGE_THREAD:
		return rusage_out(A1(r), thread_ticks(self->proc, self->thread));
	case RUSAGE_CHILDREN:
		return rusage_out(A1(r), self->proc->children_ticks);
	default:
		return -EINVAL;
	}
}

#define NS_PER_CLOCK 10000000ul

int64_t linux_times(struct regs *r)
{
	uint64_t program = time_of_ticks(proc_ticks(self->proc)) / NS_PER_CLOCK;
	uint64_t children = time_of_ticks(self->proc->children_ticks) / NS_PER_CLOCK;
	uint64_t times[4] = {program, 0, children, 0}; /* user and system, each */

	if (A0(r) && copy_out(ADDRESS(void, A0(r)), times, sizeof(times)))
		return -EFAULT;
	return (int64_t)(time_monotonic() / NS_PER_CLOCK);
}

/* Whose children and which: of this thread (there is no other), all, or those whose end another signal tells. */
#define WNOTHREAD 0x20000000u
#define WALL      0x40000000u
#define WCLONE    0x80000000u
#define WAIT_WHO  (WNOTHREAD | WALL | WCLONE)
#define WAIT_WHAT ((uint32_t)(WAIT_STOPPED | WAIT_EXITED | WAIT_CONTINUED))

/* In proc_wait's terms: the rest has the same values there. */
static uint32_t wait_options(uint32_t flags)
{
	return (flags & ~WAIT_WHO) | (flags & WCLONE ? WAIT_OTHERS : 0) | (flags & WALL ? WAIT_ALL : 0);
}

int64_t linux_wait4(struct regs *r)
{
	int which = (int)A0(r), result;
	uint32_t flags = (uint32_t)A2(r);
	struct wait_result child;

	if (flags & ~(WAIT_NOHANG | WAIT_STOPPED | WAIT_CONTINUED | WAIT_WHO))
		return -EINVAL;
	if (which == INT32_MIN)
		return -ESRCH;
	result = proc_wait(which, wait_options(flags) | WAIT_EXITED, &child);
	if (result <= 0)
		return result;
	if (A1(r) && copy_out(ADDRESS(void, A1(r)), &child.status, sizeof(child.status)))
		return -EFAULT;
	if (A3(r) && rusage_out(A3(r), child.ticks))
		return -EFAULT;
	return child.pid;
}

enum { STATUS_STOPPED = 0x7f, STATUS_CORE = 0x80, STATUS_CONTINUED = 0xffff };

/* What wait's encoding of a status says, as SIGCHLD would have told it. */
static struct signal_info child_info(const struct wait_result *child)
{
	struct signal_info info = {.number = SIGCHLD, .pid = child->pid, .uid = child->uid};
	int low = child->status & 0x7f, high = child->status >> 8 & 0xff;

	if (child->status == STATUS_CONTINUED) {
		info.code = CHILD_CONTINUED;
		info.status = SIGCONT;
	} else if (low == STATUS_STOPPED) {
		info.code = CHILD_STOPPED;
		info.status = high;
	} else if (low) {
		info.code = child->status & STATUS_CORE ? CHILD_DUMPED : CHILD_KILLED;
		info.status = low;
	} else {
		info.code = CHILD_EXITED;
		info.status = high;
	}
	return info;
}

/* Whom waitid means, in proc_wait's terms. */
static int waitid_which(uint64_t type, int id, int *which)
{
	enum { P_ALL, P_PID, P_PGID, P_PIDFD };

	switch ((uint32_t)type) {
	case P_ALL:
		*which = -1;
		return 0;
	case P_PID:
		*which = id;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		*which = -id;
		if (id < 0)
			return -EINVAL;
		/* The keeper's group would be taken for any child, and has none that a program could wait for. */
		return id == proc_keeper->group ? -ECHILD : 0;
	case P_PIDFD:
		return id < 0 ? -EINVAL : -EBADF; /* no descriptor is one */
	default:
		return -EINVAL;
	}
}

int64_t linux_waitid(struct regs *r)
{
	uint8_t packed[SIGNAL_INFO_SIZE] = {0};
	uint32_t flags = (uint32_t)A3(r);
	struct wait_result child;
	struct signal_info info;
	int which, result;

	if (flags & ~(WAIT_NOHANG | WAIT_NOREAP | WAIT_WHAT | WAIT_WHO) || !(flags & WAIT_WHAT))
		return -EINVAL;
	result = waitid_which(A0(r), (int)A1(r), &which);
	if (!result)
		result = proc_wait(which, wait_options(flags), &child);
	if (result < 0)
		return result;
	if (result) {
		info = child_info(&child);
		signal_info_pack(packed, &info);
	}
	if (result && A4(r) && rusage_out(A4(r), child.ticks))
		return -EFAULT;
	return A2(r) ? copy_out(ADDRESS(void, A2(r)), packed, sizeof(packed)) : 0;
}

/* The first thread's is the process's. */
static char *own_name(void) { return self->proc->tid == self->proc->pid ? self->proc->name : self->thread->name; }

static int64_t name_get(uint64_t program)
{
	const char *name = own_name();

	return copy_out(ADDRESS(void, program), *name ? name : self->proc->name, sizeof(self->proc->name));
}

static int64_t name_set(uint64_t program)
{
	char *to = own_name(), name[sizeof(self->proc->name)] = {0};
	ssize length = copy_in_string(name, ADDRESS(const char, program), sizeof(name));

	if (length < 0 && length != -ENAMETOOLONG)
		return length;
	if (length < 0)
		length = sizeof(name) - 1; /* the rest is cut off */
	memset(to, 0, sizeof(name));
	memcpy(to, name, (size_t)length);
	return 0;
}

int64_t linux_prctl(struct regs *r)
{
	enum { SET_DEATH_SIGNAL = 1, GET_DEATH_SIGNAL, GET_DUMPABLE, SET_DUMPABLE, SET_NAME = 15, GET_NAME = 16, GET_SECCOMP = 21,
		SET_NO_NEW_RIGHTS = 38, GET_NO_NEW_RIGHTS, SET_NO_HUGE_PAGES = 41, GET_NO_HUGE_PAGES };
	struct proc *p = self->proc;

	switch ((int)A0(r)) {
	case SET_DEATH_SIGNAL:
		if (A1(r) >= SIGNAL_COUNT)
			return -EINVAL;
		p->death_signal = (int)A1(r);
		return 0;
	case GET_DEATH_SIGNAL:
		return copy_out(ADDRESS(void, A1(r)), &p->death_signal, sizeof(p->death_signal));
	case GET_DUMPABLE:
		return 1;
	case SET_DUMPABLE: /* hiding from others of the same user is more than can be promised */
		return A1(r) == 1 ? 0 : -EINVAL;
	case SET_NAME:
		return name_set(A1(r));
	case GET_NAME:
		return name_get(A1(r));
	case GET_SECCOMP:
		return 0;
	case SET_NO_NEW_RIGHTS:
		if (A1(r) != 1 || A2(r) || A3(r) || A4(r))
			return -EINVAL;
		p->no_new_rights = true;
		return 0;
	case GET_NO_NEW_RIGHTS:
		return A1(r) || A2(r) || A3(r) || A4(r) ? -EINVAL : p->no_new_rights;
	case SET_NO_HUGE_PAGES: /* there never are any */
		return A1(r) == 1 ? 0 : -EINVAL;
	case GET_NO_HUGE_PAGES:
		return 1;
	default:
		return -EINVAL;
	}
}

int64_t linux_arch_prctl(struct regs *r)
{
	enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };
	uint64_t base = A1(r);

	switch ((int)A0(r)) {
	case SET_FS:
	case SET_GS:
		if (base >= PROGRAM_TOP)
			return -EPERM;
		if ((int)A0(r) == SET_FS)
			exos_set_fs_base(base);
		else
			exos_set_gs_base(base);
		return 0;
	case GET_FS:
	case GET_GS:
		base = (int)A0(r) == GET_FS ? exos_fs_base() : exos_gs_base();
		return copy_out(ADDRESS(void, A1(r)), &base, sizeof(base));
	default:
		return -EINVAL;
	}
}

/* There is one, number 0, and of its variations that without chance in the addresses of programs. */
int64_t linux_personality(struct regs *r)
{
	uint32_t wanted = (uint32_t)A0(r), old = self->proc->personality;

	if (wanted == UINT32_MAX)
		return old;
	if (wanted & ~PERSONALITY_FIXED_ADDRESSES)
		return -EINVAL;
	self->proc->personality = wanted;
	return old;
}

int64_t linux_umask(struct regs *r)
{
	uint32_t old = self->proc->umask;

	self->proc->umask = A0(r) & 0777;
	return old;
}
