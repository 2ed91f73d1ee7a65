/* virtio-blk (virtio 1.2, 5.2): one queue, as many requests under way as it has entries.
 *
 * A request is a header that the device reads, the data's pieces, and a byte of status that it writes. With VIRTIO_F_INDIRECT_DESC they stand in a table of the request's own, and take one entry of the queue however many pieces there are; without, they are chained in the queue.
 * Interrupts are as few as the event index makes them: one is asked for when what the last one told of has been looked at, so that all that is done meanwhile comes with it.
 * virtio-blk has no write that goes to the medium by itself, so DISK_FUA is a flush that is sent when the write is done, before anybody is told.
 * What is done well: the status byte says so, and the device says that it has written everything that it was to write, the status among it. Any other request has failed, and what is in its frames does not matter. */
#include <kernel/boot.h>
#include <kernel/drivers/block.h>
#include <kernel/drivers/virtio.h>
#include <kernel/log.h>
#include <kernel/smp.h>

#define QUEUE_MOST 256
#define CHAIN_ENDS 2 /* header and status */
#define PIECE_MOST (DISK_FRAMES_MAX * FRAME_SIZE) /* neighbouring frames are one piece */
#define FEATURES_WANTED \
	(FEATURE_EVENT_INDEX | FEATURE_INDIRECT | FEATURE_PIECE_SIZE | FEATURE_PIECES | FEATURE_READ_ONLY | FEATURE_FLUSH | FEATURE_DISCARD)
enum { FEATURE_PIECE_SIZE = 1 << 1, FEATURE_PIECES = 1 << 2, FEATURE_READ_ONLY = 1 << 5, FEATURE_FLUSH = 1 << 9, FEATURE_DISCARD = 1 << 13 };
enum { CONFIG_SECTORS = 0, CONFIG_PIECE_SIZE = 8, CONFIG_PIECES = 12, CONFIG_DISCARD = 36 };
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4, TYPE_DISCARD = 11 };
enum { STATUS_OK = 0, STATUS_NONE = 255 /* as long as the device has not written one */ };
#define STATUS_ABSENT 0xff /* of a device: what reads as ones is not there */

/* What the device reads and writes of a request besides data. There is one for each descriptor that a chain can begin with. */
struct slot {
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	struct {
		uint64_t sector;
		uint32_t count, flags;
	} range; /* of a discard */
	uint8_t status;
	_Alignas(16) struct virtio_descriptor table[]; /* pieces_max + CHAIN_ENDS, with FEATURE_INDIRECT */
};

/* What the driver knows of the request, where no device writes; by first descriptor as well. */
struct request {
	uint32_t cookie;
	uint32_t room; /* bytes that the device is to write */
	bool flush;    /* when it is done */
};

struct disk {
	struct virtio device;
	struct blockdev *blockdev;
	struct virtio_queue queue;
	struct request *requests;
	uint8_t *slots;
	uint32_t slot_size;
	struct virtio_piece *chain; /* the one that is being put together */
	uint16_t seen;              /* the queue's, when the device was last told of something */
	bool enabled;
	bool refused;               /* somebody waits for disk_room */
	bool busy;                  /* the queue is being looked at: disk_done is not called again from within */
	uint64_t resets;            /* for the debugger */
};

struct blockdev blockdevs[DISKS_MAX]; /* owner, as of all that they lead to: the kernel lock */
uint32_t blockdev_count;

static uint64_t device_address(const void *p) { return (uint64_t)p - PHYSICAL_MAP; }
static struct slot *slot_of(const struct disk *b, uint16_t head) { return (struct slot *)(b->slots + (size_t)head * b->slot_size); }
static bool indirect(const struct disk *b) { return b->device.features & FEATURE_INDIRECT; }

/* ---- Start ------------------------------------------------------------------------------------------------------------ */

static bool read_sectors(struct disk *b)
{
	uint64_t sectors;

	if (!virtio_config(&b->device, CONFIG_SECTORS, &sectors, sizeof(sectors)))
		return false;
	b->blockdev->sectors = sectors < 1ul << EXTENT_DISK_SHIFT ? sectors : 1ul << EXTENT_DISK_SHIFT;
	return true;
}

/* How many pieces a request may have. 0: not even one as large as they come. A device that does not tell how many takes one. */
static uint32_t pieces_taken(struct disk *b)
{
	uint32_t most = 1, size = PIECE_MOST;

	if (b->device.features & FEATURE_PIECE_SIZE && (!virtio_config(&b->device, CONFIG_PIECE_SIZE, &size, sizeof(size)) || size < PIECE_MOST)) {
		log_line("a disk that takes at most %u bytes in a piece is not used", size);
		return 0;
	}
	if (b->device.features & FEATURE_PIECES && (!virtio_config(&b->device, CONFIG_PIECES, &most, sizeof(most)) || !most))
		most = 1;
	if (most > DISK_FRAMES_MAX)
		most = DISK_FRAMES_MAX;
	if (most + CHAIN_ENDS > b->queue.size) /* a chain is never longer than the queue (2.7.5.3.1) */
		most = b->queue.size - CHAIN_ENDS;
	return most;
}

static void read_abilities(struct disk *b)
{
	struct blockdev *d = b->blockdev;
	uint32_t limits[2] = { 0, 0 }; /* sectors in all of a discard's ranges, ranges */

	if (!(b->device.features & FEATURE_READ_ONLY))
		d->flags |= DISK_CAN_WRITE;
	if (b->device.features & FEATURE_FLUSH)
		d->flags |= DISK_CAN_FLUSH;
	if (b->device.features & FEATURE_DISCARD && d->flags & DISK_CAN_WRITE && virtio_config(&b->device, CONFIG_DISCARD, limits, sizeof(limits)) && limits[0] && limits[1]) {
		d->flags |= DISK_CAN_DISCARD;
		d->discard_max = limits[0];
	}
}

/* From FEATURES_OK to where it may run; the same at start and after a reset. */
static bool bring_up(struct disk *b)
{
	if (!read_sectors(b) || !queue_start(&b->queue))
		return false;
	b->seen = 0;
	queue_interrupt_after(&b->queue, 1);
	virtio_ready(&b->device);
	return true;
}

static bool make(struct disk *b)
{
	struct blockdev *d = b->blockdev;
	uint32_t size;

	if (!queue_make(&b->queue, &b->device, 0, QUEUE_MOST))
		return false;
	d->pieces_max = pieces_taken(b);
	if (!d->pieces_max)
		return false;
	size = b->queue.size;
	d->depth = indirect(b) ? size : size / (CHAIN_ENDS + 1);
	b->slot_size = sizeof(struct slot) + (indirect(b) ? (d->pieces_max + CHAIN_ENDS) * (uint32_t)sizeof(struct virtio_descriptor) : 0);
	b->slots = boot_allocate((size_t)size * b->slot_size);
	b->requests = boot_allocate(size * sizeof(*b->requests));
	b->chain = boot_allocate((d->pieces_max + CHAIN_ENDS) * sizeof(*b->chain));
	read_abilities(b);
	return true;
}

static void start(const struct virtio *v)
{
	struct blockdev *d = &blockdevs[blockdev_count];
	struct disk *b;

	if (blockdev_count == DISKS_MAX)
		return;
	b = boot_allocate(sizeof(*b));
	*b = (struct disk){ .device = *v, .blockdev = d };
	*d = (struct blockdev){ .number = blockdev_count, .driver = b };
	if (virtio_negotiate(&b->device, FEATURES_WANTED) && make(b) && bring_up(b))
		blockdev_count++;
	else
		virtio_reset(&b->device);
}

void blockdev_start(void)
{
	virtio_mmio_find(VIRTIO_BLOCK, start);
	virtio_pci_find(VIRTIO_BLOCK, start);
}

void blockdev_enable(struct blockdev *d)
{
	struct disk *b = d->driver;

	if (b->enabled || d->flags & DISK_GONE)
		return;
	b->device.transport->enable(&b->device, (uint8_t)(VECTOR_DISK0 + d->number));
	b->device.transport->acknowledge(&b->device); /* what came before is no edge any more */
	b->enabled = true;
}

/* ---- Requests --------------------------------------------------------------------------------------------------------- */

static bool add(struct disk *b, uint32_t type, uint64_t sector, uint32_t read, uint32_t written, struct request request)
{
	struct virtio_queue *q = &b->queue;
	uint16_t head = queue_next(q);
	struct slot *slot;

	if ((indirect(b) ? 1 : read + written) > q->free_count)
		return false;
	slot = slot_of(b, head);
	slot->header.type = type;
	slot->header.reserved = 0;
	slot->header.sector = sector;
	slot->status = STATUS_NONE;
	b->chain[0] = (struct virtio_piece){ device_address(&slot->header), sizeof(slot->header) };
	b->chain[read + written - 1] = (struct virtio_piece){ device_address(&slot->status), sizeof(slot->status) };
	b->requests[head] = request;
	return indirect(b) ? queue_add_indirect(q, slot->table, b->chain, read, written, head) : queue_add(q, b->chain, read, written, head);
}

static bool add_data(struct disk *b, bool write, uint64_t sector, const struct blockdev_piece *pieces, uint32_t n, struct request request)
{
	for (uint32_t i = 0; i < n; i++) {
		b->chain[1 + i] = (struct virtio_piece){ pieces[i].address, pieces[i].length };
		request.room += write ? 0 : pieces[i].length;
	}
	return add(b, write ? TYPE_WRITE : TYPE_READ, sector, write ? 1 + n : 1, write ? 1 : n + 1, request);
}

static bool add_discard(struct disk *b, uint64_t sector, uint64_t count, struct request request)
{
	struct slot *slot = slot_of(b, queue_next(&b->queue));

	if (!b->queue.free_count)
		return false;
	slot->range.sector = sector;
	slot->range.count = (uint32_t)count;
	slot->range.flags = 0;
	b->chain[1] = (struct virtio_piece){ device_address(&slot->range), sizeof(slot->range) };
	return add(b, TYPE_DISCARD, 0, 2, 1, request);
}

static bool able(const struct blockdev *d, uint32_t operation, uint64_t count, uint32_t n)
{
	switch (operation) {
	case DISK_READ:
		return n && n <= d->pieces_max;
	case DISK_WRITE:
		return n && n <= d->pieces_max && d->flags & DISK_CAN_WRITE;
	case DISK_FLUSH:
		return d->flags & DISK_CAN_FLUSH;
	case DISK_DISCARD:
		return d->flags & DISK_CAN_DISCARD && count <= d->discard_max;
	default:
		return false;
	}
}

bool blockdev_submit(struct blockdev *d, uint32_t operation, uint32_t flags, uint64_t sector, uint64_t count, const struct blockdev_piece *pieces, uint32_t n, uint32_t cookie)
{
	struct disk *b = d->driver;
	struct request request = { .cookie = cookie, .room = sizeof(((struct slot *)0)->status) };
	bool added;

	if (d->flags & DISK_GONE || !able(d, operation, count, n))
		return false;
	if (b->device.broken) {
		added = false;
	} else if (operation == DISK_FLUSH) {
		added = add(b, TYPE_FLUSH, 0, 1, 1, request);
	} else if (operation == DISK_DISCARD) {
		added = add_discard(b, sector, count, request);
	} else {
		request.flush = operation == DISK_WRITE && flags & DISK_FUA && d->flags & DISK_CAN_FLUSH;
		added = add_data(b, operation == DISK_WRITE, sector, pieces, n, request);
	}
	b->refused |= !added;
	return added;
}

/* ---- When the device is not as it should be --------------------------------------------------------------------------- */

static bool absent(struct disk *b) { return b->device.transport->status(&b->device) == STATUS_ABSENT; }

/* Does it still run? Else it is broken, and is dealt with by the next interrupt. */
static __attribute__((noinline)) bool running(struct disk *b)
{
	uint8_t status = b->device.transport->status(&b->device);

	if (!(status & STATUS_DRIVER_OK) || status & STATUS_NEEDS_RESET)
		b->device.broken = true;
	return !b->device.broken;
}

/* It is the same device as before the reset: what was promised of it still holds. */
static bool begin_anew(struct disk *b)
{
	uint64_t features = b->device.features;

	return virtio_negotiate(&b->device, FEATURES_WANTED) && b->device.features == features && bring_up(b);
}

/* All that the device had is taken from it and has failed, and it may begin anew: unless it is not there, does not let itself be reset, or is another than it was. */
static __attribute__((noinline)) void restart(struct disk *b)
{
	struct blockdev *d = b->blockdev;
	bool reset = !absent(b) && virtio_reset(&b->device);
	uint64_t head;

	b->resets++;
	if (!reset)
		d->flags |= DISK_GONE; /* before anybody is told of failures, and tries again */
	while (queue_abandon(&b->queue, &head))
		disk_done(d, b->requests[head].cookie, true);
	if (reset && !begin_anew(b)) {
		virtio_reset(&b->device);
		d->flags |= DISK_GONE;
	}
	if (d->flags & DISK_GONE) {
		b->device.broken = true;
		log_line("disk %u is gone", d->number);
	}
}

/* ---- What is done ----------------------------------------------------------------------------------------------------- */

/* The chain is done with, and its descriptors are free. */
static void done(struct disk *b, uint16_t head, bool good)
{
	struct request request = b->requests[head];

	if (good && request.flush && add(b, TYPE_FLUSH, 0, 1, 1, (struct request){ .cookie = request.cookie, .room = sizeof(((struct slot *)0)->status) }))
		return; /* there is room: the write had taken as much */
	disk_done(b->blockdev, request.cookie, !good || request.flush);
}

static bool reap(struct disk *b)
{
	struct virtio_queue *q = &b->queue;
	uint32_t length;
	uint16_t head;
	enum queue_result result;
	bool any = false;

	for (uint32_t i = 0; i < q->size && (result = queue_look(q, &head, &length)) != QUEUE_NONE; i++) {
		bool good = result == QUEUE_TAKEN && length == b->requests[head].room && __atomic_load_n(&slot_of(b, head)->status, __ATOMIC_RELAXED) == STATUS_OK;

		any = true;
		if (result == QUEUE_LIED) { /* it will never say that it is done with one of the requests: only a reset takes that away */
			b->device.broken = true;
			break;
		}
		queue_release(q, head);
		done(b, head, good);
	}
	if (!b->device.broken)
		queue_publish(q); /* flushes that follow writes, and what disk_done has submitted */
	return any;
}

/* After the queue was looked at. */
static void settle(struct disk *b, bool any)
{
	if (b->device.broken && !(b->blockdev->flags & DISK_GONE)) {
		restart(b);
		any = true;
	}
	if (b->refused && any) {
		b->refused = false;
		disk_room(b->blockdev);
	}
	b->busy = false;
}

void blockdev_interrupt(struct blockdev *d)
{
	struct disk *b = d->driver;
	bool any;

	if (!b->enabled || d->flags & DISK_GONE)
		return;
	b->busy = true;
	b->device.transport->acknowledge(&b->device); /* what comes after this is an interrupt of its own */
	any = reap(b);
	if (!b->device.broken && queue_interrupt_after(&b->queue, 1)) /* has come meanwhile: others had better have their turn first */
		apic_send(this_cpu()->apic_id, (uint8_t)(VECTOR_DISK0 + d->number));
	else if (!any && running(b)) /* it was not for the queue, so its size has changed (5.2.5), or what it was for was reaped before */
		read_sectors(b);
	settle(b, any);
}

void blockdev_reap(struct blockdev *d)
{
	struct disk *b = d->driver;
	bool any;

	if (b->busy || d->flags & DISK_GONE)
		return;
	b->busy = true;
	any = reap(b);
	if (!any)
		running(b);
	settle(b, any);
}

/* A device that had nothing to do, or has done nothing since it was last told of something, may not be there any more. Reading its status tells, and costs little beside what it is to do. */
void blockdev_kick(struct blockdev *d)
{
	struct disk *b = d->driver;
	struct virtio_queue *q = &b->queue;

	if (q->published == q->offered || b->device.broken)
		return;
	if ((q->seen == (uint16_t)q->published || q->seen == b->seen) && !running(b)) {
		apic_send(this_cpu()->apic_id, (uint8_t)(VECTOR_DISK0 + d->number)); /* which then ends what was submitted */
		return;
	}
	b->seen = q->seen;
	queue_publish_some(q);
}
