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

uint32_t *futex_word(uint64_t address)
{
	frame_t f;

	if (address & 3 || address >= PROGRAM_TOP)
		return NULL;
	f = vm_page(self->proc->vm, ROUND_DOWN(address, FRAME_SIZE), true);
	return f == NO_FRAME ? NULL : (uint32_t *)((uint8_t *)frame_address(f) + address % FRAME_SIZE);
}

enum { WORD_SET, WORD_ADD, WORD_OR, WORD_AND_NOT, WORD_XOR, WORD_OPERATIONS, WORD_SHIFT = 8 };
enum { COMPARE_EQUAL, COMPARE_UNEQUAL, COMPARE_LESS, COMPARE_AT_MOST, COMPARE_GREATER, COMPARE_AT_LEAST, COMPARISONS };

static uint32_t changed(uint32_t old, uint32_t what, uint32_t by)
{
	switch (what) {
	case WORD_SET:
		return by;
	case WORD_ADD:
		return old + by;
	case WORD_OR:
		return old | by;
	case WORD_AND_NOT:
		return old & ~by;
	default:
		return old ^ by;
	}
}

static bool compares(int32_t old, uint32_t how, int32_t with)
{
	switch (how) {
	case COMPARE_EQUAL:
		return old == with;
	case COMPARE_UNEQUAL:
		return old != with;
	case COMPARE_LESS:
		return old < with;
	case COMPARE_AT_MOST:
		return old <= with;
	case COMPARE_GREATER:
		return old > with;
	default:
		return old >= with;
	}
}

/* The lower half of the operation: two numbers of 12 bits with a sign. */
static int32_t number_at(uint32_t operation, uint32_t bit) { return (int32_t)(operation << (20 - bit)) >> 20; }

int64_t futex_wake_op(uint64_t address, uint64_t other, bool private, uint32_t n, uint32_t other_n, uint32_t operation)
{
	uint32_t what = operation >> 28, how = operation >> 24 & 15, by = (uint32_t)number_at(operation, 12), *word, old;
	int64_t woken, others;

	if ((what & ~(uint32_t)WORD_SHIFT) >= WORD_OPERATIONS || how >= COMPARISONS)
		return -ENOSYS;
	if (what & WORD_SHIFT)
		by = 1u << (by & 31);
	word = key_of(address, private).at ? futex_word(other) : NULL;
	if (!word)
		return -EFAULT;
	old = __atomic_load_n(word, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(word, &old, changed(old, what & ~(uint32_t)WORD_SHIFT, by), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	woken = futex_wake(address, private, n, UINT32_MAX);
	if (woken < 0 || !compares((int32_t)old, how, number_at(operation, 0)))
		return woken;
	others = futex_wake(other, private, other_n, UINT32_MAX);
	return others < 0 ? others : woken + others;
}
