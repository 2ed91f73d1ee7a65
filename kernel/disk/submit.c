/* Requests: copied once, checked wholly, handed to the device with their frames pinned, and what follows when it is done with them. */
#include <kernel/call.h>
#include <kernel/disk/disk.h>

#define REQUEST_SECTORS_MAX (DISK_FRAMES_MAX * BLOCK_SECTORS)

/* Of the request that is being handed over; one at a time, as the kernel lock is held. */
static struct {
	frame_t frames[DISK_FRAMES_MAX];
	struct blockdev_piece pieces[DISK_FRAMES_MAX];
} work;

/* Its owner is told when it completes something, or where a disk is given when there is room. */
static int64_t put_off(struct queue *q, struct disk *d, struct user *u)
{
	q->refused = true;
	if (d)
		queue_wait(q, d, u);
	return -E_FULL;
}

/* If there is none, perhaps the device is done with something. */
static bool has_room(struct disk *d, const struct user *u)
{
	if (user_has_room(u, d))
		return true;
	blockdev_reap(d->driver);
	return user_has_room(u, d);
}

/* ---- Checks ------------------------------------------------------------------------------------------------------------ */

static int64_t check_kind(const struct aegis_disk_request *r, const struct slot *s, const struct disk *d)
{
	uint16_t rights = r->operation == DISK_READ ? RIGHT_READ : RIGHT_WRITE;

	if (r->operation > DISK_DISCARD || r->flags & ~(DISK_FUA | DISK_REGISTER) || (r->flags & DISK_FUA && r->operation != DISK_WRITE) ||
		(r->flags & DISK_REGISTER && r->operation > DISK_WRITE))
		return -E_INVALID;
	if (r->flags & DISK_REGISTER)
		rights |= RIGHT_WRITE;
	if ((s->rights & rights) != rights || (r->operation != DISK_READ && !(d->driver->flags & DISK_CAN_WRITE)))
		return -E_DENIED;
	return r->operation == DISK_DISCARD && !(d->driver->flags & DISK_CAN_DISCARD) ? -E_INVALID : 0;
}

/* A flush is for no sectors: who has none that are good any more gains nothing by it. */
static int64_t check_range(const struct aegis_disk_request *r, const struct slot *s, const struct disk *d)
{
	uint64_t most = r->operation == DISK_DISCARD ? d->driver->discard_max : REQUEST_SECTORS_MAX;

	if (r->operation == DISK_FLUSH)
		return r->count ? -E_INVALID : 0;
	if (r->count == 0 || r->count > most)
		return -E_INVALID;
	if (r->sector < s->first || r->sector - s->first >= s->count || r->count > s->count - (r->sector - s->first))
		return -E_DENIED;
	if (r->flags & DISK_REGISTER && (r->sector % BLOCK_SECTORS || r->count % BLOCK_SECTORS || r->offset))
		return -E_INVALID;
	return extent_good(d, r->sector, r->count, s->epoch) ? 0 : -E_STATE;
}

static int64_t check_tell(env_id id)
{
	const struct env *e = id ? env_find(id) : current_env();

	if (!e || e->stopping)
		return -E_NOENV;
	return e->account == current_env()->account ? 0 : -E_DENIED;
}

/* Fetches the frames' numbers. */
static int64_t check_frames(struct queue *q, const struct aegis_disk_request *r, uint32_t *n)
{
	const struct env *account = current_env()->account;
	int64_t error;

	*n = 0;
	if (r->operation > DISK_WRITE)
		return 0;
	if (r->offset >= FRAME_SIZE || r->offset % SECTOR_SIZE)
		return -E_INVALID;
	*n = (uint32_t)((r->offset + r->count * SECTOR_SIZE + FRAME_SIZE - 1) / FRAME_SIZE);
	if (*n > DISK_FRAMES_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(work.frames, r->frames, *n * sizeof(frame_t))))
		return error;
	for (uint32_t i = 0; i < *n; i++) {
		if (!frame_owned(work.frames[i], account))
			return -E_DENIED;
		if (!frame_can_pin(work.frames[i], DISK_FRAMES_MAX))
			return put_off(q, NULL, NULL);
	}
	return 0;
}

/* Frames that are neighbours are one piece. */
static uint32_t merge(const struct aegis_disk_request *r, uint32_t n)
{
	uint32_t left = r->count * SECTOR_SIZE, offset = r->offset, pieces = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t address = ((uint64_t)work.frames[i] << FRAME_SHIFT) + offset;
		uint32_t length = left < FRAME_SIZE - offset ? left : (uint32_t)(FRAME_SIZE - offset);

		if (pieces && work.pieces[pieces - 1].address + work.pieces[pieces - 1].length == address)
			work.pieces[pieces - 1].length += length;
		else
			work.pieces[pieces++] = (struct blockdev_piece){ address, length };
		left -= length;
		offset = 0;
	}
	return pieces;
}

/* ---- Handing over ------------------------------------------------------------------------------------------------------- */

static struct request *request_take(struct disk *d)
{
	struct request *r = &d->requests[d->free_request];

	d->free_request = r->next;
	d->free_count--;
	d->info->under_way++;
	r->used = true;
	return r;
}

static void request_give(struct disk *d, struct request *r)
{
	r->used = false;
	r->next = d->free_request;
	d->free_request = (uint32_t)(r - d->requests);
	d->free_count++;
	d->info->under_way--;
}

static void complete(struct queue *q, uint64_t tag, env_id id, int64_t result)
{
	q->page->completions[q->produced % QUEUE_COMPLETIONS] = (struct aegis_completion){ .tag = tag, .result = (int32_t)result };
	q->produced++;
	__atomic_store_n(&q->page->produced, q->produced, __ATOMIC_RELEASE); /* what it counts is there */
	if (id && !queue_tell(q, id))
		queue_tell(q, q->owner);
}

static void accept(struct queue *q) { q->page->accepted = ++q->accepted; }

/* Frames that are to be registered when it is done are registered for nothing else. */
static int64_t make_room_in_table(const struct aegis_disk_request *r, const struct disk *d, uint32_t n)
{
	struct block_work budget = BLOCK_WORK;
	int64_t error = 0;

	for (uint32_t i = 0; i < n && !error; i++)
		error = block_make_room(work.frames[i], EXTENT(disk_number(d), r->sector + i * BLOCK_SECTORS), &budget);
	block_work_done(&budget);
	return error;
}

static int64_t hand_over(struct queue *q, struct disk *d, const struct slot *s, const struct aegis_disk_request *r, uint32_t n)
{
	uint32_t pieces = merge(r, n);
	struct request *under_way;
	int64_t error;

	if (pieces > d->driver->pieces_max)
		return -E_INVALID;
	if (!has_room(d, s->user))
		return put_off(q, d, s->user);
	if (r->flags & DISK_REGISTER && (error = make_room_in_table(r, d, n)))
		return error;
	if (!blockdev_submit(d->driver, r->operation, r->flags & DISK_FUA, r->sector, r->count, work.pieces, pieces, d->free_request))
		return put_off(q, d, s->user);
	under_way = request_take(d);
	under_way->tag = r->tag;
	under_way->sector = r->sector;
	under_way->count = r->count;
	under_way->epoch = s->epoch;
	under_way->user = s->user;
	under_way->queue = kernel_frame(q);
	under_way->tell = r->tell;
	under_way->operation = r->operation;
	under_way->flags = r->flags;
	under_way->pinned = n;
	for (uint32_t i = 0; i < n; i++) {
		frame_pin(under_way->frames[i] = work.frames[i]);
		frame_table[work.frames[i]].clean = 0;
	}
	s->user->under_way++;
	accept(q);
	return 0;
}

static int64_t submit_one(struct queue *q, uint64_t user, uint32_t *disks_used)
{
	struct aegis_disk_request r;
	const struct slot *s;
	struct disk *d;
	int64_t error;
	uint32_t n;

	if ((error = copy_from_user(&r, user, sizeof(r))))
		return error;
	if (r.slot >= QUEUE_SLOTS)
		return -E_INVALID;
	s = &q->slots[r.slot];
	d = &disks[s->disk];
	if (!s->count)
		return -E_DENIED;
	if ((error = check_kind(&r, s, d)) || (error = check_range(&r, s, d)) || (error = check_tell(r.tell)) || (error = check_frames(q, &r, &n)))
		return error;
	if (q->accepted - q->page->consumed >= QUEUE_COMPLETIONS) /* a lie costs or spoils the liar's own */
		return put_off(q, NULL, NULL);
	if (d->driver->flags & DISK_GONE || (r.operation == DISK_FLUSH && !(d->driver->flags & DISK_CAN_FLUSH))) { /* or what is done is on the medium */
		accept(q);
		complete(q, r.tag, r.tell, d->driver->flags & DISK_GONE ? -E_IO : 0);
		return 0;
	}
	error = hand_over(q, d, s, &r, n);
	if (!error)
		*disks_used |= 1u << s->disk;
	return error;
}

int64_t call_disk_submit(uint64_t name, uint64_t list, uint64_t n, uint64_t d, uint64_t unused)
{
	struct queue *q = queue_mine(name);
	uint32_t disks_used = 0;
	uint64_t done = 0;
	int64_t error = 0;

	(void)d, (void)unused;
	if (n - 1 >= DISK_SUBMIT_MAX)
		return -E_INVALID;
	if (!q)
		return -E_DENIED;
	while (done < n && !(error = submit_one(q, list + done * sizeof(struct aegis_disk_request), &disks_used)))
		done++;
	for (uint32_t i = 0; i < disk_count; i++)
		if (disks_used >> i & 1)
			blockdev_kick(disks[i].driver);
	return done ? (int64_t)done : error;
}

/* ---- Done --------------------------------------------------------------------------------------------------------------- */

static void count(struct aegis_disk_info *info, const struct request *r, bool failed)
{
	if (failed) {
		info->errors++;
	} else if (r->operation == DISK_READ) {
		info->reads++;
		info->sectors_read += r->count;
	} else if (r->operation == DISK_WRITE) {
		info->writes++;
		info->sectors_written += r->count;
	} else if (r->operation == DISK_FLUSH) {
		info->flushes++;
	}
}

static void done_for(struct queue *q, struct disk *d, const struct request *r, bool failed)
{
	if (--r->user->under_way == 0)
		user_leave(d, r->user);
	if (r->flags & DISK_REGISTER && !failed && extent_good(d, r->sector, r->count, r->epoch))
		for (uint32_t i = 0; i < r->pinned; i++)
			block_enter_clean(r->frames[i], EXTENT(disk_number(d), r->sector + i * BLOCK_SECTORS), r->epoch);
	complete(q, r->tag, r->tell, failed ? -E_IO : 0);
	if (!q->refused)
		return;
	q->refused = false;
	queue_stop_waiting(q, d);
	queue_tell(q, q->owner);
}

void disk_done(struct blockdev *driver, uint32_t cookie, bool failed)
{
	struct disk *d = &disks[driver->number];
	struct request *r = &d->requests[cookie];

	count(d->info, r, failed);
	d->info->flags = driver->flags;
	for (uint32_t i = 0; i < r->pinned; i++)
		frame_unpin(r->frames[i]);
	if (r->queue)
		done_for(queue_of(r->queue), d, r, failed);
	else
		block_table[r->frames[0]].state = failed ? BLOCK_UNWRITTEN : BLOCK_WRITTEN;
	request_give(d, r);
	disk_tell_next(d);
}

uint32_t disk_stale_under_way(const struct disk *d, uint64_t sector, uint64_t sectors)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->driver->depth; i++) {
		const struct request *r = &d->requests[i];

		n += r->used && r->count && r->sector < sector + sectors && sector < r->sector + r->count && !extent_good(d, r->sector, r->count, r->epoch);
	}
	return n;
}

bool disk_write_frame(struct disk *d, frame_t f, uint64_t sector, uint32_t epoch)
{
	struct blockdev_piece piece = { (uint64_t)f << FRAME_SHIFT, FRAME_SIZE };
	struct request *r;

	if (!d->free_count || !blockdev_submit(d->driver, DISK_WRITE, 0, sector, BLOCK_SECTORS, &piece, 1, d->free_request))
		return false;
	r = request_take(d);
	*r = (struct request){ .sector = sector, .count = BLOCK_SECTORS, .epoch = epoch, .operation = DISK_WRITE, .used = true, .pinned = 1, .frames = { f } };
	frame_pin(f);
	if (!d->enabled)
		blockdev_enable(d->driver);
	d->enabled = true;
	blockdev_kick(d->driver);
	return true;
}
