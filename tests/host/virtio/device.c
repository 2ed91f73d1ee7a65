/* The device: its registers, as a transport, and its ends of the rings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/asan_interface.h>

#include "device.h"

struct model model;
uint64_t seed;

uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

void check(bool good, const char *what)
{
	if (good)
		return;
	printf("# failed: %s\nnot ok 1 - %s\n1..1\n", what, what);
	exit(1);
}

static uint8_t status(struct virtio *v) { return (void)v, model.absent ? 0xff : model.status; }
static uint64_t features(struct virtio *v) { return (void)v, model.absent ? ~0ul : model.offered; }
static uint8_t config(struct virtio *v, uint32_t at) { return (void)v, model.absent ? 0xff : at < sizeof(model.config) ? model.config[at] : 0; }
static uint32_t generation(struct virtio *v) { return (void)v, model.restless ? ++model.generation : model.generation; }
static void enable(struct virtio *v, uint8_t vector) { (void)v, (void)vector; }
static void acknowledge(struct virtio *v) { (void)v; }
static uint16_t room(struct virtio *v, uint16_t queue) { return (void)v, queue < model.queues ? model.room : 0; }

static void set_status(struct virtio *v, uint8_t value)
{
	(void)v;
	if (model.absent)
		return;
	if (value || model.stuck) {
		check(!value || (value & model.status) == model.status || model.stuck, "status bits are only added");
		model.status |= value;
		return;
	}
	memset(model.queue, 0, sizeof(model.queue));
	model.status = 0;
	model.scribbled = 0;
	model.interrupt = false;
	model.resets++;
}

static void accept(struct virtio *v, uint64_t accepted)
{
	(void)v;
	if (model.absent)
		return;
	check(!(accepted & ~model.offered), "only what is offered is accepted");
	check(!(model.status & STATUS_FEATURES_OK), "features are agreed on before FEATURES_OK");
	model.accepted = accepted;
}

static bool start(struct virtio_queue *q)
{
	struct model_queue *m = &model.queue[q->number];

	check(model.status & STATUS_FEATURES_OK && !(model.status & STATUS_DRIVER_OK), "queues are started between FEATURES_OK and DRIVER_OK");
	check(!m->started && q->size && !(q->size & (q->size - 1)) && q->size <= model.room, "a queue is started once, and of a size that there is");
	*m = (struct model_queue){ .size = q->size, .started = true, .descriptors = q->descriptors, .available = q->available, .ring = q->used };
	return true;
}

/* The control queue, at once: the one command that there is. */
static void control(struct model_queue *q)
{
	model_take(q);
	while (q->held_count) {
		uint16_t head = q->held[0];
		struct virtio_descriptor *d = &q->descriptors[head];
		const uint8_t *command = (const void *)d->address;

		check(d->length == 4 && command[0] == 4 && command[1] == 0 && d->flags == 1, "the command is to set the pairs");
		check(q->descriptors[d->next].flags == 2 && q->descriptors[d->next].length == 1, "and has a byte for the answer");
		*(uint8_t *)q->descriptors[d->next].address = 0;
		model_use(q, head, 1);
	}
}

static void notify(struct virtio_queue *q)
{
	check(model.status & STATUS_DRIVER_OK, "no notification before DRIVER_OK");
	model.notifications++;
	if (model.type == VIRTIO_NET && q->number % 2 == 0 && q->number == 2 * model.config[8] && model.accepted >> 22 & 1)
		control(&model.queue[q->number]);
}

static const struct virtio_transport transport = { .status = status, .set_status = set_status, .features = features, .accept = accept, .config = config,
	.generation = generation, .room = room, .start = start, .notify = notify, .enable = enable, .acknowledge = acknowledge };

void virtio_mmio_find(uint32_t type, void (*found)(const struct virtio *v))
{
	struct virtio v = { .transport = &transport };

	if (type == model.type)
		found(&v);
}
void virtio_pci_find(uint32_t type, void (*found)(const struct virtio *v)) { (void)type, (void)found; }

static bool event_index(void) { return model.accepted & FEATURE_EVENT_INDEX; }

uint32_t model_chain(const struct model_queue *q, uint16_t head, struct virtio_descriptor *to, uint32_t most)
{
	const struct virtio_descriptor *all = q->descriptors;
	uint32_t size = q->size, at = head, n = 0;

	if (all[head].flags == 4) { /* a table, alone in its chain (2.7.5.3.1) */
		check(model.accepted & FEATURE_INDIRECT && all[head].length && all[head].length % sizeof(*all) == 0, "tables are agreed on, and whole");
		size = all[head].length / (uint32_t)sizeof(*all);
		all = (const void *)all[head].address;
		check(!__asan_region_is_poisoned((void *)all, size * sizeof(*all)) && size <= q->size, "a table is memory, and no longer than the queue");
		at = 0;
	}
	do {
		check(n < most && n < size && at < size && !(all[at].flags & 4), "a chain ends");
		to[n++] = all[at];
	} while (all[at].flags & 1 && (at = all[at].next, true));
	return n;
}

static void check_chain(const struct model_queue *q, uint16_t head)
{
	struct virtio_descriptor chain[MODEL_ENTRIES];
	uint32_t n = model_chain(q, head, chain, MODEL_ENTRIES);

	for (uint32_t i = 0; i < n; i++)
		check(!__asan_region_is_poisoned((void *)chain[i].address, chain[i].length), "what is offered is memory");
}

void model_take(struct model_queue *q)
{
	check(!q->started || (uint16_t)(q->available[1] - q->taken) <= q->size, "no more is offered than the queue holds");
	while (q->started && q->taken != q->available[1]) {
		uint16_t head = q->available[2 + q->taken++ % q->size];

		check(head < q->size, "an available entry is a descriptor");
		check(q->owner[head] != DEVICES, "nothing is offered that the device has");
		q->address[head] = q->descriptors[head].address;
		q->owner[head] = DEVICES;
		q->held[q->held_count++] = head;
		if (!model.scribbled)
			check_chain(q, head);
	}
	if (q->started && event_index())
		q->ring[2 + 4 * q->size] = q->taken; /* wants to be notified of the next */
}

static void entry(struct model_queue *q, uint32_t id, uint32_t length)
{
	uint32_t *at = (uint32_t *)(q->ring + 2) + 2 * (q->used % q->size);

	at[0] = id;
	at[1] = length;
	q->ring[1] = ++q->used;
	if (event_index() ? q->available[2 + q->size] == (uint16_t)(q->used - 1) : !(q->available[0] & 1)) {
		model.interrupt = true;
		model.interrupts++;
	}
}

void model_use(struct model_queue *q, uint16_t head, uint32_t length)
{
	uint16_t at = 0;

	while (at < q->held_count && q->held[at] != head)
		at++;
	check(at < q->held_count, "the test uses what the device has");
	memmove(q->held + at, q->held + at + 1, (size_t)(--q->held_count - at) * sizeof(*q->held));
	q->owner[head] = RETURNED;
	q->length[head] = length;
	entry(q, head, length);
}

bool model_use_any(struct model_queue *q, uint32_t id, uint32_t length)
{
	if (id < q->size && q->owner[id] == DEVICES) {
		model_use(q, (uint16_t)id, length);
		return true;
	}
	entry(q, id, length);
	return false;
}

void model_scribble(struct model_queue *q)
{
	uint8_t *bytes = (uint8_t *)q->descriptors;

	model.scribbled++;
	for (uint32_t i = 0; i < 64; i++)
		bytes[random_below(q->size * sizeof(*q->descriptors))] = (uint8_t)random_below(256);
	q->ring[0] = (uint16_t)random_below(65536);
	if (event_index())
		q->ring[2 + 4 * q->size] = (uint16_t)random_below(65536);
}

void model_leap(struct model_queue *q)
{
	if (!q->leapt)
		q->ring[1] = (uint16_t)(q->used += (uint16_t)(q->size + 1 + random_below(65535u - 2 * q->size)));
	q->leapt = true;
}
