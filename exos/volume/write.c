/* Writing: into the pages, for which only space is promised; where on the disk they go is decided when they go (clean.c). One writer of a file at a time, also while he waits, so that writes are whole. */
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/volume/internal.h>

#define LINUX_DSYNC 010000u /* of the file's flags */

void writer_take(struct vnode *n)
{
	while (n->writer)
		wait_surely(&n->queue);
	n->writer = self->who;
	n->writer_env = self->env;
}

void writer_give(struct vnode *n)
{
	n->writer = 0;
	wake_all(&n->queue);
}

static bool all_placed(struct vnode *n, uint64_t index)
{
	const struct volume *v = n->volume;
	uint64_t block;
	uint32_t count;

	for (uint32_t b = 0; b < v->page_blocks; b += count)
		if (ext2_map(n->node, index * v->page_blocks + b, v->page_blocks - b, &block, &count) || !block)
			return false;
	return true;
}

static int has_room(struct volume *v)
{
	int err = ext2_reserve(v->ext2, v->page_blocks);

	if (!err)
		ext2_unreserve(v->ext2, v->page_blocks);
	return err;
}

/* There is no space to be promised. Perhaps none is needed, as the page has its blocks (*placed); or there is some after the next commit, which gives free what was freed. Waits. */
static int find_room(struct vnode *n, uint64_t index, bool *placed)
{
	struct volume *v = n->volume;
	uint64_t transaction = ext2_running(v->ext2);
	int err = hold_take(v);

	if (err)
		return err;
	*placed = all_placed(n, index);
	if (!*placed)
		vnodes_free_unwanted(v);
	hold_give(v);
	if (*placed)
		return 0;
	/* A promise is of the worst case: contents that have their place take much less than was promised to them. */
	volume_write_behind(v, NEVER, NEVER);
	err = has_room(v);
	if (err == -ENOSPC)
		err = volume_commit(v, transaction);
	return err ? err : has_room(v);
}

struct writing {
	struct vnode *node;
	const char *from;
	bool library;
	bool placed; /* the page has all its blocks, as find_room has found out */
};

static int copy(const struct writing *w, frame_t frame, size_t in_page, size_t n)
{
	char *to = (char *)frame_address(frame) + in_page;

	if (!w->library)
		return copy_in(to, w->from, n);
	memcpy(to, w->from, n);
	return 0;
}

/* A page that is there. -ENOSPC: it is not dirty, and must not be. */
static int write_into(const struct writing *w, uint64_t index, uint64_t *slot, size_t in_page, size_t n)
{
	frame_t frame = slot_frame(*slot);
	int err;

	if (w->placed)
		*slot |= SLOT_PLACED;
	err = page_dirty(w->node, index, slot);
	if (err)
		return err;
	*slot &= ~(uint64_t)(SLOT_FRESH | SLOT_AHEAD);
	if (!in_page)
		*slot |= SLOT_USED;
	frame_ref(frame);
	err = copy(w, frame, in_page, n);
	frame_put(frame);
	return err;
}

/* One that is not there, and of which nothing is kept: the copy is made first, as half of one would show what the frame held before. */
static int write_fresh(const struct writing *w, uint64_t index, size_t in_page, size_t n)
{
	frame_t frame = page_frame(n != FRAME_SIZE);
	int err;

	if (frame == NO_FRAME)
		return -ENOMEM;
	err = copy(w, frame, in_page, n);
	if (!err && cache_slot(&w->node->tree, index)) /* a fault on the way has brought in this very page */
		err = -EAGAIN;
	if (!err)
		err = page_add(w->node, index, frame, SLOT_VALID | (w->placed ? SLOT_PLACED : 0));
	if (err) {
		frame_put(frame);
		return err;
	}
	err = page_dirty(w->node, index, cache_slot(&w->node->tree, index));
	if (err)
		page_remove(w->node, index, cache_slot(&w->node->tree, index));
	return err;
}

/* Once. -EAGAIN: something was waited for. */
static int write_try(struct writing *w, uint64_t at, size_t n)
{
	struct inode *i = &w->node->inode;
	uint64_t index = at / FRAME_SIZE, start = index * FRAME_SIZE, *slot = cache_slot(&w->node->tree, index);
	int err;

	if (slot && *slot & SLOT_VALID)
		return write_into(w, index, slot, at % FRAME_SIZE, n);
	if (!slot && (n == FRAME_SIZE || start >= i->size || (at == start && at + n >= i->size)))
		return write_fresh(w, index, at % FRAME_SIZE, n);
	err = page_fetch(w->node, index, 1, true);
	return err < 0 ? err : -EAGAIN;
}

/* What is in one page. */
static int write_part(struct writing *w, uint64_t at, size_t n)
{
	int err;

	w->placed = false;
	for (;;) {
		err = write_try(w, at, n);
		if (err == -ENOSPC && !w->placed && !find_room(w->node, at / FRAME_SIZE, &w->placed))
			continue;
		if (err == -EFAULT && !w->library && copy_wait())
			continue;
		if (err == -ENOMEM && volumes_find_memory())
			continue;
		if (err != -EAGAIN)
			return err;
	}
}

/* What lies behind the end in its page may have been written through a mapping: it is zero when the file grows over it. A page whose last blocks the file did not reach may not have them. */
static void grow_over(struct vnode *n, uint64_t size, uint64_t to)
{
	uint64_t *slot = size % FRAME_SIZE ? cache_slot(&n->tree, size / FRAME_SIZE) : NULL;

	if (!slot || to <= size)
		return;
	if (*slot & SLOT_VALID)
		memset((char *)frame_address(slot_frame(*slot)) + size % FRAME_SIZE, 0, FRAME_SIZE - size % FRAME_SIZE);
	if (n->volume->page_blocks > 1 && ROUND_UP(size, n->volume->block_size) < to)
		*slot &= ~(uint64_t)SLOT_PLACED;
}

static ssize write_bytes(struct vnode *n, const char *from, size_t size, uint64_t start, bool library)
{
	struct writing w = {.node = n, .library = library};
	uint64_t at = start, end = start + size;
	bool grown = false; /* else it is only times that fdatasync may leave out, unless blocks are allocated: that is noted when they are */
	int err = 0;

	if (end > n->inode.size)
		grow_over(n, n->inode.size, end);
	while (at < end) {
		size_t part = MIN(end - at, FRAME_SIZE - at % FRAME_SIZE);

		w.from = from + (at - start);
		err = write_part(&w, at, part);
		if (err)
			break;
		at += part;
		if (at > n->inode.size) {
			n->inode.size = at;
			grown = true;
		}
		slice_check();
	}
	if (at == start)
		return err;
	n->inode.modified = n->inode.changed = time_calendar();
	vnode_changed(n, grown);
	return (ssize)(at - start);
}

/* How much of a write the limits let through; signals the process that has come to its own. */
static ssize write_room(const struct volume *v, uint64_t start, size_t n)
{
	uint64_t limit = self->proc ? self->proc->limits[LIMIT_FILE_SIZE][0] : UINT64_MAX;

	if (start >= limit) {
		signal_send(self->proc, SIGXFSZ, NULL);
		return -EFBIG;
	}
	limit = MIN(limit, ext2_size_max(v->ext2));
	return start >= limit ? -EFBIG : (ssize)MIN(n, limit - start);
}

static ssize write_from(struct file *f, const char *from, size_t size, uint64_t *offset, bool library)
{
	struct vnode *n = vnode_of(f->inode);
	struct volume *v = n->volume;
	ssize result;

	if (!size)
		return 0;
	if (v->failed || v->read_only)
		return v->broken ? -EIO : -EROFS;
	if (v->dirty_pages >= v->policy.dirty_most)
		volume_throttle(v);
	if (ext2_commit_due(v->ext2))
		volume_commit(v, ext2_running(v->ext2));
	writer_take(n);
	if (f->flags & OPEN_APPEND) /* wherever it is asked for, as on Linux; and where the end is now */
		*offset = n->inode.size;
	result = write_room(v, *offset, size);
	if (result > 0)
		result = write_bytes(n, from, (size_t)result, *offset, library);
	if (result > 0)
		*offset += (uint64_t)result;
	writer_give(n);
	if (result > 0 && (f->flags & LINUX_DSYNC || v->synchronous)) {
		int err = volume_sync_inode(&n->inode, !(f->flags & ~LINUX_DSYNC & 04010000));

		if (err)
			return err;
	}
	return result;
}

ssize volume_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	return write_from(f, program, n, offset, false);
}

ssize volume_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	return write_from(f, bytes, n, offset, true);
}

/* The page that is going to be written through a mapping. */
static int fetch_for_writing(struct vnode *n, uint64_t index, uint64_t *slot, bool may_wait)
{
	bool placed = false;
	int err = page_dirty(n, index, slot);

	if (err == -ENOSPC) {
		if (!may_wait)
			return -EAGAIN;
		err = find_room(n, index, &placed);
		slot = placed ? cache_slot(&n->tree, index) : NULL;
		if (slot && *slot & SLOT_VALID)
			*slot |= SLOT_PLACED;
		return err ? err : 1;
	}
	if (err)
		return err;
	*slot |= SLOT_MAPPED | SLOT_USED;
	n->inode.modified = n->inode.changed = time_calendar();
	vnode_changed(n, false);
	return 0;
}

int volume_fetch(struct inode *i, uint64_t index, bool write, bool may_wait)
{
	struct vnode *n = vnode_of(i);
	uint64_t *slot;
	int err;

	if (write && volume_writable(i))
		return -EROFS;
	if (write && may_wait && n->volume->dirty_pages >= n->volume->policy.dirty_most) {
		volume_throttle(n->volume);
		return 1;
	}
	err = page_fetch(n, index, 1, may_wait);
	if (err)
		return err;
	slot = cache_slot(&n->tree, index);
	if (write)
		return fetch_for_writing(n, index, slot, may_wait);
	*slot |= SLOT_USED;
	return 0;
}

/* The rest of the last page that stays is zero, here and on the disk. */
static int clear_tail(struct vnode *n, uint64_t size)
{
	uint64_t index = size / FRAME_SIZE, *slot;
	int err;

	do {
		err = page_fetch(n, index, 1, true);
	} while (err > 0 && !((slot = cache_slot(&n->tree, index)) && *slot & SLOT_VALID) && size < n->inode.size);
	if (err < 0)
		return err;
	slot = cache_slot(&n->tree, index);
	if (!slot)
		return 0;
	memset((char *)frame_address(slot_frame(*slot)) + size % FRAME_SIZE, 0, FRAME_SIZE - size % FRAME_SIZE);
	/* A hole need not be written. */
	return *slot & (SLOT_PLACED | SLOT_RESERVED) ? page_dirty(n, index, slot) : 0;
}

/* Has anybody a page from `first` on? */
static bool is_mapped(struct vnode *n, uint64_t first)
{
	for (uint64_t at = first; (at = cache_next(&n->tree, at, false)) != NEVER; at++)
		if (frame_refs(slot_frame(*cache_slot(&n->tree, at))) > 1)
			return true;
	return false;
}

static int cut(struct vnode *n, uint64_t size)
{
	struct volume *v = n->volume;
	uint64_t first = ROUND_UP(size, FRAME_SIZE) / FRAME_SIZE, before = n->inode.size;
	int err = size % FRAME_SIZE ? clear_tail(n, size) : 0;

	if (err)
		return err;
	n->inode.size = size; /* from now on nobody brings anything in behind it */
	while (pages_busy(n, first))
		wait_surely(&n->queue);
	if (is_mapped(n, first))
		volumes_unmap(&n->inode, first);
	cache_drop(n, first);
	n->placed_size = MIN(n->placed_size, size);
	if (!n->node->sectors && n->node->size <= size)
		return 0;
	for (;;) { /* as often as one transaction does not have room for all of it */
		err = change_begin(v);
		if (err) {
			n->inode.size = before;
			return err;
		}
		err = ext2_truncate(n->node, size);
		vnode_refresh(n);
		change_end(v);
		if (err == -EAGAIN)
			err = volume_commit(v, ext2_running(v->ext2));
		else if (err != -ENOMEM || !volumes_find_memory())
			return err;
		else
			err = 0;
		if (err)
			return err;
	}
}

int volume_truncate(struct inode *i, uint64_t size)
{
	struct vnode *n = vnode_of(i);
	int err = 0;

	if (volume_writable(i))
		return n->volume->broken ? -EIO : -EROFS;
	if (size > ext2_size_max(n->volume->ext2))
		return -EFBIG;
	inode_ref(i);
	writer_take(n);
	if (size < i->size) {
		err = cut(n, size);
	} else {
		grow_over(n, i->size, size);
		i->size = n->placed_size = size;
	}
	if (!err) {
		i->modified = i->changed = time_calendar();
		vnode_changed(n, true);
	}
	writer_give(n);
	inode_put(i);
	return err;
}
