/* Advisory locks on files. See locks.h; called by the descriptor table, by open files' ends and by the personality.
 *
 * An inode that was never locked has no list. Whoever waits for a lock waits on its inode's queue and looks again at
 * every change. */
#include <exos/file/locks.h>
#include <exos/heap.h>

struct lock_held {
	struct list link;
	struct file_lock lock;
};

struct file_locks {
	struct list held;
	struct wait_queue changed;
};

static bool overlap(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static struct lock_held *held_of(struct list *l) { return CONTAINER_OF(l, struct lock_held, link); }

bool locks_conflict(struct inode *i, const struct file_lock *lock, struct file_lock *out)
{
	if (!i->locks)
		return false;
	LIST_FOR_EACH (l, &i->locks->held) {
		const struct file_lock *other = &held_of(l)->lock;

		if (other->owner == lock->owner || !overlap(other, lock) || !(other->exclusive || lock->exclusive))
			continue;
		if ((other->pid == 0) != (lock->pid == 0))
			continue;
		if (out)
			*out = *other;
		return true;
	}
	return false;
}

/* Takes the range out of what its owner holds. A lock that is split in the middle needs the spare record for its second
 * half. */
static void cut_range(struct file_locks *locks, const struct file_lock *range, struct lock_held **spare)
{
	LIST_FOR_EACH_SAFE (l, following, &locks->held) {
		struct lock_held *h = held_of(l);

		if (h->lock.owner != range->owner || !overlap(&h->lock, range))
			continue;
		if (h->lock.start < range->start && h->lock.end > range->end) {
			(*spare)->lock = h->lock;
			(*spare)->lock.start = range->end + 1;
			h->lock.end = range->start - 1;
			list_append(&locks->held, &(*spare)->link);
			*spare = NULL;
			return;
		}
		if (h->lock.start < range->start) {
			h->lock.end = range->start - 1;
		} else if (h->lock.end > range->end) {
			h->lock.start = range->end + 1;
		} else {
			list_remove(&h->link);
			heap_free(h);
		}
	}
}

static struct file_locks *locks_of(struct inode *i)
{
	if (!i->locks) {
		i->locks = heap_alloc(sizeof(*i->locks));
		if (i->locks) {
			list_init(&i->locks->held);
			wait_queue_init(&i->locks->changed);
		}
	}
	return i->locks;
}

int locks_set(struct inode *i, const struct file_lock *lock, bool unlock, bool wait)
{
	struct file_locks *locks = locks_of(i);
	struct lock_held *fresh, *spare;
	int err = 0;

	if (!locks)
		return -ENOLCK;
	while (!unlock && locks_conflict(i, lock, NULL) && !err) {
		if (!wait)
			return -EAGAIN;
		err = wait_on(&locks->changed, 0) ? -ERESTART : 0;
	}
	if (err)
		return err;
	fresh = heap_alloc(sizeof(*fresh));
	spare = heap_alloc(sizeof(*spare));
	if (!fresh || !spare) {
		err = -ENOLCK;
	} else {
		cut_range(locks, lock, &spare);
		if (!unlock) {
			fresh->lock = *lock;
			list_append(&locks->held, &fresh->link);
			fresh = NULL;
		}
		wake_all(&locks->changed);
	}
	heap_free(fresh);
	heap_free(spare);
	return err;
}

void locks_drop(struct inode *i, const void *owner)
{
	bool any = false;

	LIST_FOR_EACH_SAFE (l, following, &i->locks->held) {
		if (held_of(l)->lock.owner != owner)
			continue;
		list_remove(l);
		heap_free(held_of(l));
		any = true;
	}
	if (any)
		wake_all(&i->locks->changed);
}

void locks_free(struct inode *i) { heap_free(i->locks); }
