/* See event.h. The counter is between 0 and EVENT_MAX: a write that would go beyond waits for a read. */
#include <exos/heap.h>
#include <exos/ipc/event.h>
#include <exos/sched/wait.h>
#include <exos/vm/copy.h>

#define EVENT_MAX         (UINT64_MAX - 1)
#define EVENT_FILE_SYSTEM 10

struct event {
	uint64_t count;
	bool single;
	struct wait_queue changed; /* readers, writers, and who polls */
};

/* Until the counter changes: 0, or what the call is to return. */
static int wait_for_change(struct file *f)
{
	struct event *e = f->data;
	int error;

	if (f->flags & OPEN_NONBLOCK)
		return -EAGAIN;
	file_ref(f); /* another thread may close it meanwhile */
	error = wait_on(&e->changed, 0);
	file_put(f);
	return error ? -ERESTART : 0;
}

static ssize event_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct event *e = f->data;
	uint64_t taken;
	int error;

	(void)offset;
	if (n < sizeof(taken))
		return -EINVAL;
	while (!e->count) {
		error = wait_for_change(f);
		if (error)
			return error;
	}
	taken = e->single ? 1 : e->count;
	if (copy_out(program, &taken, sizeof(taken)))
		return -EFAULT;
	e->count -= taken;
	wake_all(&e->changed);
	return sizeof(taken);
}

static ssize event_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	struct event *e = f->data;
	uint64_t added;
	int error;

	(void)offset;
	if (n < sizeof(added))
		return -EINVAL;
	if (copy_in(&added, program, sizeof(added)))
		return -EFAULT;
	if (added > EVENT_MAX)
		return -EINVAL;
	while (added > EVENT_MAX - e->count) {
		error = wait_for_change(f);
		if (error)
			return error;
	}
	e->count += added;
	wake_all(&e->changed);
	return sizeof(added);
}

static uint32_t event_poll(struct file *f, struct wait_queue **queue)
{
	struct event *e = f->data;

	*queue = &e->changed;
	return (e->count ? POLL_IN : 0) | (e->count < EVENT_MAX ? POLL_OUT : 0);
}

static void event_release(struct file *f)
{
	struct event *e = f->data;

	wake_all(&e->changed); /* of those who share a descriptor table one may poll what another closes */
	heap_free(e);
}

static const struct file_ops event_ops = {.read = event_read, .write = event_write, .poll = event_poll, .release = event_release};

static const struct inode_ops event_inode_ops = {0}; /* not to be opened anew through /proc: that would be another file on the same counter */

static char *event_name(void)
{
	static const char name[] = "anon_inode:[eventfd]";
	char *copy = heap_alloc(sizeof(name));

	if (copy)
		memcpy(copy, name, sizeof(name));
	return copy;
}

int event_new(uint64_t count, bool single, uint32_t flags, struct file **out)
{
	struct inode *i = inode_new(&event_inode_ops, 0600);
	struct event *e = heap_alloc(sizeof(*e));
	char *name = event_name();

	*out = i && e && name ? file_new(&event_ops, i, OPEN_RDWR | flags) : NULL;
	if (i)
		inode_put(i); /* the file has its own reference */
	if (!*out) {
		heap_free(e);
		heap_free(name);
		return -ENOMEM;
	}
	i->file_system = EVENT_FILE_SYSTEM;
	e->count = count;
	e->single = single;
	wait_queue_init(&e->changed);
	(*out)->data = e;
	(*out)->path = name;
	return 0;
}
