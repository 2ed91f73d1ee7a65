/* See stubs.h. */
#include <stdio.h>
#include <stdlib.h>

#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/self.h>
#include <exos/tty/console.h>
#include <exos/tty/tty.h>
#include <exos/vm/copy.h>

#include "stubs.h"

unsigned char stub_self[FRAME_SIZE] __attribute__((aligned(FRAME_SIZE)));
unsigned char stub_window[8 * FRAME_SIZE] __attribute__((aligned(FRAME_SIZE)));
static bool frame_used[8];

struct proc stub_proc, stub_other;
struct list proc_list;
struct inode *root_inode;
int (*stub_sleep)(uint64_t deadline);
bool stub_signal_stops, stub_orphaned, stub_fault;
uint64_t stub_deadline_ns;
int stub_signals[64], stub_signal_group;
char stub_logged[4096];
size_t stub_line_takes = SIZE_MAX, stub_line_gives = SIZE_MAX;

static uint8_t to_host[1 << 20], to_guest[1 << 20];
static size_t to_host_length, to_guest_length, to_guest_at, logged;
static uint64_t granted;
static int failures;

void panic(const char *text, ...)
{
	fprintf(stderr, "panic: %s\n", text);
	abort();
}

void *heap_alloc(size_t n) { return calloc(1, n); }
void heap_free(void *p) { free(p); }

frame_t frame_get(void)
{
	for (frame_t f = 1; f < ARRAY_LENGTH(frame_used); f++) {
		if (!frame_used[f]) {
			frame_used[f] = true;
			return f;
		}
	}
	return NO_FRAME;
}

void frame_put(frame_t f) { frame_used[f] = false; }

int copy_in(void *to, const void *program, size_t n)
{
	if (stub_fault)
		return -EFAULT;
	memcpy(to, program, n);
	return 0;
}

int copy_out(void *program, const void *from, size_t n)
{
	if (stub_fault)
		return -EFAULT;
	memcpy(program, from, n);
	return 0;
}

int wait_on(struct wait_queue *q, uint64_t deadline)
{
	(void)q;
	if (!stub_sleep) {
		ok(false, "something sleeps that nobody will wake");
		exit(1);
	}
	return stub_sleep(deadline);
}

void wake_sleepers(struct wait_queue *q) { (void)q; }
void sched_yield_slice(void) { }
uint64_t time_deadline(uint64_t ns)
{
	stub_deadline_ns = ns;
	return ns;
}

void signal_send(struct proc *p, int number, const struct signal_info *info)
{
	(void)p, (void)info;
	stub_signals[number]++;
}

int signal_send_group(int group, int number, const struct signal_info *info)
{
	(void)info;
	stub_signals[number]++;
	stub_signal_group = group;
	return 1;
}

bool signal_interrupts(void) { return !stub_signal_stops; }
bool proc_group_orphaned(int group) { return (void)group, stub_orphaned; }
struct proc *proc_find(int pid)
{
	return pid == stub_proc.pid ? &stub_proc : pid == stub_other.pid ? &stub_other : NULL;
}

struct inode *inode_new(const struct inode_ops *ops, uint32_t mode)
{
	struct inode *i = calloc(1, sizeof(*i));

	i->ops = ops;
	i->mode = mode;
	return i;
}

struct file *file_new(const struct file_ops *ops, struct inode *inode, uint32_t flags)
{
	struct file *f = calloc(1, sizeof(*f));

	f->ops = ops;
	f->inode = inode;
	f->flags = flags;
	f->refs = 1;
	return f;
}

void file_ref(struct file *f) { f->refs++; }
void file_put(struct file *f)
{
	if (--f->refs)
		return;
	if (f->ops->release)
		f->ops->release(f);
	free(f);
}

int path_open(struct inode *base, const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
	(void)base, (void)path, (void)mode;
	*out = file_new(NULL, NULL, flags);
	return tty_open_console(NULL, *out);
}

void stubs_start(void)
{
	list_init(&proc_list);
	list_append(&proc_list, &stub_proc.link);
	list_append(&proc_list, &stub_other.link);
	stub_proc.pid = stub_proc.group = stub_proc.session = 10;
	stub_other.pid = stub_other.group = 20;
	stub_other.session = 10;
	self->proc = &stub_proc;
	self->env = 1;
}

int64_t aegis_console_write(uint32_t device, const void *bytes, uint64_t n)
{
	n = MIN(n, stub_line_takes);
	if (device == DEVICE_CONSOLE0) {
		n = MIN(n, sizeof(stub_logged) - 1 - logged);
		memcpy(stub_logged + logged, bytes, n);
		logged += n;
		return (int64_t)n;
	}
	n = MIN(n, sizeof(to_host) - to_host_length);
	memcpy(to_host + to_host_length, bytes, n);
	to_host_length += n;
	return (int64_t)n;
}

int64_t aegis_console_read(uint32_t device, void *bytes, uint64_t n)
{
	if (device != DEVICE_CONSOLE1)
		return -E_DENIED;
	n = MIN(MIN(n, stub_line_gives), to_guest_length - to_guest_at);
	memcpy(bytes, to_guest + to_guest_at, n);
	to_guest_at += n;
	return (int64_t)n;
}

void stub_host_sends(const void *bytes, size_t n)
{
	if (to_guest_at == to_guest_length)
		to_guest_at = to_guest_length = 0;
	n = MIN(n, sizeof(to_guest) - to_guest_length);
	memcpy(to_guest + to_guest_length, bytes, n);
	to_guest_length += n;
}

void stub_host_message(int channel, const void *bytes, size_t n)
{
	uint8_t header[LINK_HEADER] = {(uint8_t)channel, (uint8_t)n, (uint8_t)(n >> 8)};

	stub_host_sends(header, sizeof(header));
	stub_host_sends(bytes, n);
}

size_t stub_sent(int channel, char *to, size_t size)
{
	size_t at = 0, length = 0;

	while (at + LINK_HEADER <= to_host_length) {
		size_t n = to_host[at + 1] | (size_t)to_host[at + 2] << 8;

		if (at + LINK_HEADER + n > to_host_length)
			break;
		if (to_host[at] == channel) {
			n = MIN(n, size - length - 1);
			memcpy(to + length, to_host + at + LINK_HEADER, n);
			length += n;
			n = to_host[at + 1] | (size_t)to_host[at + 2] << 8;
		}
		at += LINK_HEADER + n;
	}
	if (at != to_host_length)
		ok(false, "what the guest sends is whole messages");
	to[length] = 0;
	return length;
}

static void count_grants(void)
{
	char rooms[4096];
	size_t n = stub_sent(LINK_ROOM, rooms, sizeof(rooms));

	for (size_t i = 0; i < n; i++)
		granted += (uint64_t)(uint8_t)rooms[i] << 8 * (i % 4);
}

uint64_t stub_granted(void)
{
	uint64_t before = granted, total;

	count_grants();
	total = granted;
	granted = before;
	return total;
}

void stub_forget(void)
{
	count_grants();
	to_host_length = 0;
	logged = 0;
	memset(stub_logged, 0, sizeof(stub_logged));
	memset(stub_signals, 0, sizeof(stub_signals));
	stub_signal_group = 0;
}

void ok(bool good, const char *what, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, what);
	vsnprintf(text, sizeof(text), what, arguments);
	va_end(arguments);
	printf("%s - %s\n", good ? "ok" : "not ok", text);
	fflush(stdout);
	failures += !good;
}

void is_at(int64_t have, int64_t want, const char *what, int line)
{
	if (have != want)
		printf("# line %d: %lld, expected %lld\n", line, (long long)have, (long long)want);
	ok(have == want, "%s", what);
}

static void print_text(const char *label, const char *text)
{
	printf("# %s: ", label);
	for (; *text; text++)
		printf(*text < ' ' || *text > '~' ? "\\x%02x" : "%c", (unsigned char)*text);
	printf("\n");
}

void is_text_at(const char *have, const char *want, const char *what, int line)
{
	if (strcmp(have, want)) {
		printf("# line %d\n", line);
		print_text("have", have);
		print_text("want", want);
	}
	ok(strcmp(have, want) == 0, "%s", what);
}

int done_testing(void) { return failures != 0; }
