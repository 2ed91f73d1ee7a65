/* Starting virtio devices, and their split queues. virtio 1.2: 2.7, 3.1. */
#include <kernel/boot.h>
#include <kernel/drivers/virtio.h>
#include <kernel/log.h>
#include <kernel/x86_64/cpu.h>

#define RESET_TRIES 100000 /* reads of the status; a device that takes longer is not waited for */
#define CONFIG_TRIES 16
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITTEN = 2, DESCRIPTOR_TABLE = 4 };
enum { AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 }; /* flags: only where there is no event index */
#define INDEX 1   /* both rings: uint16_t flags, index, */
#define ENTRIES 2 /* and then the entries */

struct virtio_chain {
	uint64_t cookie;
	uint32_t place; /* its number among all that were offered */
	uint32_t room;  /* bytes that the device may write */
	uint16_t count; /* descriptors; 0: no chain that the device has begins here */
	uint16_t next;  /* descriptor after this one, in its chain or in the free list */
};

bool virtio_reset(struct virtio *v)
{
	v->transport->set_status(v, 0);
	for (uint32_t i = 0; i < RESET_TRIES; i++) {
		if (!v->transport->status(v))
			return true;
		cpu_relax();
	}
	return false;
}

bool virtio_negotiate(struct virtio *v, uint64_t wanted)
{
	const struct virtio_transport *t = v->transport;
	uint64_t offered;

	v->faults = 0;
	v->broken = false;
	if (!virtio_reset(v))
		return false;
	t->set_status(v, STATUS_ACKNOWLEDGE);
	t->set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	offered = t->features(v);
	if (!(offered & FEATURE_VERSION_1))
		return false;
	v->features = offered & (wanted | FEATURE_VERSION_1);
	t->accept(v, v->features);
	t->set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return t->status(v) & STATUS_FEATURES_OK;
}

void virtio_ready(struct virtio *v)
{
	v->transport->set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

bool virtio_config(struct virtio *v, uint32_t offset, void *to, uint32_t n)
{
	uint8_t *bytes = to;
	uint32_t before;

	for (uint32_t tries = 0; tries < CONFIG_TRIES; tries++) {
		before = v->transport->generation(v);
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = v->transport->config(v, offset + i);
		if (v->transport->generation(v) == before)
			return true;
	}
	return false;
}

bool queue_make(struct virtio_queue *q, struct virtio *v, uint16_t number, uint16_t most)
{
	uint16_t room = v->transport->room(v, number);

	while (most > room)
		most /= 2;
	if (most < 2)
		return false;
	*q = (struct virtio_queue){ .device = v, .number = number, .size = most };
	q->descriptors = boot_allocate(most * sizeof(*q->descriptors));
	q->available = boot_allocate((ENTRIES + most + 1u) * sizeof(uint16_t));
	q->used = boot_allocate((ENTRIES + 1) * sizeof(uint16_t) + most * sizeof(struct virtio_used));
	q->event = &q->used[ENTRIES + 4u * most];
	q->chains = boot_allocate(most * sizeof(*q->chains));
	return true;
}

bool queue_start(struct virtio_queue *q)
{
	if (q->device->transport->room(q->device, q->number) < q->size)
		return false;
	for (uint16_t i = 0; i < q->size; i++)
		q->chains[i] = (struct virtio_chain){ .next = (uint16_t)(i + 1) };
	q->free = 0;
	q->free_count = q->size;
	q->offered = q->published = q->seen = 0;
	memset(q->available, 0, (ENTRIES + q->size + 1u) * sizeof(uint16_t));
	memset(q->used, 0, (ENTRIES + 1) * sizeof(uint16_t) + q->size * sizeof(struct virtio_used));
	return q->device->transport->start(q);
}

bool queue_add(struct virtio_queue *q, const struct virtio_piece *pieces, uint32_t read, uint32_t written, uint64_t cookie)
{
	struct virtio_chain *head = &q->chains[q->free];
	uint16_t at = q->free, first = q->free;
	uint32_t room = 0, n = read + written;

	if (!n || n > q->free_count)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t next = q->chains[at].next;

		q->descriptors[at] = (struct virtio_descriptor){ pieces[i].address, pieces[i].length,
			(uint16_t)((i + 1 < n ? DESCRIPTOR_NEXT : 0) | (i >= read ? DESCRIPTOR_WRITTEN : 0)), next };
		room += i >= read ? pieces[i].length : 0;
		at = next;
	}
	q->free = at;
	q->free_count = (uint16_t)(q->free_count - n);
	head->cookie = cookie;
	head->place = q->offered++;
	head->room = room;
	head->count = (uint16_t)n;
	q->available[ENTRIES + (head->place & (q->size - 1))] = first;
	return true;
}

bool queue_add_indirect(struct virtio_queue *q, struct virtio_descriptor *table, const struct virtio_piece *pieces, uint32_t read, uint32_t written, uint64_t cookie)
{
	struct virtio_chain *head = &q->chains[q->free];
	uint32_t room = 0, n = read + written;

	if (!n || !q->free_count)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		table[i] = (struct virtio_descriptor){ pieces[i].address, pieces[i].length,
			(uint16_t)((i + 1 < n ? DESCRIPTOR_NEXT : 0) | (i >= read ? DESCRIPTOR_WRITTEN : 0)), (uint16_t)(i + 1) };
		room += i >= read ? pieces[i].length : 0;
	}
	queue_add_one(q, (uint64_t)table - PHYSICAL_MAP, n * (uint32_t)sizeof(*table), false, cookie);
	q->descriptors[head - q->chains].flags = DESCRIPTOR_TABLE;
	head->room = room;
	return true;
}

/* What is needed again is in variables: the compiler must take a write to the rings for one to *q. */
bool queue_add_one(struct virtio_queue *q, uint64_t address, uint32_t length, bool written, uint64_t cookie)
{
	uint16_t at = q->free, left = q->free_count;
	uint32_t place = q->offered;
	struct virtio_chain *chain = &q->chains[at];

	if (!left)
		return false;
	q->free_count = (uint16_t)(left - 1);
	q->offered = place + 1;
	q->free = chain->next;
	chain->cookie = cookie;
	chain->place = place;
	chain->room = written ? length : 0;
	chain->count = 1;
	q->descriptors[at] = (struct virtio_descriptor){ address, length, written ? DESCRIPTOR_WRITTEN : 0, 0 };
	q->available[ENTRIES + (place & (q->size - 1u))] = at;
	return true;
}

void queue_publish(struct virtio_queue *q)
{
	if (q->published != q->offered)
		queue_publish_some(q);
}

void queue_publish_some(struct virtio_queue *q)
{
	const struct virtio *v = q->device;
	uint32_t offered = q->offered;
	uint16_t before = (uint16_t)q->published, now = (uint16_t)offered, event;
	bool wanted;

	/* Descriptors and entries are there before the index says so (2.7.13.3.1); */
	q->published = offered;
	__atomic_store_n(&q->available[INDEX], now, __ATOMIC_RELEASE);
	/* and the index is before it is read whether the device sleeps, or both could miss each other (2.7.13.4.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (v->features & FEATURE_EVENT_INDEX) {
		event = __atomic_load_n(q->event, __ATOMIC_RELAXED);
		wanted = (uint16_t)(now - event - 1) < (uint16_t)(now - before);
	} else {
		wanted = !(__atomic_load_n(&q->used[0], __ATOMIC_RELAXED) & USED_NO_NOTIFY);
	}
	if (wanted)
		v->transport->notify(q);
}

static void fault(struct virtio *v)
{
	if (++v->faults >= FAULTS_MAX)
		v->broken = true;
}

__attribute__((noinline)) void queue_release(struct virtio_queue *q, uint16_t head)
{
	struct virtio_chain *first = &q->chains[head], *last = first;
	uint16_t count = first->count;

	for (uint16_t i = 1; i < count; i++)
		last = &q->chains[last->next];
	first->count = 0;
	last->next = q->free;
	q->free = head;
	q->free_count = (uint16_t)(q->free_count + count);
}

enum queue_result queue_look(struct virtio_queue *q, uint16_t *head, uint32_t *length)
{
	uint16_t index = __atomic_load_n(&q->used[INDEX], __ATOMIC_ACQUIRE); /* entries are read after it */
	uint32_t seen = q->seen, size = q->size, published = q->published, id, taken;
	const struct virtio_used *entry = (const struct virtio_used *)(q->used + ENTRIES) + (seen & (size - 1));
	struct virtio_chain *chain;

	if (index == seen || q->device->broken)
		return QUEUE_NONE;
	if ((uint16_t)(index - seen) > (uint16_t)(published - seen)) {
		q->device->broken = true;
		return QUEUE_NONE;
	}
	/* Once, since the device could change it between check and use. */
	id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);
	taken = __atomic_load_n(&entry->length, __ATOMIC_RELAXED);
	q->seen = (uint16_t)(seen + 1);
	*length = 0;
	chain = &q->chains[id];
	/* Does the device have a chain that begins there? One that was added and not published it cannot have: an entry for it is one too many for the chain before. */
	if (id >= size || !chain->count || (int32_t)(chain->place - published) >= 0) {
		fault(q->device);
		return QUEUE_LIED;
	}
	chain->place = published; /* as if it were not: an entry that names it again is a lie */
	*head = (uint16_t)id;
	if (taken > chain->room) {
		fault(q->device);
		return QUEUE_LIED_LENGTH;
	}
	*length = taken;
	return QUEUE_TAKEN;
}

enum queue_result queue_take(struct virtio_queue *q, uint64_t *cookie, uint32_t *length)
{
	uint16_t head;
	enum queue_result result = queue_look(q, &head, length);

	if (result == QUEUE_TAKEN || result == QUEUE_LIED_LENGTH) {
		*cookie = q->chains[head].cookie;
		queue_release(q, head);
	}
	return result;
}

bool queue_abandon(struct virtio_queue *q, uint64_t *cookie)
{
	for (uint16_t i = 0; i < q->size && q->free_count < q->size; i++)
		if (q->chains[i].count) {
			*cookie = q->chains[i].cookie;
			queue_release(q, i);
			return true;
		}
	return false;
}

bool queue_interrupt_after(struct virtio_queue *q, uint16_t chains)
{
	if (q->device->features & FEATURE_EVENT_INDEX)
		__atomic_store_n(&q->available[ENTRIES + q->size], (uint16_t)(q->seen + chains - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->available[0], 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* that, before it is looked whether the device was faster (2.7.14) */
	return (uint16_t)(__atomic_load_n(&q->used[INDEX], __ATOMIC_RELAXED) - q->seen) >= chains;
}

void queue_interrupt_never(struct virtio_queue *q)
{
	if (q->device->features & FEATURE_EVENT_INDEX) /* a place that has been passed; it comes again after 2^16 chains */
		__atomic_store_n(&q->available[ENTRIES + q->size], (uint16_t)(q->seen - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->available[0], AVAILABLE_NO_INTERRUPT, __ATOMIC_RELAXED);
}
