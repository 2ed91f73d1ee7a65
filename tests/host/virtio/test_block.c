/* The disk driver against a device that is sane, then lies, then is sane again, and at last cannot be reset or is not there. What must hold all the time: of each request it is told once; that it was done well only if the device has returned it with a status that says so, and
 * written as much as it should; nothing outside is touched (ASan). Sane, there is a volatile cache before the medium: what a write with DISK_FUA or a flush promises is looked for on the medium. An interrupt is given only when the driver has asked for one, so that a wake-up that is lost shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kernel/boot.h>
#include <kernel/drivers/block.h>
#include <kernel/log.h>
#include <kernel/smp.h>

#include "device.h"

#define SECTORS 1024u
#define COOKIES 300u /* more than the queue has room for */
#define REQUEST_SECTORS 8u
#define CHAIN_MOST (DISK_FRAMES_MAX + 2)
enum { READ_ONLY = 1 << 5, FLUSH = 1 << 9, DISCARD = 1 << 13 };
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4, TYPE_DISCARD = 11 };
#define NOBODY UINT32_MAX

struct cpu machine_cpu;
uint32_t cpu_count = 1;
static bool asked_again; /* apic_send */
static void *allocations[64];
static uint32_t allocation_count;

/* The test's side of a request. */
struct asked {
	bool under_way, fua;
	uint32_t operation, sector, count, resets;
	uint64_t at; /* when it was submitted */
	uint8_t data[REQUEST_SECTORS * SECTOR_SIZE];
};
static struct asked asked[COOKIES];
/* The device's: what it knew of the chain when it took it, since descriptors may be overwritten. */
struct seen {
	uint32_t type, cookie;
	uint8_t *status;
	bool good; /* it was returned, and as it should */
	uint32_t room;
	bool unknown; /* descriptors were overwritten before it was taken: it may be any */
};
static struct seen seen[MODEL_ENTRIES];
static uint8_t nowhere;
static uint8_t cache[SECTORS][SECTOR_SIZE], medium[SECTORS][SECTOR_SIZE];
static uint64_t written_at[SECTORS]; /* when it was told of */
static bool busy[SECTORS], torn[SECTORS]; /* a request that is under way has it; what is there is not known */
static uint64_t clock_now, submitted, done, failures, lies, errors_given, errors_told;
static uint32_t failing; /* one of so many fails, in the sane device; 0: none */
static bool sane, refused, room_told, chatty;
static struct blockdev *d;

void *boot_allocate(size_t bytes)
{
	check(allocation_count < 64, "the test has room for its allocations");
	return allocations[allocation_count++] = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096), memset(allocations[allocation_count - 1], 0, bytes);
}
void log_line(const char *text, ...) { (void)text; }
void apic_send(uint32_t apic_id, uint8_t vector)
{
	(void)apic_id;
	check(vector == VECTOR_DISK0, "it interrupts itself only");
	asked_again = true;
}

/* ---- Whoever has the disk --------------------------------------------------------------------------------------------- */

static bool submit(uint32_t cookie)
{
	struct blockdev_piece pieces[DISK_FRAMES_MAX];
	struct asked *a = &asked[cookie];
	uint32_t left = a->count * SECTOR_SIZE, most = d->pieces_max < 6 ? d->pieces_max : 6, n = 0;
	uint8_t *at = a->data;

	if (a->operation == DISK_FLUSH || a->operation == DISK_DISCARD)
		left = 0;
	while (left) {
		uint32_t length = n + 1 < most ? 1 + (uint32_t)random_below(left) : left;

		pieces[n++] = (struct blockdev_piece){ (uint64_t)at, length };
		at += length;
		left -= length;
	}
	return blockdev_submit(d, a->operation, a->fua ? DISK_FUA : 0, a->sector, a->count, pieces, n, cookie);
}

/* A request that the disk can do, for sectors that no other has. False: there is none, or it was refused. */
static bool ask(void)
{
	static const uint32_t needs[] = { [DISK_READ] = 0, [DISK_WRITE] = DISK_CAN_WRITE, [DISK_FLUSH] = DISK_CAN_FLUSH, [DISK_DISCARD] = DISK_CAN_DISCARD };
	uint32_t cookie = (uint32_t)random_below(COOKIES), kind = (uint32_t)random_below(12);
	struct asked *a = &asked[cookie];

	if (a->under_way)
		return false;
	a->operation = kind < 5 ? DISK_READ : kind < 10 ? DISK_WRITE : kind == 10 ? DISK_FLUSH : DISK_DISCARD;
	a->fua = a->operation == DISK_WRITE && random_below(3) == 0;
	a->count = a->operation == DISK_FLUSH ? 0 : 1 + (uint32_t)random_below(REQUEST_SECTORS);
	a->sector = (uint32_t)random_below(SECTORS - REQUEST_SECTORS);
	for (uint32_t i = 0; i < a->count; i++)
		if (busy[a->sector + i])
			return false;
	for (uint32_t i = 0; i < a->count * SECTOR_SIZE; i++)
		a->data[i] = (uint8_t)(a->operation == DISK_READ ? 0xee : random_below(256));
	a->at = clock_now++;
	a->resets = model.resets;
	if (needs[a->operation] & ~d->flags) {
		check(!submit(cookie), "what the disk cannot do is refused");
		return false;
	}
	if (!submit(cookie)) {
		refused = true;
		room_told = false;
		return false;
	}
	a->under_way = true;
	submitted++;
	memset(busy + a->sector, 1, a->count);
	return true;
}

/* What the request promises, now that it is done well: only where the device is sane. */
static void check_promise(const struct asked *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t s = a->sector + i;

		if (a->operation == DISK_READ && !torn[s])
			check(!memcmp(a->data + i * SECTOR_SIZE, cache[s], SECTOR_SIZE), "what is read is what is there");
		if (a->operation == DISK_WRITE)
			check(!memcmp(a->data + i * SECTOR_SIZE, cache[s], SECTOR_SIZE), "what is written is there");
		if (a->fua)
			check(!memcmp(a->data + i * SECTOR_SIZE, medium[s], SECTOR_SIZE), "and on the medium, if that was asked for");
	}
	for (uint32_t s = 0; a->operation == DISK_FLUSH && s < SECTORS; s++)
		if (!busy[s] && !torn[s] && written_at[s] <= a->at)
			check(!memcmp(cache[s], medium[s], SECTOR_SIZE), "a flush leaves on the medium what was written before");
}

/* Has the device returned such a request, and well? Once. */
static bool was_returned(uint32_t cookie)
{
	struct model_queue *q = &model.queue[0];
	const struct asked *a = &asked[cookie];
	bool flush = a->operation == DISK_FLUSH || (a->fua && d->flags & DISK_CAN_FLUSH);

	for (uint16_t head = 0; head < q->size; head++) {
		bool it = flush ? seen[head].type == TYPE_FLUSH : a->operation == DISK_DISCARD ? seen[head].type == TYPE_DISCARD : seen[head].cookie == cookie;

		if (q->owner[head] == RETURNED && (seen[head].unknown || (it && seen[head].good))) {
			q->owner[head] = DRIVERS;
			return true;
		}
	}
	return false;
}

void disk_done(struct blockdev *of, uint32_t cookie, bool failed)
{
	struct asked *a = &asked[cookie];

	check(of == d && cookie < COOKIES && a->under_way, "each request is told of once");
	a->under_way = false;
	memset(busy + a->sector, 0, a->count);
	done++;
	failures += failed;
	errors_told += sane && failed;
	check(failed || was_returned(cookie), "it is done well only if the device has said so");
	check(!sane || failing || !failed, "and has failed only if it has not");
	for (uint32_t i = 0; i < a->count; i++)
		if (a->operation == DISK_WRITE || a->operation == DISK_DISCARD) {
			torn[a->sector + i] = failed || a->operation == DISK_DISCARD;
			written_at[a->sector + i] = clock_now++;
		}
	if (sane && !failed)
		check_promise(a);
	if (chatty && random_below(4) == 0) { /* as somebody does who has more to do; in the hostile device's case it is not told, or a lie could become true meanwhile */
		ask();
		if (sane)
			blockdev_kick(d);
	}
	if (random_below(32) == 0)
		blockdev_reap(d);
}

void disk_room(struct blockdev *of)
{
	check(of == d && refused && !room_told, "room is told of once, to somebody who was refused");
	room_told = true;
	refused = false;
}

static void deliver_interrupts(void)
{
	for (uint32_t i = 0; model.interrupt || asked_again; i++) {
		check(i < 10000, "interrupts end");
		model.interrupt = asked_again = false;
		blockdev_interrupt(d);
	}
}

static uint32_t under_way(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < COOKIES; i++)
		n += asked[i].under_way;
	return n;
}

/* ---- The sane device -------------------------------------------------------------------------------------------------- */

static uint32_t cookie_of(uint64_t address)
{
	for (uint32_t i = 0; i < COOKIES; i++)
		if (address >= (uint64_t)asked[i].data && address < (uint64_t)asked[i].data + sizeof(asked[i].data))
			return i;
	return NOBODY;
}

/* Takes what is offered, and checks that each is a request as the standard has it (5.2.6). */
static void take(void)
{
	struct model_queue *q = &model.queue[0];
	struct virtio_descriptor chain[CHAIN_MOST];
	uint16_t before = q->held_count;

	model_take(q);
	for (uint16_t i = before; i < q->held_count; i++) {
		struct seen *s = &seen[q->held[i]];
		uint32_t n, *header;

		if (model.scribbled) {
			*s = (struct seen){ .status = &nowhere, .unknown = true };
			continue;
		}
		n = model_chain(q, q->held[i], chain, CHAIN_MOST);
		header = (void *)chain[0].address;
		check(n >= 2 && chain[0].length == 16 && !(chain[0].flags & 2), "a request begins with a header");
		check(chain[n - 1].length == 1 && chain[n - 1].flags == 2, "and ends with a status");
		*s = (struct seen){ header[0], NOBODY, (void *)chain[n - 1].address, .room = 1 };
		check(header[1] == 0 && (s->type == TYPE_READ || s->type == TYPE_WRITE || header[2] == 0), "what is reserved is 0");
		check(s->type == TYPE_FLUSH || !(model.offered & READ_ONLY) || s->type == TYPE_READ, "a read-only disk is not written");
		check((s->type == TYPE_FLUSH) == (n == 2) && (s->type != TYPE_DISCARD || (n == 3 && chain[1].length == 16)), "a flush has no data, a discard a range");
		for (uint32_t k = 1; k + 1 < n; k++) {
			check(!!(chain[k].flags & 2) == (s->type == TYPE_READ), "only what is read is written to");
			s->room += s->type == TYPE_READ ? chain[k].length : 0;
			s->cookie = s->type == TYPE_DISCARD ? NOBODY : cookie_of(chain[k].address);
		}
	}
}

static void transfer(const struct virtio_descriptor *chain, uint32_t n, uint64_t sector, bool write)
{
	uint64_t at = sector * SECTOR_SIZE;
	uint8_t *disk = &cache[0][0];

	for (uint32_t k = 1; k + 1 < n; k++) {
		check(at + chain[k].length <= sizeof(cache), "requests are within the disk");
		if (write)
			memcpy(disk + at, (void *)chain[k].address, chain[k].length);
		else
			memcpy((void *)chain[k].address, disk + at, chain[k].length);
		at += chain[k].length;
	}
	check(at % SECTOR_SIZE == 0, "in sectors");
}

/* Does one of the requests that it has. An error is one of several kinds; of which some look as if all were well. */
static void serve_one(void)
{
	struct model_queue *q = &model.queue[0];
	struct virtio_descriptor chain[CHAIN_MOST];
	uint16_t head = q->held[random_below(q->held_count)]; /* in any order (2.7.9) */
	uint32_t n = model_chain(q, head, chain, CHAIN_MOST);
	struct seen *s = &seen[head];
	uint64_t sector = *(uint64_t *)(chain[0].address + 8);

	if (failing && random_below(failing) == 0) {
		uint32_t kind = (uint32_t)random_below(4), length = kind == 2 ? (uint32_t)random_below(s->room) : s->room;

		errors_given++;
		s->good = false;
		if (kind != 3) /* 3: forgotten */
			*s->status = kind == 2 ? 0 : (uint8_t)(1 + random_below(254));
		model_use(q, head, length);
		return;
	}
	if (s->type == TYPE_READ || s->type == TYPE_WRITE)
		transfer(chain, n, sector, s->type == TYPE_WRITE);
	if (s->type == TYPE_FLUSH || !(model.accepted & FLUSH)) /* who knows of no flush gets no cache (5.2.6.2) */
		memcpy(medium, cache, sizeof(medium));
	*s->status = 0;
	s->good = true;
	model_use(q, head, s->room);
}

static void drain(void)
{
	for (take(); model.queue[0].held_count; take())
		serve_one();
}

static void be_sane(uint32_t steps)
{
	uint64_t given = errors_given, told = errors_told;

	deliver_interrupts();
	check(!under_way(), "nothing is left from before");
	sane = true;
	for (uint32_t i = 0; i < steps; i++) {
		switch (random_below(8)) {
		case 0:
			blockdev_kick(d);
			break;
		case 1:
			take();
			for (uint64_t more = random_below(8); more && model.queue[0].held_count; more--)
				serve_one();
			break;
		case 2:
			deliver_interrupts();
			break;
		case 3:
			if (random_below(64) == 0)
				model.interrupt = true; /* for nothing */
			break;
		default:
			ask();
		}
		if (refused) { /* what is promised then: an interrupt comes, and room is told of, without any other help */
			blockdev_kick(d);
			chatty = false;
			for (uint32_t turns = 0; turns < 4 && refused; turns++) {
				drain();
				deliver_interrupts();
			}
			chatty = true;
			check(!refused, "after a refusal it is told when there is room");
		}
	}
	blockdev_kick(d);
	chatty = false;
	for (uint32_t i = 0; i < 4; i++) { /* a write's flush follows it */
		drain();
		deliver_interrupts();
	}
	chatty = true;
	check(!under_way(), "every request was told of");
	check(errors_given - given == errors_told - told, "as many failed as the device has failed");
	sane = false;
}

/* As many as it says are under way at a time, of one piece each, and in a table of its own of many; one more is refused until one is done. */
static void be_full(void)
{
	uint32_t n = 0;

	sane = true;
	chatty = false;
	for (; n < d->depth + 1; n++) {
		asked[n] = (struct asked){ .operation = DISK_READ, .sector = (uint32_t)random_below(SECTORS - REQUEST_SECTORS), .count = model.accepted & FEATURE_INDIRECT ? REQUEST_SECTORS : 1, .resets = model.resets };
		if (!(asked[n].under_way = model.accepted & FEATURE_INDIRECT ? submit(n) : blockdev_submit(d, DISK_READ, 0, asked[n].sector, 1, &(struct blockdev_piece){ (uint64_t)asked[n].data, SECTOR_SIZE }, 1, n)))
			break;
		submitted++;
	}
	check(n == d->depth && n == model.queue[0].size / (model.accepted & FEATURE_INDIRECT ? 1u : 3u), "as many are under way as it says, and as the queue holds");
	refused = true;
	room_told = false;
	blockdev_kick(d);
	take();
	serve_one();
	deliver_interrupts();
	check(room_told && !refused, "room is told of as soon as one is done");
	drain();
	deliver_interrupts();
	check(!under_way(), "and all are done");
	chatty = true;
	sane = false;
}

/* ---- The hostile one -------------------------------------------------------------------------------------------------- */

static void lie(void)
{
	struct model_queue *q = &model.queue[0];
	uint32_t length = random_below(4) ? (uint32_t)random_below(4200) : (uint32_t)random_below(UINT32_MAX);
	uint16_t head;

	lies++;
	if (!q->started)
		return;
	take();
	switch (random_below(9)) {
	case 0: /* anything; what is true of it is found out */
		head = (uint16_t)random_below(q->size);
		if (q->owner[head] == DEVICES)
			seen[head].good = *seen[head].status == 0 && length == seen[head].room;
		model_use_any(q, random_below(2) ? head : (uint32_t)random_below(UINT32_MAX), length);
		break;
	case 1: /* what it has, with a length and a status that may be lies */
		if (q->held_count) {
			head = q->held[random_below(q->held_count)];
			*seen[head].status = (uint8_t)random_below(3);
			length = random_below(2) ? length : seen[head].room;
			seen[head].good = *seen[head].status == 0 && length == seen[head].room;
			model_use(q, head, length);
		}
		break;
	case 2: /* the same twice */
		if (q->held_count) {
			head = q->held[0];
			seen[head].good = *seen[head].status == 0 && seen[head].room == length;
			model_use(q, head, length);
			model_use_any(q, head, length);
		}
		break;
	case 3:
		model_scribble(q);
		break;
	case 4: /* an index that leaps */
		if (random_below(8) == 0)
			model_leap(q);
		break;
	case 5: /* another size */
		model.config[random_below(8)] ^= (uint8_t)random_below(256);
		model.generation++;
		break;
	case 6:
		if (random_below(8) == 0)
			model.status |= STATUS_NEEDS_RESET;
		break;
	case 7: /* statuses, and in what the driver is to read */
		if (q->held_count)
			*seen[q->held[0]].status = (uint8_t)random_below(2);
		break;
	default: /* an interrupt for nothing */
		model.interrupt = true;
	}
}

static void be_hostile(uint32_t steps)
{
	uint8_t config[sizeof(model.config)];

	memcpy(config, model.config, sizeof(config));
	for (uint32_t i = 0; i < steps; i++) {
		for (uint64_t more = random_below(6); more > 0; more--)
			lie();
		model.interrupt = true; /* before anything else is offered, so that a lie does not become true meanwhile */
		deliver_interrupts();
		for (uint64_t more = random_below(6); more > 0; more--)
			ask();
		if (random_below(3) == 0)
			blockdev_kick(d);
		if (random_below(16) == 0)
			blockdev_reap(d);
	}
	memcpy(model.config, config, sizeof(config));
	/* The last lie is one that leads to a reset, whatever was before. */
	if (model.queue[0].started)
		model.queue[0].ring[1] = (uint16_t)(model.queue[0].used + model.queue[0].size + 1);
	chatty = false;
	for (uint32_t i = 0; i < 2; i++) {
		model.interrupt = true;
		deliver_interrupts();
	}
	chatty = true;
	check(!under_way(), "what a device that lies had has failed");
}

/* The device goes, with requests under way or without, and that is found out by a kick, by an interrupt, or by somebody who looks. */
static void go(bool with_requests, uint32_t how)
{
	sane = false;
	chatty = false;
	deliver_interrupts();
	while (with_requests && under_way() < d->depth / 2 + 1 && !refused)
		ask();
	if (with_requests && how != 0)
		blockdev_kick(d);
	if (random_below(2))
		model.absent = true;
	else
		model.stuck = true, model.status |= STATUS_NEEDS_RESET;
	if (how == 0) {
		while (!under_way())
			ask();
		blockdev_kick(d); /* it had nothing: so that is noticed at once */
		check(!under_way() || asked_again, "a kick finds out that it is gone");
		deliver_interrupts();
	} else if (how == 1) {
		model.interrupt = true;
		deliver_interrupts();
	} else {
		blockdev_reap(d);
	}
	check(d->flags & DISK_GONE, "a disk that is not there is gone");
	check(!under_way(), "and all that it had has failed");
	check(!refused, "whoever waited for room is told");
	for (uint32_t i = 0; i < 20; i++)
		check(!ask(), "it gets nothing more");
	blockdev_kick(d);
	blockdev_reap(d);
	model.interrupt = true;
	deliver_interrupts();
}

static void begin(void)
{
	static const uint16_t rooms[] = { 4, 8, 64, 100, 256, 1024 };
	uint64_t sectors = SECTORS;
	uint32_t pieces = (uint32_t)random_below(4) ? (uint32_t)random_below(200) : 126, discard[2] = { (uint32_t)random_below(3) ? REQUEST_SECTORS : 0, (uint32_t)random_below(3) };

	blockdev_count = 0;
	memset(&model, 0, sizeof(model));
	memset(asked, 0, sizeof(asked));
	memset(busy, 0, sizeof(busy));
	memset(torn, 1, sizeof(torn)); /* what is on the disk is not known */
	memset(written_at, 0, sizeof(written_at));
	model.type = VIRTIO_BLOCK;
	model.room = rooms[random_below(sizeof(rooms) / sizeof(rooms[0]))];
	model.queues = 1;
	model.offered = FEATURE_VERSION_1 | (random_below(2) ? FEATURE_EVENT_INDEX : 0) | (random_below(3) ? FEATURE_INDIRECT : 0) | (random_below(4) ? 0 : READ_ONLY) | (random_below(4) ? FLUSH : 0) |
			(random_below(2) ? DISCARD : 0) | (random_below(4) ? 1 << 2 : 0) | 1 << 6 | 1 << 11 | 1ul << 40;
	memcpy(model.config, &sectors, sizeof(sectors));
	memcpy(model.config + 12, &pieces, sizeof(pieces));
	memcpy(model.config + 36, discard, sizeof(discard));
	refused = room_told = model.interrupt = asked_again = false;
	chatty = true;
	blockdev_start();
	check(blockdev_count == 1, "a disk is found");
	d = &blockdevs[0];
	check(d->sectors == SECTORS && d->depth && d->pieces_max && d->pieces_max <= DISK_FRAMES_MAX && !(d->flags & DISK_GONE), "what is said of it makes sense");
	check(!(d->flags & DISK_CAN_WRITE) == !!(model.offered & READ_ONLY) && !(d->flags & DISK_CAN_FLUSH) == !(model.offered & FLUSH), "and is what the device says");
	blockdev_enable(d);
}

static void check_size_change(void)
{
	uint64_t sectors = SECTORS / 2;

	memcpy(model.config, &sectors, sizeof(sectors));
	model.generation++;
	model.interrupt = true;
	deliver_interrupts();
	check(d->sectors == sectors, "a change of size is seen");
	sectors = SECTORS;
	memcpy(model.config, &sectors, sizeof(sectors));
	model.interrupt = true;
	deliver_interrupts();
}

static void round_of(uint32_t steps)
{
	begin();
	failing = 0;
	be_sane(steps);
	be_full();
	check_size_change();
	failing = 8;
	be_sane(steps / 2);
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t before = model.resets;

		be_hostile(steps / 8);
		check(model.resets > before && !(d->flags & DISK_GONE), "a device that lies is reset");
		failing = 0;
		be_sane(steps / 8);
	}
	if (d->flags & DISK_CAN_WRITE)
		go(random_below(2), (uint32_t)random_below(3));
	while (allocation_count)
		free(allocations[--allocation_count]);
}

/* A device that has changed after a reset is not the one that promises were made for. */
static void changed_device(void)
{
	begin();
	model.offered ^= FLUSH;
	model.status |= STATUS_NEEDS_RESET;
	model.interrupt = true;
	deliver_interrupts();
	check(d->flags & DISK_GONE, "a device that is another after its reset is gone");
	while (allocation_count)
		free(allocations[--allocation_count]);
}

int main(void)
{
	const char *given = getenv("SEED"), *wanted = getenv("ROUNDS");
	uint64_t first = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15;
	uint64_t rounds = wanted ? strtoull(wanted, NULL, 0) : 25;

	printf("# SEED=%#lx ROUNDS=%lu\n", first, rounds);
	seed = first | 1;
	for (uint64_t i = 0; i < rounds; i++) {
		round_of(4000);
		changed_device();
	}
	printf("# %lu requests, %lu done, %lu of them failed, %lu lies\n", submitted, done, failures, lies);
	check(submitted == done, "as many done as submitted");
	printf("ok 1 - a disk may lie, fail and go: what it says is checked, and it works again when it is sane\n1..1\n");
	return 0;
}
