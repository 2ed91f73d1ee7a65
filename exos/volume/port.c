/* What exos/ext2 needs, from exos/disk: lists of blocks as few requests, as many as there are at a time. Called by whoever holds the volume, or commits. */
#include <exos/volume/internal.h>

/* Requests of one list. Whoever waits for it may be stopped: then the last request frees it. */
struct transfer {
	uint32_t under_way;
	int error;
	struct wait_queue queue;
};
struct block_request {
	struct disk_request disk;
	struct transfer *transfer;
	uint32_t room;
	frame_t frames[];
};
struct port {
	struct volume *volume;
	struct block_request *spare; /* for when memory is out, with */
	struct transfer *spare_transfer;
	bool spare_busy;
	struct wait_queue spare_queue;
};

static size_t request_bytes(uint32_t room) { return sizeof(struct block_request) + room * sizeof(frame_t); }

struct port *port_new(struct volume *v)
{
	struct port *p = heap_alloc(sizeof(*p));

	if (!p)
		return NULL;
	p->volume = v;
	wait_queue_init(&p->spare_queue);
	p->spare = heap_alloc(request_bytes(1));
	p->spare_transfer = heap_alloc(sizeof(*p->spare_transfer));
	if (p->spare && p->spare_transfer)
		return p;
	port_end(p);
	return NULL;
}

void port_end(struct port *p)
{
	heap_free(p->spare);
	heap_free(p->spare_transfer);
	heap_free(p);
}

static uint64_t now(void *data) { return (void)data, time_calendar(); }
static void *allocate(void *data, size_t n) { return (void)data, heap_alloc(n); }
static void release(void *data, void *p) { (void)data, heap_free(p); }

static void *page(void *data)
{
	frame_t f = frame_get();

	(void)data;
	return f == NO_FRAME ? NULL : frame_address(f);
}

static void page_free(void *data, void *p) { (void)data, frame_put(address_frame(p)); }

static void transfer_done(struct port *p, struct block_request *r, int error)
{
	struct transfer *t = r->transfer;

	if (error)
		t->error = error;
	t->under_way--;
	wake_all(&t->queue);
	if (r != p->spare)
		heap_free(r);
}

static void finished(struct disk_request *disk)
{
	struct block_request *r = CONTAINER_OF(disk, struct block_request, disk);

	transfer_done(disk->data, r, disk->error);
}

/* How many blocks of the list from the first on one request can move: neighbours on the disk whose memory fills frames to their ends. */
static uint32_t run_of(const struct volume *v, const struct ext2_io *list, uint32_t n, uint32_t *frames)
{
	uint32_t run = 1;

	*frames = 1;
	while (run < n && list[run].block == list[run - 1].block + 1) {
		uintptr_t end = (uintptr_t)list[run - 1].memory + v->block_size, next = (uintptr_t)list[run].memory;

		if (end % FRAME_SIZE ? next != end : next % FRAME_SIZE)
			break;
		if (end % FRAME_SIZE == 0 && ++*frames > DISK_FRAMES_MAX) {
			*frames = DISK_FRAMES_MAX;
			break;
		}
		run++;
	}
	return run;
}

static void fill(struct block_request *r, const struct volume *v, const struct ext2_io *list, uint32_t n)
{
	uint32_t frames = 0;

	/* A frame for each block that begins one: it may be the frame that ends with the block before. */
	for (uint32_t i = 0; i < n; i++)
		if (!frames || (uintptr_t)list[i].memory % FRAME_SIZE == 0)
			r->frames[frames++] = address_frame(list[i].memory);
	r->disk.sector = v->part.first + list->block * v->block_sectors;
	r->disk.count = n * v->block_sectors;
	r->disk.offset = (uint32_t)((uintptr_t)list->memory % FRAME_SIZE);
	r->disk.frame_count = frames;
}

/* What is not set is zero. */
static void begin(struct port *p, struct block_request *r, struct transfer *t, uint8_t operation, uint8_t flags)
{
	r->transfer = t;
	r->disk.operation = operation;
	r->disk.flags = flags;
	r->disk.frames = r->frames;
	r->disk.finished = finished;
	r->disk.data = p;
	t->under_way++;
	disk_submit(p->volume->part.disk, &r->disk);
}

static int wait_for(struct port *p, struct transfer *t)
{
	int error;

	disk_push(p->volume->part.disk);
	disk_input();
	while (t->under_way)
		wait_surely(&t->queue);
	error = t->error;
	if (t != p->spare_transfer)
		heap_free(t);
	return error;
}

static struct transfer *spare_take(struct port *p)
{
	while (p->spare_busy)
		wait_surely(&p->spare_queue);
	p->spare_busy = true;
	*p->spare_transfer = (struct transfer){0};
	wait_queue_init(&p->spare_transfer->queue);
	p->spare->disk = (struct disk_request){0};
	return p->spare_transfer;
}

static void spare_give(struct port *p)
{
	p->spare_busy = false;
	wake_one(&p->spare_queue);
}

/* Without memory: one block after the other, by the request that was put aside. */
static int move_slowly(struct port *p, const struct ext2_io *list, uint32_t n, uint8_t operation, uint8_t flags)
{
	int error = 0;

	for (uint32_t i = 0; i < n && !error; i++) {
		struct transfer *t = spare_take(p);

		fill(p->spare, p->volume, &list[i], 1);
		begin(p, p->spare, t, operation, flags);
		error = wait_for(p, t);
		spare_give(p);
	}
	return error;
}

static int move(struct port *p, const struct ext2_io *list, uint32_t n, uint8_t operation, uint8_t flags)
{
	struct transfer *t = heap_alloc(sizeof(*t));
	uint32_t done = 0;
	int error, rest = 0;

	if (!t)
		return move_slowly(p, list, n, operation, flags);
	wait_queue_init(&t->queue);
	while (done < n) {
		uint32_t frames, run = run_of(p->volume, list + done, n - done, &frames);
		struct block_request *r = heap_alloc(request_bytes(frames));

		if (!r)
			break;
		fill(r, p->volume, list + done, run);
		begin(p, r, t, operation, flags);
		done += run;
	}
	error = wait_for(p, t);
	if (done < n)
		rest = move_slowly(p, list + done, n - done, operation, flags);
	return error ? error : rest;
}

static int read_list(void *data, const struct ext2_io *list, uint32_t n) { return move(data, list, n, DISK_READ, 0); }

static bool can_flush(const struct port *p) { return disk_info(p->volume->part.disk)->flags & DISK_CAN_FLUSH; }

static int write_list(void *data, const struct ext2_io *list, uint32_t n, bool lasting)
{
	return move(data, list, n, DISK_WRITE, lasting && can_flush(data) ? DISK_FUA : 0);
}

/* A device without a cache of its own has nothing to flush. */
static int flush(void *data)
{
	struct port *p = data;
	struct transfer *t;
	struct block_request *r;
	int error;

	if (!can_flush(p))
		return 0;
	t = heap_alloc(sizeof(*t));
	r = t ? heap_alloc(request_bytes(0)) : NULL;
	if (r) {
		wait_queue_init(&t->queue);
		begin(p, r, t, DISK_FLUSH, 0);
		return wait_for(p, t);
	}
	heap_free(t);
	t = spare_take(p);
	begin(p, p->spare, t, DISK_FLUSH, 0);
	error = wait_for(p, t);
	spare_give(p);
	return error;
}

const struct ext2_port volume_port = {
	.now = now,
	.allocate = allocate,
	.free = release,
	.page = page,
	.page_free = page_free,
	.read = read_list,
	.write = write_list,
	.flush = flush,
};

int port_read_bytes(void *data, uint64_t offset, void *to, uint32_t n)
{
	struct port *p = data;

	return disk_transfer(p->volume->part.disk, DISK_READ, 0, p->volume->part.first + (offset >> SECTOR_SHIFT), n >> SECTOR_SHIFT, to);
}

void port_set_block_size(void *data, uint32_t size)
{
	struct volume *v = ((struct port *)data)->volume;

	v->block_size = size;
	v->block_shift = (uint32_t)__builtin_ctz(size);
	v->block_sectors = size >> SECTOR_SHIFT;
	v->page_blocks = (uint32_t)(FRAME_SIZE / size);
}
