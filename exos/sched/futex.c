/* Futexes: a small hash of queues, keyed by frame and offset. The word's frame cannot change while somebody waits on it in earnest: whoever
 * shares it has it bound, which keeps copy on write from moving it (a waiter that forks meanwhile is woken by nobody else's word anyway). */
#include <exos/heap.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/sched/futex.h>
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>

#define BUCKETS 64

struct futex_waiter {
	struct list link; /* in a bucket */
	struct waiter waiter;
	struct wait_queue queue; /* its own, so that a waker can choose whom to wake */
	uint64_t key;
	uint32_t mask;
};

static struct list buckets[BUCKETS]; /* domain lock */

static struct list *bucket(uint64_t key)
{
	struct list *b = &buckets[(key >> 2 ^ key >> 12) % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

static uint64_t key_of(uint64_t address)
{
	frame_t f = address & 3 || address >= PROGRAM_TOP ? NO_FRAME : vm_page(self->proc->vm, ROUND_DOWN(address, FRAME_SIZE), true);

	return f == NO_FRAME ? 0 : (uint64_t)f << FRAME_SHIFT | (address & (FRAME_SIZE - 1));
}

int futex_wait(uint64_t address, uint32_t expected, uint32_t mask, uint64_t deadline)
{
	uint64_t key = key_of(address);
	struct futex_waiter *w;
	uint32_t value;
	int result;

	if (!key || copy_in(&value, (const void *)address, sizeof(value)))
		return -EFAULT;
	if (value != expected)
		return -EAGAIN;
	if (!(w = heap_alloc(sizeof(*w))))
		return -ENOMEM;
	w->key = key;
	w->mask = mask;
	wait_queue_init(&w->queue);
	wait_add(&w->queue, &w->waiter);
	list_append(bucket(key), &w->link);
	result = wait_sleep(&w->waiter, 1, deadline);
	wait_remove(&w->waiter);
	list_remove(&w->link);
	heap_free(w);
	return result;
}

int64_t futex_wake(uint64_t address, uint32_t n, uint32_t mask)
{
	uint64_t key = key_of(address);
	uint32_t woken = 0;

	if (!key)
		return -EFAULT;
	LIST_FOR_EACH_SAFE(l, following, bucket(key)) {
		struct futex_waiter *w = CONTAINER_OF(l, struct futex_waiter, link);

		if (woken == n)
			break;
		if (w->key != key || !(w->mask & mask) || w->waiter.woken)
			continue;
		wake_one(&w->queue);
		woken++;
	}
	return woken;
}
