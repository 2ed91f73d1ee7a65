/* The process table: entries in order of pid, what they hold, the CPU time they used, and their alarms.
 *
 * Called by the other files of proc/; proc_find, proc_ticks and the alarms by everyone. An entry is one frame of the window,
 * so that it is at the same address in every environment. */
#include <exos/file/file.h>
#include <exos/frames.h>
#include <exos/heap.h>
#include <exos/proc/table.h>
#include <exos/proc/thread.h>
#include <exos/self.h>

_Static_assert(sizeof(struct proc) <= FRAME_SIZE, "an entry is one frame");

#define KEEPER_PID 1
#define UMASK_FIRST 022
#define STACK_LIMIT (8ul << 20)
#define FILES_SOFT 1024
#define FILES_HARD 4096

struct list proc_list = {&proc_list, &proc_list};
static struct proc keeper;
struct proc *proc_keeper = &keeper;
uint64_t proc_forks;
static int last_pid = KEEPER_PID;

static void entry_init(struct proc *p)
{
	list_init(&p->link);
	list_init(&p->children);
	list_init(&p->sibling);
	wait_queue_init(&p->child_news);
	wait_queue_init(&p->resumed);
	p->state = PROC_RUNNING;
	p->exit_signal = SIGCHLD;
	p->start_time = time_monotonic();
}

void proc_start(void)
{
	entry_init(&keeper);
	keeper.pid = keeper.tid = keeper.group = keeper.session = KEEPER_PID;
	keeper.env = self->env;
	memcpy(keeper.name, "keeper", 7);
	list_append(&proc_list, &keeper.link);
}

/* From the end, since the young are asked for most. */
struct proc *proc_find(int pid)
{
	for (struct list *l = proc_list.previous; l != &proc_list; l = l->previous) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->pid == pid)
			return p;
		if (p->pid < pid)
			break;
	}
	return NULL;
}

/* A number that names a group or session must not become a process's, which would find itself leader of strangers. */
static bool pid_taken(int pid)
{
	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->pid == pid || p->group == pid || p->session == pid)
			return true;
	}
	return thread_number_taken(pid);
}

/* The next after the last one given, which is above all in use until they wrap around. */
int table_number(void)
{
	static bool wrapped; /* domain lock */

	for (int tries = 0; tries < PROC_PID_MAX; tries++) {
		if (++last_pid >= PROC_PID_MAX) {
			last_pid = KEEPER_PID + 1;
			wrapped = true;
		}
		if (!wrapped || !pid_taken(last_pid))
			return last_pid;
	}
	return 0;
}

static void insert_by_pid(struct proc *p)
{
	struct list *l = proc_list.previous;

	while (l != &proc_list && CONTAINER_OF(l, struct proc, link)->pid > p->pid)
		l = l->previous;
	list_append(l->next, &p->link);
}

struct proc *table_add(struct proc *parent)
{
	frame_t f = frame_get_zeroed();
	struct proc *p;

	if (f == NO_FRAME)
		return NULL;
	p = frame_address(f);
	entry_init(p);
	p->pid = p->tid = table_number();
	if (!p->pid) {
		frame_put(f);
		return NULL;
	}
	p->parent = parent;
	p->parent_pid = parent->pid;
	list_append(&parent->children, &p->sibling);
	insert_by_pid(p);
	return p;
}

void table_set_parent(struct proc *p, struct proc *parent)
{
	list_remove(&p->sibling);
	p->parent = parent;
	p->parent_pid = parent->pid;
	list_append(&parent->children, &p->sibling);
}

char *table_string(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = heap_alloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

void table_first(struct proc *p)
{
	p->umask = UMASK_FIRST;
	p->signals.stack_flags = STACK_DISABLED;
	for (uint32_t n = 0; n < LIMIT_COUNT; n++)
		p->limits[n][0] = p->limits[n][1] = LIMIT_NONE;
	p->limits[LIMIT_STACK][0] = STACK_LIMIT;
	p->limits[LIMIT_CORE][0] = 0;
	p->limits[LIMIT_FILES][0] = FILES_SOFT;
	p->limits[LIMIT_FILES][1] = FILES_HARD;
}

int table_inherit(struct proc *child, const struct proc *parent)
{
	child->group = parent->group;
	child->session = parent->session;
	child->tty = parent->tty;
	child->umask = parent->umask;
	child->personality = parent->personality;
	child->no_new_rights = parent->no_new_rights;
	child->barriers = parent->barriers;
	child->slices.mask = parent->slices.mask;
	child->uid = parent->uid;
	child->euid = parent->euid;
	child->suid = parent->suid;
	child->gid = parent->gid;
	child->egid = parent->egid;
	child->sgid = parent->sgid;
	memcpy(child->limits, parent->limits, sizeof(child->limits));
	memcpy(child->name, parent->name, sizeof(child->name));
	signal_inherit(&child->signals, &parent->signals);
	inode_ref(child->cwd = parent->cwd);
	inode_ref(child->root = parent->root);
	if (parent->arguments) {
		frame_ref(address_frame(parent->arguments));
		child->arguments = parent->arguments;
		child->arguments_length = parent->arguments_length;
	}
	child->cwd_path = parent->cwd_path ? table_string(parent->cwd_path) : NULL;
	child->executable = parent->executable ? table_string(parent->executable) : NULL;
	child->files = file_table_copy(parent->files);
	return child->files ? 0 : -ENOMEM;
}

void table_release(struct proc *p)
{
	struct file_table *files = p->files;
	struct inode *cwd = p->cwd, *root = p->root;

	p->files = NULL;
	p->cwd = p->root = NULL;
	if (files)
		file_table_put(files);
	if (cwd)
		inode_put(cwd);
	if (root)
		inode_put(root);
	heap_free(p->cwd_path);
	heap_free(p->executable);
	p->cwd_path = p->executable = NULL;
	if (p->arguments)
		frame_put(address_frame(p->arguments));
	p->arguments = NULL;
	p->arguments_length = 0;
	signal_drop_all(&p->signals);
}

void table_remove(struct proc *p)
{
	table_release(p);
	list_remove(&p->sibling);
	list_remove(&p->link);
	frame_put(address_frame(p));
}

uint64_t proc_ticks(const struct proc *p) { return (uint64_t)p->ticks_used + (p->ticks_used < 0 ? ticks_now() : 0); }


void proc_set_alarm(struct proc *p, uint64_t at, uint64_t interval)
{
	uint64_t next = proc_next_alarm();

	p->alarm_at = at;
	p->alarm_interval = interval;
	if (at && (!next || at < next))
		wake_proc(proc_keeper);
}

uint64_t proc_next_alarm(void)
{
	uint64_t next = 0;

	LIST_FOR_EACH(l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->alarm_at && (!next || p->alarm_at < next))
			next = p->alarm_at;
	}
	return next;
}

void proc_check_alarms(void)
{
	uint64_t now = ticks_now();

	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (!p->alarm_at || p->alarm_at > now)
			continue;
		/* Periods missed altogether are not made up for, as signals do not queue. */
		if (p->alarm_interval)
			p->alarm_at += ((now - p->alarm_at) / p->alarm_interval + 1) * p->alarm_interval;
		else
			p->alarm_at = 0;
		signal_send(p, SIGALRM, NULL);
	}
}
