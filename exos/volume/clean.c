/* Writing dirty pages: runs of neighbours get their blocks together, as late as can be, and go in large requests. The volume is held while blocks are looked up and given out, and no longer. */
#include <exos/self.h>
#include <exos/volume/internal.h>

/* Is it to be written now? Who has it mapped for writing may have written it, whatever its state says; who had it has by now. */
static bool wants_writing(uint64_t slot, bool mapped)
{
	if (slot & (SLOT_READING | SLOT_WRITING))
		return false;
	if (slot & SLOT_DIRTY)
		return true;
	return slot & SLOT_MAPPED && (mapped || frame_refs(slot_frame(slot)) == 1);
}

/* From here on what is written to it makes it dirty anew. */
static void page_begin(struct vnode *n, uint64_t index, uint64_t *slot)
{
	if (*slot & SLOT_MAPPED && frame_refs(slot_frame(*slot)) == 1)
		*slot &= ~(uint64_t)SLOT_MAPPED;
	*slot |= SLOT_WRITING;
	*slot += SLOT_ONE_REQUEST;
	page_clean(n, index, slot);
}

static uint32_t run_begin(struct vnode *n, uint64_t first, uint64_t last, uint32_t most, bool mapped)
{
	uint32_t count = 0;

	for (uint64_t index = first; count < most && index <= last; index++, count++) {
		uint64_t *slot = cache_slot(&n->tree, index);

		if (!slot || !wants_writing(*slot, mapped))
			break;
		page_begin(n, index, slot);
	}
	return count;
}

struct run {
	struct request_builder builder;
	uint64_t first, at, end; /* blocks of the file */
	uint32_t pages;
	uint64_t allocated;
};

/* Where block r->at is, and those after it: given now, if they are nowhere. */
static int place(struct run *r, uint64_t *block, uint32_t *count)
{
	struct ext2_node *node = r->builder.node->node;
	int err = ext2_map(node, r->at, (uint32_t)(r->end - r->at), block, count);

	if (err || *block)
		return err;
	err = ext2_allocate(node, r->at, *count, true, block, count);
	if (!err)
		r->allocated += *count;
	return err;
}

static int run_write(struct run *r)
{
	struct vnode *n = r->builder.node;
	uint32_t per_page = n->volume->page_blocks;

	while (r->at < r->end) {
		uint64_t block;
		uint32_t count, part;
		int err = place(r, &block, &count);

		if (err)
			return err;
		for (; count; count -= part, block += part, r->at += part) {
			uint64_t index = r->at / per_page;
			uint32_t in_page = (uint32_t)(r->at % per_page);

			part = MIN(count, per_page - in_page);
			r->builder.left = (uint32_t)(r->first / per_page + r->pages - 1 - index);
			err = request_add(&r->builder, index, slot_frame(*cache_slot(&n->tree, index)), in_page << n->volume->block_shift, block, part);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The page was not come to. What is promised for it is as it was before. */
static void page_keep(struct run *r, uint64_t index, uint64_t *slot)
{
	struct vnode *n = r->builder.node;
	uint64_t start = index * n->volume->page_blocks;
	uint32_t used = r->at > start ? (uint32_t)(r->at - start) : 0; /* it has its first blocks already */

	if (*slot & SLOT_RESERVED && used && r->allocated && !ext2_reserve(n->volume->ext2, MIN(used, r->allocated)))
		r->allocated -= MIN(used, r->allocated);
	page_request_done(n, index, true, 0);
	page_dirty(n, index, slot); /* which has a place, or a promise */
}

/* A page whose blocks could not be had stays dirty, as long as there is hope: what a write has accepted is only lost with the device. Then who syncs it is told. */
static void run_end(struct run *r, int err)
{
	struct vnode *n = r->builder.node;
	struct volume *v = n->volume;
	uint64_t first = r->first / v->page_blocks, promised = 0, placed;

	for (uint32_t i = 0; i < r->pages; i++) {
		uint64_t *slot = cache_slot(&n->tree, first + i);
		bool left = err && (first + i + 1) * v->page_blocks > r->at;

		if (left && err != -EIO) {
			page_keep(r, first + i, slot);
			continue;
		}
		promised += page_placed(n, slot) ? v->page_blocks : 0;
		if (left)
			*slot &= ~(uint64_t)SLOT_PLACED;
		page_request_done(n, first + i, true, 0);
	}
	if (promised > r->allocated)
		ext2_unreserve(v->ext2, promised - r->allocated);
	if (err == -EIO) {
		n->disk_error = (uint32_t)-err;
		log_line("%s: %lu pages of inode %lu have no place: error %d", v->mount ? v->mount->source : "volume", (uint64_t)r->pages, n->inode.number, -err);
	}
	placed = MAX(n->placed_size, MIN((first + r->pages) * FRAME_SIZE, n->inode.size));
	vnode_changed(n, r->allocated || placed > n->placed_size); /* what is written over where it was leaves fdatasync nothing to commit */
	n->placed_size = placed;
	vnode_refresh(n);
	wake_all(&n->queue);
}

/* What is behind the end in the last page is nobody's: it is zero on the disk. */
static void clear_behind(struct vnode *n)
{
	uint64_t size = n->inode.size, *slot = size % FRAME_SIZE ? cache_slot(&n->tree, size / FRAME_SIZE) : NULL;

	if (slot && *slot & SLOT_WRITING)
		memset((char *)frame_address(slot_frame(*slot)) + size % FRAME_SIZE, 0, FRAME_SIZE - size % FRAME_SIZE);
}

/* Holding. */
static int write_run(struct vnode *n, uint64_t first, uint64_t last, uint32_t most, bool mapped, uint32_t *count)
{
	struct volume *v = n->volume;
	struct run r = {.builder = {.node = n, .write = true, .may_wait = true}, .first = first * v->page_blocks, .at = first * v->page_blocks};
	int err;

	r.pages = *count = run_begin(n, first, last, most, mapped);
	if (!r.pages)
		return 0;
	r.end = MIN(r.at + (uint64_t)r.pages * v->page_blocks, ROUND_UP(n->inode.size, (uint64_t)v->block_size) >> v->block_shift);
	clear_behind(n);
	n->writing++;
	err = run_write(&r);
	request_end(&r.builder);
	n->writing--;
	run_end(&r, err);
	return err;
}

int pages_write(struct vnode *n, uint64_t first, uint64_t last, uint32_t most, bool mapped, uint32_t *count)
{
	struct volume *v = n->volume;
	uint64_t at = first;
	int err = 0;

	*count = 0;
	while (!err && *count < most && (at = cache_next(&n->tree, at, true)) <= last && at != NEVER) {
		uint32_t done = 0;

		uint64_t *slot = cache_slot(&n->tree, at);

		/* It may have been written through a mapping since its write began: once more, then. */
		if (mapped && *slot & SLOT_MAPPED && *slot & SLOT_WRITING)
			page_dirty(n, at, slot);
		if (!wants_writing(*slot, mapped)) {
			at++;
			continue;
		}
		err = change_begin(v); /* with room in the transaction for one operation; -EAGAIN: the run took more, and goes on in the next */
		if (err)
			return err;
		err = write_run(n, at, last, MIN(most - *count, v->policy.run_most), mapped, &done);
		change_end(v);
		if (err == -EAGAIN) {
			err = 0;
			continue;
		}
		*count += done;
		at += done;
		slice_check();
	}
	return err;
}

void pages_wait(struct vnode *n)
{
	if (n->writing)
		disk_input();
	while (n->writing && !n->volume->failed)
		wait_surely(&n->queue);
}

/* Twice: what was on its way when it was written again goes once more. */
int pages_write_wait(struct vnode *n, uint64_t first, uint64_t last)
{
	int err = 0;

	for (int pass = 0; pass < 2 && !err && (n->tree.root_dirty || n->writing); pass++) {
		uint32_t count;

		err = pages_write(n, first, last, UINT32_MAX, pass == 0, &count);
		pages_wait(n);
	}
	return err;
}

/* What waits gets its places, and takes less than was promised for it; and a commit sets free what was freed. */
int volume_find_space(struct volume *v)
{
	int err = volume_write_behind(v, NEVER, NEVER);

	return err ? err : volume_commit(v, ext2_running(v->ext2));
}

/* Files in the order in which they became dirty; each comes last when its turn is over. */
int volume_write_behind(struct volume *v, uint64_t older_than, uint64_t pages)
{
	uint64_t begun = ticks_now(), written = 0;
	int err = 0;

	while (written < pages && !list_empty(&v->dirty) && !v->failed) {
		struct vnode *n = CONTAINER_OF(v->dirty.next, struct vnode, dirty_link);
		uint32_t count;
		int result;

		if (n->dirty_since >= MIN(older_than, begun))
			break;
		list_remove(&n->dirty_link);
		list_append(&v->dirty, &n->dirty_link);
		n->dirty_since = ticks_now();
		vnode_use(n);
		result = pages_write(n, 0, NEVER, (uint32_t)MIN(pages - written, (uint64_t)UINT32_MAX), older_than == NEVER, &count);
		inode_put(&n->inode);
		err = err ? err : result;
		written += count;
	}
	return err;
}

/* What a writer adds he helps to take away, and when that is not enough he waits for the disk. */
void volume_throttle(struct volume *v)
{
	while (v->dirty_pages >= v->policy.dirty_most && !v->failed) {
		uint64_t before = v->dirty_pages;

		volume_write_behind(v, ticks_now(), v->policy.dirty_most / 8 + 1);
		if (v->dirty_pages >= before && !v->under_way[0] && !v->under_way[1])
			return; /* nothing can be written */
		if (v->dirty_pages >= v->policy.dirty_most && (v->under_way[0] || v->under_way[1]))
			wait_surely(&v->written);
	}
}
