/* Futexes: a small hash of queues. */
#include <exos/heap.h>
#include <exos/proc/thread.h>
#include <exos/sched/futex.h>
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>

#define BUCKETS 256

struct key {
	const struct vm *vm; /* null: at is a place in memory. While it waits nobody unmaps that: a frame that is not shared any more has no other user */
	uint64_t at;         /* 0: nowhere */
};

struct futex_waiter {
	struct list link; /* in a bucket */
	struct waiter waiter;
	struct wait_queue queue; /* its own, so that a waker can choose whom to wake */
	struct key key;
	uint32_t mask;
};

static struct list buckets[BUCKETS]; /* domain lock */

static struct list *bucket(struct key key)
{
	struct list *b = &buckets[(key.at >> 2 ^ key.at >> 10 ^ key.at >> 18) % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

static bool same(struct key a, struct key b) { return a.vm == b.vm && a.at == b.at; }

static struct key key_of(uint64_t address, bool private)
{
	struct vm *vm = self->proc->vm;
	const struct vm_area *area;
	frame_t f;

	if (address & 3 || address >= PROGRAM_TOP)
		return (struct key){0};
	if (private)
		return (struct key){vm, address};
	area = vm_area_at(vm, address);
	if (!area)
		return (struct key){0};
	if (!(area->flags & VM_SHARED))
		return (struct key){vm, address};
	f = vm_page(vm, ROUND_DOWN(address, FRAME_SIZE), area->flags & VM_WRITE);
	return (struct key){NULL, f == NO_FRAME ? 0 : (uint64_t)f << FRAME_SHIFT | (address & (FRAME_SIZE - 1))};
}

int futex_wait(uint64_t address, bool private, uint32_t expected, uint32_t mask, uint64_t deadline)
{
	struct key key = key_of(address, private);
	struct futex_waiter *w;
	uint32_t value;
	int result;

	if (!key.at || copy_in(&value, (const void *)address, sizeof(value)))
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
	if (self->thread)
		self->thread->futex = w;
	result = wait_sleep(&w->waiter, 1, deadline);
	if (w->waiter.woken)
		result = 0; /* the waker has counted this one, whatever else has come */
	if (self->thread)
		self->thread->futex = NULL;
	futex_forget(w);
	return result;
}

void futex_forget(struct futex_waiter *w)
{
	wait_remove(&w->waiter);
	list_remove(&w->link);
	heap_free(w);
}

int64_t futex_wake(uint64_t address, bool private, uint32_t n, uint32_t mask)
{
	struct key key = key_of(address, private);
	uint32_t woken = 0;

	if (!key.at)
		return -EFAULT;
	LIST_FOR_EACH_SAFE(l, following, bucket(key)) {
		struct futex_waiter *w = CONTAINER_OF(l, struct futex_waiter, link);

		if (woken == n)
			break;
		if (!same(w->key, key) || !(w->mask & mask) || w->waiter.woken)
			continue;
		wake_one(&w->queue);
		woken++;
	}
	return woken;
}

int64_t futex_requeue(uint64_t from, uint64_t to, bool private, uint32_t wake, uint32_t move)
{
	struct key key = key_of(from, private), new = key_of(to, private);
	int64_t woken = futex_wake(from, private, wake, UINT32_MAX);
	uint32_t moved = 0;

	if (woken < 0 || !new.at)
		return -EFAULT;
	if (same(key, new))
		return woken;
	LIST_FOR_EACH_SAFE(l, following, bucket(key)) {
		struct futex_waiter *w = CONTAINER_OF(l, struct futex_waiter, link);

		if (moved == move)
			break;
		if (!same(w->key, key) || w->waiter.woken)
			continue;
		list_remove(&w->link);
		w->key = new;
		list_append(bucket(new), &w->link);
		moved++;
	}
	return woken + moved;
}
