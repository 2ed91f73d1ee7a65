/* See stubs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <exos/disk/disk.h>
#include <exos/volume/volume.h>
#include <exos/file/procfs.h>
#include <exos/heap.h>
#include <exos/linux/linux.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/tty/tty.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>

#include "stubs.h"

#define FRAMES 65536u

unsigned char *stub_window, stub_self[FRAME_SIZE] __attribute__((aligned(FRAME_SIZE)));
unsigned int *stub_references;
static frame_t free_frames[FRAMES], free_count;
uint32_t stub_frames_used, stub_heap_used, stub_wakes;
uint64_t stub_allocations, stub_fail_after = UINT64_MAX;
int stub_last_signal;
int (*stub_turn)(void);
int (*stub_sleep)(void);
uint64_t stub_fault_from, stub_fault_to;
struct proc stub_proc;
static struct proc keeper;
static struct aegis_info info = {.tsc_hz = 1000000000, .cpus = 1, .boot_seconds = 1700000000};

const struct aegis_info *machine_info = &info;
struct list proc_list;
const struct procfs_entry procfs_net_entries[] = { { .name = NULL } };
struct proc *proc_keeper = &keeper;
uint64_t proc_forks = 3;
int first_process = 2;

static bool may_allocate(void)
{
	stub_allocations++;
	if (stub_fail_after == UINT64_MAX)
		return true;
	return stub_fail_after && stub_fail_after--;
}

frame_t frame_get(void)
{
	frame_t f;

	if (!free_count || !may_allocate())
		return NO_FRAME;
	f = free_frames[--free_count];
	memset(frame_address(f), 0xa5, FRAME_SIZE);
	stub_references[f] = 1;
	stub_frames_used++;
	return f;
}

frame_t frame_get_zeroed(void)
{
	frame_t f = frame_get();

	if (f != NO_FRAME)
		memset(frame_address(f), 0, FRAME_SIZE);
	return f;
}

void frame_put(frame_t f)
{
	if (f == NO_FRAME || f >= FRAMES || !stub_references[f])
		panic("frame %u put without a reference", f);
	if (--stub_references[f])
		return;
	free_frames[free_count++] = f;
	stub_frames_used--;
}

void frame_copy(void *to, const void *from) { memcpy(to, from, FRAME_SIZE); }
struct frame_counts frame_counts(void) { return (struct frame_counts){FRAMES, free_count, 0}; }

void *heap_alloc(size_t n)
{
	if (n > HEAP_MAX)
		panic("heap_alloc(%zu)", n);
	if (!may_allocate())
		return NULL;
	stub_heap_used++;
	return calloc(1, n ? n : 1);
}

void heap_free(void *p)
{
	stub_heap_used -= p != NULL;
	free(p);
}

static bool faults(const void *program, size_t n)
{
	uint64_t start = (uintptr_t)program, end = start + n;

	return n && (start < FRAME_SIZE || end < start || (start < stub_fault_to && end > stub_fault_from));
}

int copy_in(void *to, const void *program, size_t n)
{
	if (faults(program, n))
		return -EFAULT;
	memcpy(to, program, n);
	return 0;
}

int copy_out(void *program, const void *from, size_t n)
{
	if (faults(program, n))
		return -EFAULT;
	memcpy(program, from, n);
	return 0;
}

int clear_out(void *program, size_t n)
{
	if (faults(program, n))
		return -EFAULT;
	memset(program, 0, n);
	return 0;
}

ssize copy_in_string(char *to, const char *program, size_t size)
{
	size_t n;

	if (faults(program, 1))
		return -EFAULT;
	n = strnlen(program, size);
	if (n == size)
		return -ENAMETOOLONG;
	memcpy(to, program, n + 1);
	return (ssize)n;
}

void wait_add(struct wait_queue *q, struct waiter *w)
{
	w->woken = false;
	list_append(&q->waiters, &w->link);
}

void wait_add_watch(struct wait_queue *q, struct wait_watch *w) { wait_add(q, &w->waiter); }

void wait_remove(struct waiter *w)
{
	if (!w->woken)
		list_remove(&w->link);
}

int wait_sleep(struct waiter *w, size_t n, uint64_t deadline)
{
	int err = stub_sleep ? stub_sleep() : deadline ? -ETIMEDOUT : -EINTR;

	for (size_t i = 0; i < n; i++) {
		if (w[i].woken)
			return 0;
	}
	return err;
}

int wait_on(struct wait_queue *q, uint64_t deadline)
{
	struct waiter *w = &stub_proc.waiter;
	int err;

	wait_add(q, w);
	err = wait_sleep(w, 1, deadline);
	wait_remove(w);
	return err;
}

void wake_one(struct wait_queue *q)
{
	struct waiter *w = CONTAINER_OF(q->waiters.next, struct waiter, link);

	if (list_empty(&q->waiters))
		return;
	list_remove(&w->link);
	w->woken = true;
	stub_wakes++;
}

void wake_sleepers(struct wait_queue *q)
{
	while (!list_empty(&q->waiters))
		wake_one(q);
}

void signal_send(struct proc *p, int number, const struct signal_info *what)
{
	(void)p, (void)what;
	stub_last_signal = number;
}
uint64_t volumes_pages(void) { return 0; } /* there is no disk */
uint64_t volumes_dirty(void) { return 0; }
bool copy_wait(void) { return false; }
bool signal_deliverable(const struct proc *p) { return (void)p, false; }
bool signal_interrupts(void) { return true; }
bool signal_ends(void) { return false; }
void signal_set_mask(struct proc *p, signal_set mask) { p->signals.mask = mask; }
void signal_set_mask_until_handled(struct proc *p, signal_set mask)
{
	p->signals.saved_mask = p->signals.mask;
	p->signals.mask = mask;
	p->signals.restore_mask = true;
}

static uint64_t now = 1;
uint64_t ticks_now(void) { return now += 1000; }
uint64_t time_calendar(void) { return 1700000000ul * 1000000000ul + (now += 1000); }
uint64_t time_monotonic(void) { return now; }
uint64_t time_deadline(uint64_t ns) { return now + ns + 1; }

int linux_time_in(const struct linux_timespec *program, uint64_t *ns)
{
	struct linux_timespec time;

	if (copy_in(&time, program, sizeof(time)))
		return -EFAULT;
	*ns = (uint64_t)time.seconds * 1000000000 + (uint64_t)time.nanoseconds;
	return 0;
}

struct proc *proc_find(int pid)
{
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->pid == pid)
			return p;
	}
	return NULL;
}
int thread_next(struct proc *p, int from) { return from <= p->pid ? p->pid : -1; }
uint64_t proc_ticks(const struct proc *p) { return p->ticks_used; }
uint64_t vm_mapped(struct vm *vm) { return (void)vm, 0; }
struct vm_usage vm_usage(struct vm *vm, uint64_t start, uint64_t end) { return (void)vm, (void)start, (void)end, (struct vm_usage){0}; }
uint64_t tty_device_number(struct tty *t) { return (void)t, 0; }
int tty_foreground(struct tty *t) { return (void)t, 0; }
uint32_t disk_count(void) { return 0; }
int disk_get(uint32_t number, struct disk **out) { return (void)number, (void)out, -ENXIO; }
const struct aegis_disk_info *disk_info(const struct disk *d) { return (void)d, NULL; }
int disk_part(uint32_t number, uint32_t partition, struct disk_part *out) { return (void)number, (void)partition, (void)out, -ENXIO; }
bool disk_next_part(uint32_t number, uint32_t *last, struct disk_part *out) { return (void)number, (void)last, (void)out, false; }
uint64_t disk_device(uint32_t number, uint32_t partition) { return (void)number, (void)partition, 0; }
int disk_open(struct inode *i, struct file *f) { return (void)i, (void)f, -ENXIO; }
int tty_open_controlling(struct inode *i, struct file *f) { return (void)i, (void)f, -ENXIO; }
int tty_open_console(struct inode *i, struct file *f) { return (void)i, (void)f, -ENXIO; }
void exos_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *out);
void exos_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	(void)leaf, (void)subleaf;
	memset(out, 0, 16);
}

void log_line(const char *text, ...)
{
	va_list a;

	va_start(a, text);
	printf("# ");
	vprintf(text, a);
	printf("\n");
	va_end(a);
}

_Noreturn void panic(const char *text, ...)
{
	va_list a;

	va_start(a, text);
	printf("Bail out! ");
	vprintf(text, a);
	printf("\n");
	fflush(stdout);
	abort();
}

void stubs_start(void)
{
	stub_window = mmap(
		NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	stub_references = calloc(FRAMES, sizeof(*stub_references));
	for (frame_t f = FRAMES - 1; f; f--)
		free_frames[free_count++] = f;
	list_init(&proc_list);
	keeper.pid = 1;
	memcpy(keeper.name, "keeper", 7);
	list_append(&proc_list, &keeper.link);
	ok(!file_systems_start(), "file systems start");
	stub_proc.pid = 2;
	stub_proc.parent = &keeper;
	memcpy(stub_proc.name, "test", 5);
	for (int n = 0; n < LIMIT_COUNT; n++)
		stub_proc.limits[n][0] = stub_proc.limits[n][1] = LIMIT_NONE;
	stub_proc.limits[LIMIT_FILES][0] = 1024;
	stub_proc.files = file_table_new();
	stub_proc.cwd = stub_proc.root = root_inode;
	inode_ref(root_inode);
	inode_ref(root_inode);
	stub_proc.umask = 022;
	list_append(&proc_list, &stub_proc.link);
	self->proc = &stub_proc;
}

void stubs_end(void)
{
	file_table_put(stub_proc.files);
	inode_put(stub_proc.cwd);
	inode_put(stub_proc.root);
}

static int tests, failures;

void ok(bool good, const char *what, ...)
{
	va_list a;

	failures += !good;
	printf("%sok %d - ", good ? "" : "not ", ++tests);
	va_start(a, what);
	vprintf(what, a);
	va_end(a);
	printf("\n");
	fflush(stdout);
}

void is_at(int64_t have, int64_t want, const char *what, int line)
{
	ok(have == want, "%s", what);
	if (have != want)
		printf("# line %d: have %ld, want %ld\n", line, (long)have, (long)want);
}

int done_testing(void)
{
	printf("1..%d\n", tests);
	return failures != 0;
}
