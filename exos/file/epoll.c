/* See epoll.h. */
#include <exos/file/epoll.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/sched/turn.h>
#include <exos/vm/copy.h>

#define EPOLL_FILE_SYSTEM 11
#define DEPTH_MAX	  5
#define PRIVATE		  ((uint32_t)EPOLL_EXCLUSIVE | EPOLL_WAKE_UP | EPOLL_ONE_SHOT | EPOLL_EDGE)

struct epoll {
	struct file *file;
	struct list items, ready;
	struct wait_queue waiters; /* in epoll_wait */
	struct wait_queue polled;  /* of this file itself */
	uint32_t visit, depth;	   /* depth_below's notes, good for one walk */
};

struct item {
	struct wait_watch watch;    /* first; in the queue of `file` */
	struct file_watch end;	    /* in the file's list */
	struct list link, ready;    /* in the epoll's; `ready` is empty when it is not in there */
	struct epoll *epoll;
	struct file *file;
	int number;
	struct epoll_event event;   /* what is wanted; after EPOLL_ONE_SHOT has been told, PRIVATE only */
};

static uint32_t item_ready(struct item *i)
{
	struct wait_queue *queue;

	if (!(i->event.events & ~PRIVATE))
		return 0;
	return i->file->ops->poll(i->file, &queue) & (i->event.events | POLL_ERROR | POLL_HANGUP);
}

/* Is it on the list already, then everybody has been told. */
static bool mark_ready(struct item *i)
{
	struct epoll *e = i->epoll;
	bool sleepers = e->waiters.turn || !list_empty(&e->waiters.waiters);

	if (!list_empty(&i->ready))
		return sleepers;
	list_append(&e->ready, &i->ready);
	wake_somebody(&e->waiters);
	wake_all(&e->polled);
	return sleepers;
}

static bool item_woken(struct wait_watch *w)
{
	struct item *i = CONTAINER_OF(w, struct item, watch);

	return i->event.events & ~PRIVATE ? mark_ready(i) : false;
}

static void item_free(struct item *i)
{
	struct file_watch **at = &i->file->watches;

	while (*at != &i->end)
		at = &(*at)->next;
	*at = i->end.next;
	list_remove(&i->watch.waiter.link);
	list_remove(&i->link);
	list_remove(&i->ready);
	heap_free(i);
}

/* Who waits exclusively was told in place of the others. Goes he without another look, killed perhaps before he could do anything, one of them has his turn. */
static void item_end(struct item *i)
{
	bool owes = i->watch.exclusive && !list_empty(&i->ready) && item_ready(i);
	struct file *f = i->file;
	struct wait_queue *queue = NULL;

	item_free(i);
	if (!owes)
		return;
	f->ops->poll(f, &queue);
	if (queue)
		wake_all(queue);
}

static void file_gone(struct file_watch *w) { item_free(CONTAINER_OF(w, struct item, end)); }

static void epoll_release(struct file *f)
{
	struct epoll *e = f->data;

	while (!list_empty(&e->items))
		item_end(CONTAINER_OF(e->items.next, struct item, link));
	wake_all(&e->polled); /* of the threads of a process one may poll what another closes */
	heap_free(e);
}

/* The first that is ready; those before it that are not go from the list. */
static struct item *first_ready(struct epoll *e, uint32_t *ready)
{
	while (!list_empty(&e->ready)) {
		struct item *i = CONTAINER_OF(e->ready.next, struct item, ready);

		*ready = item_ready(i);
		if (*ready)
			return i;
		list_remove(&i->ready);
	}
	return NULL;
}

static uint32_t epoll_poll(struct file *f, struct wait_queue **queue)
{
	struct epoll *e = f->data;
	uint32_t ready;

	*queue = &e->polled;
	return first_ready(e, &ready) ? POLL_IN : 0;
}

static const struct file_ops epoll_ops = {.poll = epoll_poll, .release = epoll_release};
static const struct inode_ops epoll_inode_ops;

bool is_epoll(const struct file *f) { return f->ops == &epoll_ops; }

int epoll_new(struct file **out)
{
	static const char name[] = "anon_inode:[eventpoll]";
	struct epoll *e = heap_alloc(sizeof(*e));
	struct inode *i = inode_new(&epoll_inode_ops, 0600);
	struct file *f = e && i ? file_new(&epoll_ops, i, OPEN_RDWR) : NULL;

	if (i) {
		i->file_system = EPOLL_FILE_SYSTEM;
		inode_put(i);
	}
	if (!f) {
		heap_free(e);
		return -ENOMEM;
	}
	e->file = f;
	list_init(&e->items);
	list_init(&e->ready);
	wait_queue_init(&e->waiters);
	wait_queue_init(&e->polled);
	f->path = heap_alloc(sizeof(name)); /* only a name for /proc: without it, it has another */
	if (f->path)
		memcpy(f->path, name, sizeof(name));
	f->data = e;
	*out = f;
	return 0;
}

static uint32_t visits; /* domain lock */

/* How many epolls there are, at most, on a way down from e, e included; more than DEPTH_MAX when it leads to `never`. Each is looked at once. */
static uint32_t depth_below(struct epoll *e, const struct epoll *never)
{
	uint32_t depth = 0;

	if (e == never)
		return DEPTH_MAX + 1;
	if (e->visit == visits)
		return e->depth;
	LIST_FOR_EACH(l, &e->items) {
		const struct item *i = CONTAINER_OF(l, struct item, link);

		if (depth <= DEPTH_MAX && is_epoll(i->file))
			depth = MAX(depth, depth_below(i->file->data, never));
	}
	e->visit = visits;
	e->depth = depth + 1;
	return depth + 1;
}

/* The same upwards. */
static uint32_t depth_above(struct epoll *e)
{
	uint32_t depth = 0;

	if (e->visit == visits)
		return e->depth;
	for (const struct file_watch *w = e->file->watches; w; w = w->next)
		depth = MAX(depth, depth_above(CONTAINER_OF(w, struct item, end)->epoll));
	e->visit = visits;
	e->depth = depth + 1;
	return depth + 1;
}

static int check_depth(struct epoll *e, struct epoll *below)
{
	uint32_t depth;

	visits++;
	depth = depth_below(below, e);
	visits++;
	return depth + depth_above(e) > DEPTH_MAX ? -ELOOP : 0;
}

static struct item *find(const struct epoll *e, const struct file *f, int number)
{
	for (struct file_watch *w = f->watches; w; w = w->next) {
		struct item *i = CONTAINER_OF(w, struct item, end);

		if (w->gone == file_gone && i->epoll == e && i->number == number)
			return i;
	}
	return NULL;
}

static int add(struct epoll *e, struct file *f, int number, struct epoll_event event)
{
	struct wait_queue *queue = NULL;
	struct item *i;
	int err = is_epoll(f) ? check_depth(e, f->data) : 0;

	if (err)
		return err;
	i = heap_alloc(sizeof(*i));
	if (!i)
		return -ENOMEM;
	*i = (struct item){.watch = {.woken = item_woken, .exclusive = event.events & EPOLL_EXCLUSIVE},
		.end = {f->watches, file_gone},
		.epoll = e,
		.file = f,
		.number = number,
		.event = event};
	list_init(&i->ready);
	f->ops->poll(f, &queue);
	if (queue)
		wait_add_watch(queue, &i->watch);
	else
		list_init(&i->watch.waiter.link); /* what it is now, it is for ever */
	f->watches = &i->end;
	list_append(&e->items, &i->link);
	if (item_ready(i))
		mark_ready(i);
	return 0;
}

static int modify(struct item *i, struct epoll_event event)
{
	if ((i->event.events | event.events) & EPOLL_EXCLUSIVE)
		return -EINVAL;
	i->event = event;
	if (item_ready(i))
		mark_ready(i);
	return 0;
}

int epoll_control(struct file *epoll, int operation, struct file *f, int number, struct epoll_event event)
{
	const uint32_t with_exclusive = POLL_IN | POLL_OUT | POLL_ERROR | POLL_HANGUP | (PRIVATE & ~(uint32_t)EPOLL_ONE_SHOT);
	struct epoll *e = epoll->data;
	struct item *i;

	if (!f->ops->poll)
		return -EPERM;
	if (f == epoll)
		return -EINVAL;
	if (operation != EPOLL_DELETE && (event.events & EPOLL_EXCLUSIVE) && ((event.events & ~with_exclusive) || is_epoll(f)))
		return -EINVAL;
	i = find(e, f, number);
	switch (operation) {
	case EPOLL_ADD:
		return i ? -EEXIST : add(e, f, number, event);
	case EPOLL_DELETE:
		if (i)
			item_end(i);
		return i ? 0 : -ENOENT;
	case EPOLL_MODIFY:
		return i ? modify(i, event) : -ENOENT;
	default:
		return -EINVAL;
	}
}

/* What is ready now. Those that are told by level come again, behind the others; each is told once in a call. */
static ssize tell(struct epoll *e, struct epoll_event *program, size_t room)
{
	struct item *again = NULL, *i;
	size_t done = 0;
	uint32_t ready;

	while (done < room && (i = first_ready(e, &ready)) && i != again) {
		struct epoll_event event = {ready, i->event.data};

		if (copy_out(program + done, &event, sizeof(event)))
			return done ? (ssize)done : -EFAULT;
		done++;
		list_remove(&i->ready);
		if (i->event.events & EPOLL_ONE_SHOT)
			i->event.events &= PRIVATE;
		else if (!(i->event.events & EPOLL_EDGE)) {
			list_append(&e->ready, &i->ready);
			again = again ? again : i;
		}
	}
	if (!list_empty(&e->ready))
		wake_somebody(&e->waiters); /* there may be something for another, too */
	return (ssize)done;
}

/* Of an epoll that processes share: what would be told to one at its end, another is told. */
static int leave_to_others(struct epoll *e)
{
	if (!list_empty(&e->ready))
		wake_somebody(&e->waiters);
	return -EINTR;
}

static int pause_in(struct epoll *e, uint64_t deadline)
{
	struct file *f = e->file;
	int err = 0;

	file_ref(f); /* another thread may close it meanwhile */
	if (turn_due()) {
		turn_give(&e->waiters);
		if (e->waiters.turn == self->env) /* whose turn is over sleeps, or is gone: exclusive watches ask (mark_ready) */
			e->waiters.turn = 0;
	} else {
		err = wait_on(&e->waiters, deadline);
	}
	file_put(f);
	return err;
}

ssize epoll_wait(struct file *epoll, struct epoll_event *program, size_t room, bool now, uint64_t deadline)
{
	struct epoll *e = epoll->data;
	int err = 0;

	for (;;) {
		ssize done = signal_ends() ? leave_to_others(e) : tell(e, program, room);

		if (done || now || err == -ETIMEDOUT)
			return done;
		if (err == -EINTR && signal_interrupts())
			return -EINTR;
		err = pause_in(e, deadline);
	}
}
