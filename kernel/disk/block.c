/* The block table: which frame holds which block. The kernel keeps it right, and does nothing with it but what is said here: who has a frame in it, who may bind that, and where it is written when it is taken by force.
 *
 * A frame that is registered is held (frame_hold), so that it becomes nothing else and is not freed by the way. It leaves the table before its contents stop being the block's: then the
 * bindings go that were made by an extent (ENTRY_LENT), and no others. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>
#include <kernel/info.h>
#include <kernel/revoke.h>
#include <kernel/smp.h>

#define CHAIN_MOST 64 /* frames of one hash: a search must end, whatever blocks somebody has chosen */
#define WALK_MOST 512 /* bindings that are looked at one by one */

struct aegis_block_info *block_table;
static frame_t *block_index;                             /* owner of all of it: the kernel lock */
static struct { frame_t next, previous; } *stripe_links; /* by frame: its neighbours of the stripe */

void block_start(void)
{
	uint32_t hashes = 1;
	uint64_t table = frame_count * sizeof(*block_table);

	while (hashes * 2ul <= frame_count)
		hashes *= 2;
	block_table = boot_allocate(table);
	block_index = boot_allocate(hashes * sizeof(*block_index));
	stripe_links = boot_allocate(frame_count * sizeof(*stripe_links));
	frame_expose(block_table, table);
	frame_expose(block_index, hashes * sizeof(*block_index));
	machine_info->block_hashes = hashes;
	machine_info->block_table = (struct aegis_range){ kernel_frame(block_table), (uint32_t)((table + FRAME_SIZE - 1) / FRAME_SIZE) };
	machine_info->block_index = (struct aegis_range){ kernel_frame(block_index), (uint32_t)((hashes * sizeof(*block_index) + FRAME_SIZE - 1) / FRAME_SIZE) };
}

void block_work_done(const struct block_work *work)
{
	if (work->breaks != BREAK_BUDGET)
		forget_everywhere();
}

static struct disk *disk_of(uint64_t block) { return &disks[extent_disk(block)]; }

static struct stripe *stripe_of(uint64_t block) { return &disk_of(block)->stripes[extent_sector(block) >> disk_of(block)->stripe_shift]; }

/* Nothing of its stripe was revoked since. */
static bool fresh(frame_t f) { return block_table[f].epoch >= stripe_of(block_table[f].block)->revoked; }

static frame_t *chain(uint64_t block) { return &block_index[block_hash(block, machine_info->block_hashes)]; }

/* The frame of a block, or 0. *length: how many the search has seen. */
static frame_t find(uint64_t block, uint32_t *length)
{
	frame_t f = *chain(block);

	for (*length = 0; f && block_table[f].block != block; f = block_table[f].next)
		++*length;
	return f;
}

static void enter(frame_t f, uint64_t block, uint32_t epoch, uint32_t state)
{
	frame_t *first = chain(block);
	struct stripe *s = stripe_of(block);

	block_table[f] = (struct aegis_block_info){ .block = block, .epoch = epoch == EPOCH_ANY ? disk_of(block)->info->epoch : epoch, .next = *first, .state = state };
	if (*first)
		block_table[*first].previous = f;
	*first = f;
	stripe_links[f].next = 0;
	stripe_links[f].previous = s->last;
	if (s->last)
		stripe_links[s->last].next = f;
	else
		s->first = f;
	s->last = f;
	frame_hold(f);
}

static void take_out(frame_t f)
{
	struct aegis_block_info *entry = &block_table[f];
	struct stripe *s = stripe_of(entry->block);
	frame_t next = stripe_links[f].next, previous = stripe_links[f].previous;

	if (entry->next)
		block_table[entry->next].previous = entry->previous;
	if (entry->previous)
		block_table[entry->previous].next = entry->next;
	else
		*chain(entry->block) = entry->next;
	if (next)
		stripe_links[next].previous = previous;
	else
		s->last = previous;
	if (previous)
		stripe_links[previous].next = next;
	else
		s->first = next;
	*entry = (struct aegis_block_info){ 0 };
	frame_let_go(f);
}

/* Bindings of f by extents go; where it is bound very often, all do: who may binds it again. False: more are left. */
static bool break_lent(frame_t f, struct block_work *work)
{
	uint32_t n = frame_table[f].bindings;

	if (n > WALK_MOST)
		return bind_break_all(f, &work->breaks) == 0;
	if (n >= work->steps)
		return false;
	work->steps -= n + 1;
	return bind_break_lent(f, &work->breaks);
}

/* Of a frame that was taken by force its account learns where its contents went. */
static void tell_fate(frame_t f)
{
	uint32_t state = block_table[f].state;

	if (state >= BLOCK_DIRTY)
		revoke_lost(frame_table[f].owner, state == BLOCK_WRITTEN ? LOSS_WRITTEN : LOSS_UNWRITTEN, block_table[f].block);
}

int64_t block_remove(frame_t f, struct block_work *work)
{
	if (!break_lent(f, work))
		return -E_AGAIN;
	if (frame_table[f].state == FRAME_TAKEN)
		tell_fate(f);
	take_out(f);
	return 0;
}

/* ---- Registering ------------------------------------------------------------------------------------------------------- */

void block_enter_clean(frame_t f, uint64_t block, uint32_t epoch)
{
	uint32_t length;

	if (block_registered(f)) {
		if (block_table[f].block == block && fresh(f))
			block_table[f].state = BLOCK_CLEAN;
	} else if (!find(block, &length) && length < CHAIN_MOST) {
		enter(f, block, epoch, BLOCK_CLEAN);
	}
}

int64_t block_make_room(frame_t f, uint64_t block, struct block_work *work)
{
	return block_registered(f) && (block_table[f].block != block || !fresh(f)) ? block_remove(f, work) : 0;
}

/* The block's other frame, if it has one, may be taken out? */
static int64_t check_other(frame_t other)
{
	if (frame_table[other].state == FRAME_TAKEN && (frame_table[other].pins & ~PIN_HELD || block_table[other].state == BLOCK_DIRTY))
		return -E_BUSY; /* it is being written there, or soon is */
	if (fresh(other) && block_table[other].state == BLOCK_DIRTY && frame_table[other].owner != env_account(current_env()))
		return -E_BUSY;
	return 0;
}

static int64_t check_block(const struct aegis_block *b, const struct slot *s)
{
	if (b->sector % BLOCK_SECTORS)
		return -E_INVALID;
	if (!(s->rights & RIGHT_WRITE) || b->sector < s->first || b->sector - s->first >= s->count || BLOCK_SECTORS > s->count - (b->sector - s->first))
		return -E_DENIED;
	return extent_good(&disks[s->disk], b->sector, BLOCK_SECTORS, s->epoch) ? 0 : -E_STATE;
}

static int64_t enter_one(const struct aegis_block *b, const struct slot *s, struct block_work *work)
{
	uint64_t block = EXTENT(s->disk, b->sector);
	uint32_t length;
	frame_t other = find(block, &length);
	int64_t error;

	if (other == b->frame && fresh(other)) {
		block_table[other].state = b->state;
		return 0;
	}
	if (length >= CHAIN_MOST)
		return -E_FULL;
	if (other && other != b->frame && ((error = check_other(other)) || (error = block_remove(other, work))))
		return error;
	if (block_registered(b->frame) && (error = block_remove(b->frame, work)))
		return error;
	enter(b->frame, block, s->epoch, b->state);
	return 0;
}

static int64_t register_one(const struct queue *q, uint64_t user, struct block_work *work)
{
	struct aegis_block b;
	int64_t error;

	if ((error = copy_from_user(&b, user, sizeof(b))))
		return error;
	if (b.state > BLOCK_DIRTY || (b.state && b.slot >= QUEUE_SLOTS))
		return -E_INVALID;
	if (b.state && (error = check_block(&b, &q->slots[b.slot])))
		return error;
	if (!frame_owned(b.frame, current_env()->account))
		return -E_DENIED;
	if (b.state)
		return enter_one(&b, &q->slots[b.slot], work);
	return block_registered(b.frame) ? block_remove(b.frame, work) : 0;
}

int64_t call_block_register(uint64_t name, uint64_t list, uint64_t n, uint64_t d, uint64_t unused)
{
	struct queue *q = queue_mine(name);
	struct block_work work = BLOCK_WORK;
	uint64_t done = 0;
	int64_t error = 0;

	(void)d, (void)unused;
	if (n - 1 >= AEGIS_BATCH_MAX)
		return -E_INVALID;
	if (!q)
		return -E_DENIED;
	while (done < n && !(error = register_one(q, list + done * sizeof(struct aegis_block), &work)))
		done++;
	block_work_done(&work);
	return done ? (int64_t)done : error;
}

/* ---- For the rest of the kernel ------------------------------------------------------------------------------------------ */

bool block_clear_stripe(struct stripe *s, struct block_work *work)
{
	frame_t next;

	for (frame_t f = s->first; f && !fresh(f); f = next) {
		next = stripe_links[f].next;
		if (frame_table[f].state == FRAME_TAKEN && frame_table[f].pins & ~PIN_HELD)
			continue; /* it is perhaps being written: then the request is counted */
		if (block_remove(f, work))
			return false;
	}
	return true;
}

bool block_may_bind(const struct aegis_cap *cap, frame_t f, uint64_t flags)
{
	const struct aegis_block_info *entry = &block_table[f];

	if (!block_registered(f) || frame_table[f].state != FRAME_OWNED || !(cap->rights & RIGHT_READ) || (flags & BIND_WRITE && !(cap->rights & RIGHT_WRITE)) ||
		(flags & BIND_EXEC && !(cap->rights & RIGHT_EXEC)))
		return false;
	return cap_covers(cap, entry->block) && cap_covers(cap, entry->block + BLOCK_SECTORS - 1) && fresh(f) && cap->epoch >= stripe_of(entry->block)->revoked;
}

int64_t block_leave(frame_t f, struct block_work *work)
{
	if (frame_table[f].next > 1 || frame_table[f].pins & ~PIN_HELD)
		return -E_BUSY; /* a ring's too, or a device has it */
	if (!break_lent(f, work))
		return -E_AGAIN;
	if (frame_table[f].bindings)
		return -E_BUSY;
	take_out(f);
	return 0;
}

/* From when it is handed to the disk on nobody can use it: its account would else go on for ever changing it. */
int64_t block_take(frame_t f)
{
	const struct aegis_block_info *entry = &block_table[f];
	struct disk *d = disk_of(entry->block);

	if (entry->state == BLOCK_DIRTY && fresh(f) && (d->driver->flags & (DISK_CAN_WRITE | DISK_GONE)) == DISK_CAN_WRITE) {
		frame_table[f].state = FRAME_TAKEN;
		if (!disk_write_frame(d, f, extent_sector(entry->block), entry->epoch))
			blockdev_reap(d->driver);
		return -E_AGAIN;
	}
	tell_fate(f);
	take_out(f);
	return 0;
}
