/* Whose turn it is when a disk has no room.
 *
 * Every account that has an extent of it bound has an equal share of what it can do at a time, however many queues it has made; and since there are never more such accounts than places (one is left to the kernel, which
 * writes what is taken by force), each has at least one. When something is done, the accounts are asked in turn whether one waits that has room: so a thousand queues of one that wait, or do nothing when they are told, keep no other from being told. */
#include <kernel/disk/disk.h>
#include <kernel/event.h>

#define TELL_MOST 8 /* queues of an account whose owners are gone, passed over at a time */

static void set_share(struct disk *d, int32_t more)
{
	d->user_count += (uint32_t)more;
	if (d->user_count)
		d->share = d->driver->depth > 1 ? (d->driver->depth - 1) / d->user_count : 1;
}

struct user *user_join(struct disk *d, env_id account)
{
	uint32_t most = d->driver->depth > 1 ? d->driver->depth - 1 : 1;
	struct user *spare = NULL;

	for (struct user *u = d->users; u < d->users + most; u++) {
		if (u->account == account)
			return u;
		if (!u->account && !spare)
			spare = u;
	}
	if (spare) {
		spare->account = account;
		set_share(d, 1);
	}
	return spare;
}

void user_leave(struct disk *d, struct user *u)
{
	if (u->slots || u->under_way || u->first)
		return;
	u->account = 0;
	set_share(d, -1);
}

bool queue_tell(const struct queue *q, env_id id)
{
	struct env *e = id ? env_find(id) : NULL;

	if (!e || env_account(e) != q->account || e->stopping)
		return false;
	event_raise_once(e, EVENT_DISK);
	return true;
}

void queue_wait(struct queue *q, struct disk *d, struct user *u)
{
	uint32_t n = disk_number(d);
	frame_t name = kernel_frame(q);

	if (q->waiting[n].user)
		return;
	q->waiting[n].user = u;
	q->waiting[n].next = 0;
	q->waiting[n].previous = u->last;
	if (u->last)
		queue_of(u->last)->waiting[n].next = name;
	else
		u->first = name;
	u->last = name;
	d->waiting++;
}

void queue_stop_waiting(struct queue *q, struct disk *d)
{
	uint32_t n = disk_number(d);
	frame_t next = q->waiting[n].next, previous = q->waiting[n].previous;
	struct user *u = q->waiting[n].user;

	if (!u)
		return;
	q->waiting[n].user = NULL;
	d->waiting--;
	if (previous)
		queue_of(previous)->waiting[n].next = next;
	else
		u->first = next;
	if (next)
		queue_of(next)->waiting[n].previous = previous;
	else
		u->last = previous;
	if (!u->first)
		user_leave(d, u);
}

/* Its queue that has waited longest. */
static void tell_user(struct disk *d, struct user *u)
{
	bool told = false;

	for (uint32_t i = 0; i < TELL_MOST && u->first && !told; i++) {
		struct queue *q = queue_of(u->first);

		queue_stop_waiting(q, d);
		told = queue_tell(q, q->owner);
	}
}

/* Who waits for a disk that is gone learns it by trying again: all of them, once. */
static void tell_all(struct disk *d)
{
	for (struct user *u = d->users; u < d->users + d->driver->depth; u++)
		while (u->first)
			tell_user(d, u);
}

void disk_tell_next(struct disk *d)
{
	uint32_t depth = d->driver->depth;

	if (!d->waiting)
		return;
	if (d->driver->flags & DISK_GONE)
		tell_all(d);
	for (uint32_t i = 0, n = d->turn; i < depth && d->waiting; i++) {
		struct user *u;

		n = n + 1 < depth ? n + 1 : 0;
		u = &d->users[n];
		if (u->first && user_has_room(u, d)) {
			d->turn = n;
			tell_user(d, u);
			return;
		}
	}
}

void disk_room(struct blockdev *driver) { disk_tell_next(&disks[driver->number]); }
