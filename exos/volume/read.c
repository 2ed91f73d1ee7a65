/* Reading: pages come from the disk in runs, straight into the frames that programs then map or read from. Who reads in order finds them there before he asks. */
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/volume/internal.h>
#include <exos/x86_64/entry.h>

static uint64_t pages_of(const struct inode *i) { return ROUND_UP(i->size, FRAME_SIZE) / FRAME_SIZE; }

/* The last ones are not for contents, as processes need some that are neighbours. False: they have to be taken all the same. */
static bool leave_some(void)
{
	struct frame_counts counts = frame_counts();

	return counts.free + counts.held_idle >= counts.total / 32 || volumes_shrink(64);
}

/* A frame for contents. */
frame_t page_frame(bool zeroed)
{
	leave_some();
	return zeroed ? frame_get_zeroed() : frame_get();
}

/* Enters frames for up to `count` pages that are not there, from `index` on; how many. They are being read from then on, one request being the reader's own. */
static uint64_t run_begin(struct vnode *n, uint64_t index, uint64_t count)
{
	uint64_t done = 0;

	for (; done < count && !cache_slot(&n->tree, index + done); done++) {
		/* More than is wanted is read only while there is memory for it, which is not looked for over and over. */
		frame_t frame = leave_some() || !done ? frame_get() : NO_FRAME;

		if (frame == NO_FRAME)
			break;
		if (page_add(n, index + done, frame, SLOT_READING | SLOT_FRESH | SLOT_ONE_REQUEST)) {
			frame_put(frame);
			break;
		}
	}
	return done;
}

struct reader {
	struct request_builder builder;
	uint64_t at; /* the next block of the file */
	bool holding;
};

/* Where blocks are. What is known is used as it is; otherwise the volume is held, until the run is done. */
static int map(struct reader *r, uint64_t at, uint32_t most, uint64_t *block, uint32_t *count)
{
	struct vnode *n = r->builder.node;
	int err = 0;

	if (ext2_map_known(n->node, at, most, block, count))
		return 0;
	if (!r->builder.may_wait)
		return -EAGAIN;
	if (!r->holding) {
		request_end(&r->builder);
		err = hold_take(n->volume);
		r->holding = !err;
	}
	return err ? err : ext2_map(n->node, at, most, block, count);
}

/* The part of a page from `offset` on that is in `count` blocks at `block`. */
static int read_part(struct reader *r, uint64_t index, uint32_t offset, uint64_t block, uint32_t count)
{
	struct vnode *n = r->builder.node;
	uint64_t *slot = cache_slot(&n->tree, index);
	uint32_t bytes = count << n->volume->block_shift;

	if (block)
		return request_add(&r->builder, index, slot_frame(*slot), offset, block, count);
	*slot &= ~(uint64_t)SLOT_PLACED;
	memset((char *)frame_address(slot_frame(*slot)) + offset, 0, bytes);
	return 0;
}

static int read_blocks(struct reader *r, uint64_t first, uint64_t pages)
{
	struct volume *v = r->builder.node->volume;
	uint64_t end = (first + pages) * v->page_blocks;

	r->at = first * v->page_blocks;
	while (r->at < end) {
		uint64_t block;
		uint32_t count, part;
		int err = map(r, r->at, (uint32_t)MIN(end - r->at, (uint64_t)UINT32_MAX), &block, &count);

		if (err)
			return err;
		for (; count; count -= part, block += block ? part : 0, r->at += part) {
			uint64_t index = r->at / v->page_blocks;
			uint32_t in_page = (uint32_t)(r->at % v->page_blocks);

			part = MIN(count, v->page_blocks - in_page);
			r->builder.left = (uint32_t)MIN(first + pages - 1 - index, (uint64_t)UINT32_MAX);
			err = read_part(r, index, in_page << v->block_shift, block, part);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The reader's own request for a page is over. One that was not asked for to its end goes, or is marked to go: nobody has seen an error. */
static void page_end(struct vnode *n, uint64_t index, bool whole, int err)
{
	uint64_t *slot = cache_slot(&n->tree, index);

	if (!whole)
		*slot |= SLOT_FAILED | (err == -EIO ? 0 : SLOT_AGAIN);
	page_request_done(n, index, false, 0);
	if (*slot & SLOT_AGAIN && !(*slot & SLOT_READING))
		page_remove(n, index, slot);
}

/* Begins to read a run: how many pages, or -errno. What the disk does not give is found out by who waits for it. */
static ssize run_read(struct vnode *n, uint64_t index, uint64_t count, bool may_wait)
{
	struct reader r = {.builder = {.node = n, .may_wait = may_wait}};
	uint64_t pages = run_begin(n, index, count), whole;
	int err;

	if (!pages)
		return -ENOMEM;
	n->reading++;
	inode_ref(&n->inode);
	for (uint64_t i = 0; i < pages; i++)
		*cache_slot(&n->tree, index + i) |= SLOT_PLACED;
	n->building++;
	err = read_blocks(&r, index, pages);
	request_end(&r.builder);
	n->building--;
	if (r.holding)
		hold_give(n->volume);
	whole = err ? r.at / n->volume->page_blocks - index : pages;
	for (uint64_t i = 0; i < pages; i++)
		page_end(n, index + i, i < whole, err);
	n->reading--;
	wake_all(&n->queue);
	inode_put(&n->inode);
	return whole ? (ssize)whole : err;
}

/* The next run for a reader in order, if that is begun without waiting. */
static void read_ahead(struct vnode *n)
{
	struct volume_use use = {.index = n->next_index, .next = n->next_index, .window = n->window, .file_pages = pages_of(&n->inode)};
	uint64_t index = n->next_index, count, *slot, block;
	uint32_t blocks;
	ssize got;

	if (index >= use.file_pages || cache_slot(&n->tree, index) || !ext2_map_known(n->node, index * n->volume->page_blocks, 1, &block, &blocks))
		return;
	count = n->volume->policy.read(&n->volume->policy, &use, &n->window);
	if (n->volume->page_blocks == 1) /* no further than is known */
		ext2_map_known(n->node, index, (uint32_t)MIN(count, (uint64_t)UINT32_MAX), &block, &blocks), count = MIN(count, blocks);
	got = run_read(n, index, MIN(count, use.file_pages - index), false);
	if (got <= 0)
		return;
	n->next_index = index + (uint64_t)got;
	slot = cache_slot(&n->tree, index);
	if (slot)
		*slot |= SLOT_AHEAD;
}

/* A page that is not there. */
static int run_fetch(struct vnode *n, uint64_t index, uint64_t wanted)
{
	struct volume_use use = {.index = index, .pages = wanted, .next = n->next_index, .window = n->window, .file_pages = pages_of(&n->inode)};
	uint64_t count = n->volume->policy.read(&n->volume->policy, &use, &n->window), *slot;
	ssize got;

	count = MAX(MIN(count, use.file_pages - index), 1ul);
	n->next_index = NEVER;
	got = run_read(n, index, count, true);
	if (got < 0)
		return (int)got;
	n->next_index = index + (uint64_t)got;
	slot = cache_slot(&n->tree, index + (uint64_t)got / 2);
	if (slot && got > 1 && n->window)
		*slot |= SLOT_AHEAD;
	return 0;
}

/* Without giving up the lock: for the library's own accesses to program memory. Others who want the lock let this one go on. */
static int fetch_at_once(struct vnode *n, uint64_t index)
{
	uint64_t *slot = cache_slot(&n->tree, index);
	int err = 0;

	if (!slot) {
		struct volume *v = n->volume;
		uint64_t block;
		uint32_t count;

		for (uint32_t b = 0; b < v->page_blocks; b += count)
			if (!ext2_map_known(n->node, index * v->page_blocks + b, v->page_blocks - b, &block, &count))
				return -EAGAIN;
		if (run_read(n, index, 1, false) < 0)
			return -EAGAIN;
	}
	while ((slot = cache_slot(&n->tree, index)) && *slot & SLOT_READING) {
		if (!n->reading || n->building) /* whoever builds the request has to be let */
			return -EAGAIN;
		disk_input();
		exos_yield(0);
	}
	if (!slot)
		return -EAGAIN;
	if (*slot & SLOT_FAILED) {
		err = *slot & SLOT_AGAIN ? -EAGAIN : -EIO;
		page_remove(n, index, slot);
	}
	return err;
}

int page_fetch(struct vnode *n, uint64_t index, uint64_t wanted, bool may_wait)
{
	bool waited = false, alone = false;
	uint64_t *slot;
	int err;

	while (!(slot = cache_slot(&n->tree, index)) || !(*slot & SLOT_VALID)) {
		if (!may_wait)
			return fetch_at_once(n, index);
		if (slot && *slot & SLOT_READING) {
			disk_input();
			slot = cache_slot(&n->tree, index);
			if (slot && *slot & SLOT_READING)
				wait_surely(&n->queue);
			waited = true;
			continue;
		}
		if (slot) {
			bool failed = waited && !(*slot & SLOT_AGAIN);

			page_remove(n, index, slot);
			if (failed && alone)
				return -EIO;
			alone |= failed; /* the bad sector may be a neighbour's: once more, by itself */
			continue;
		}
		if (index >= pages_of(&n->inode))
			return 1; /* cut meanwhile: the caller looks at the size again */
		err = alone ? MIN((int)run_read(n, index, 1, true), 0) : run_fetch(n, index, wanted);
		if (err && (err != -ENOMEM || !volumes_find_memory()))
			return err;
		waited = true;
	}
	return waited;
}

/* What is in the slot beside contents concerns who reads it first. */
static void first_use(struct vnode *n, uint64_t *slot)
{
	bool ahead = *slot & SLOT_AHEAD;

	*slot &= ~(uint64_t)(SLOT_AHEAD | SLOT_FRESH);
	if (ahead)
		read_ahead(n);
}

static void accessed(struct vnode *n)
{
	struct inode *i = &n->inode;

	/* relatime: the time of access is kept only until it is later than the last change. It is not worth a commit either. */
	if ((i->accessed > i->modified && i->accessed > i->changed) || n->volume->no_access_times || n->volume->read_only || ext2_commit_due(n->volume->ext2))
		return;
	i->accessed = time_calendar();
	vnode_changed(n, false);
}

/* The position moves before anything is waited for: who reads from the same open file meanwhile gets what comes behind. What was not read after all is given back, if nobody has. */
ssize volume_read(struct file *f, void *program, size_t size, uint64_t *offset)
{
	struct vnode *n = vnode_of(f->inode);
	uint64_t at = *offset, end = at < n->inode.size ? at + MIN(size, n->inode.size - at) : at;
	size_t done = 0;
	int err = 0;

	if (size)
		accessed(n);
	*offset = end;
	size = end - at;
	while (done < size && at < n->inode.size) {
		size_t in_page = at % FRAME_SIZE, part = MIN(MIN(size - done, FRAME_SIZE - in_page), n->inode.size - at);
		uint64_t *slot = cache_slot(&n->tree, at / FRAME_SIZE);
		frame_t frame;

		if (!slot || !(*slot & SLOT_VALID)) {
			err = page_fetch(n, at / FRAME_SIZE, (in_page + size - done + FRAME_SIZE - 1) / FRAME_SIZE, true);
			if (err < 0)
				break;
			continue;
		}
		frame = slot_frame(*slot);
		frame_ref(frame);
		if (*slot & (SLOT_AHEAD | SLOT_FRESH))
			first_use(n, slot);
		else if (!in_page)
			*slot |= SLOT_USED;
		err = copy_out((char *)program + done, (const char *)frame_address(frame) + in_page, part);
		frame_put(frame);
		if (err) {
			if (copy_wait())
				continue;
			break;
		}
		done += part;
		at += part;
		slice_check();
	}
	if (at != end && *offset == end)
		*offset = at;
	return done || err >= 0 ? (ssize)done : err;
}

frame_t volume_page(struct inode *i, uint64_t index, bool make)
{
	uint64_t *slot = cache_slot(&vnode_of(i)->tree, index);

	(void)make; /* what has to be made is for volume_fetch */
	return slot && *slot & SLOT_VALID ? slot_frame(*slot) : NO_FRAME;
}

static void will_need(struct vnode *n, uint64_t first, uint64_t end)
{
	while (first < end) {
		ssize got = 1;

		if (!cache_slot(&n->tree, first))
			got = run_read(n, first, MIN(end - first, (uint64_t)n->volume->policy.window_most), true);
		if (got < 0)
			return;
		first += (uint64_t)got;
	}
}

/* What is clean, and nobody else's. */
static void not_needed(struct vnode *n, uint64_t first, uint64_t end)
{
	uint64_t index = first;

	while ((index = cache_next(&n->tree, index, false)) < end) {
		uint64_t *slot = cache_slot(&n->tree, index);

		if (!(*slot & (SLOT_DIRTY | SLOT_READING | SLOT_WRITING | SLOT_MAPPED)) && frame_refs(slot_frame(*slot)) == 1)
			page_remove(n, index, slot);
		index++;
	}
}

void volume_advise(struct inode *i, uint64_t start, uint64_t length, bool wanted)
{
	struct vnode *n = vnode_of(i);
	uint64_t end = start + length < start ? i->size : MIN(start + length, i->size);

	if (wanted)
		will_need(n, start / FRAME_SIZE, ROUND_UP(end, FRAME_SIZE) / FRAME_SIZE);
	else
		not_needed(n, ROUND_UP(start, FRAME_SIZE) / FRAME_SIZE, end == i->size ? pages_of(i) : end / FRAME_SIZE);
}
