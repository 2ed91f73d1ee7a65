/* Committing: attributes of dirty nodes, the groups' counts and the superblock's are written into their buffers, and then the store commits. */
#include <exos/ext2/internal.h>

struct ext2_commit {
	struct ext2 *volume;
	struct commit *commit;
};

int e2_begin(struct ext2 *v)
{
	if (v->read_only)
		return -EROFS;
	if (store_failed(v->store))
		return -EIO;
	return e2_room(v, ROOM_OPERATION, ROOM_OPERATION) ? 0 : -EAGAIN;
}

static uint32_t room_now(const struct ext2 *v)
{
	uint32_t room = store_room(v->store);

	return room > v->dirty_outside ? room - v->dirty_outside : 0;
}

bool e2_room_ask(struct ext2 *v, uint32_t n)
{
	v->room_left = room_now(v);
	return v->room_left >= n;
}

void e2_damage(struct ext2 *v) { v->damaged = true; }

int e2_super_change(struct ext2 *v) { return e2_change(v, v->super_buffer); }

static void super_write(struct ext2 *v)
{
	v->super->free_blocks = (uint32_t)v->free_blocks;
	v->super->free_inodes = (uint32_t)v->free_inodes;
	v->super->orphans = list_empty(&v->orphans) ? 0 : CONTAINER_OF(v->orphans.next, struct ext2_node, orphan)->number;
	v->super->written = (uint32_t)(e2_now(v) / 1000000000u);
	if (v->damaged)
		v->super->state |= SUPER_ERRORS;
}

/* Dirty nodes into their buffers. Those that were are not dirty any more even if a later one cannot be: the buffers are in the transaction. */
static int nodes_write(struct ext2 *v)
{
	while (!list_empty(&v->dirty)) {
		struct ext2_node *n = CONTAINER_OF(v->dirty.next, struct ext2_node, dirty_link);
		int error = e2_change(v, n->table);

		if (!error && e2_type(n) == MODE_FILE && n->size > INT32_MAX && !(v->read_only_compatible & READ_ONLY_LARGE_FILE)) {
			error = e2_super_change(v);
			if (!error)
				v->super->read_only_compatible = v->read_only_compatible |= READ_ONLY_LARGE_FILE;
		}
		if (error)
			return error;
		e2_inode_write(n);
		n->dirty = false;
		list_remove(&n->dirty_link);
	}
	v->dirty_outside = 0;
	return 0;
}

int ext2_commit_begin(struct ext2 *v, struct ext2_commit **out)
{
	struct ext2_commit *c;
	int error;

	*out = NULL;
	if (v->read_only)
		return 0;
	if (store_failed(v->store))
		return -EIO;
	c = e2_memory(v, sizeof(*c));
	if (!c)
		return -ENOMEM;
	error = nodes_write(v);
	if (!error && store_changed(v->store))
		error = e2_super_change(v);
	if (!error && store_changed(v->store)) {
		e2_groups_write(v);
		super_write(v);
	}
	if (!error)
		error = commit_begin(v->store, &c->commit);
	if (error || !c->commit) {
		e2_memory_free(v, c);
		return error;
	}
	c->volume = v;
	v->held_committing = v->held_running;
	v->held_running = 0;
	v->dirty_outside = 0;
	LIST_FOR_EACH(l, &v->dirty) /* whoever was changed while room was made in the journal */
		v->dirty_outside++;
	*out = c;
	return 0;
}

int ext2_commit_write(struct ext2_commit *c) { return commit_write(c->commit); }

int ext2_commit_end(struct ext2_commit *c)
{
	struct ext2 *v = c->volume;
	int error = commit_end(c->commit);

	e2_memory_free(v, c);
	if (error)
		return error;
	v->held_committing = 0;
	e2_doomed_work(v);
	return 0;
}

int e2_commit_all(struct ext2 *v)
{
	struct ext2_commit *c;
	int error = ext2_commit_begin(v, &c), later;

	if (error || !c)
		return error;
	error = ext2_commit_write(c);
	later = ext2_commit_end(c);
	return error ? error : later;
}

uint64_t ext2_running(const struct ext2 *v) { return store_running(v->store); }
uint64_t ext2_committed(const struct ext2 *v) { return store_committed(v->store); }
bool ext2_commit_due(const struct ext2 *v)
{
	uint32_t room = list_empty(&v->doomed) ? 2 * ROOM_OPERATION : 4 * ROOM_OPERATION; /* what is doomed needs some too */

	return v->room_left < room && !v->read_only && !store_failed(v->store) && room_now(v) < room;
}
int ext2_checkpoint(struct ext2 *v) { return checkpoint(v->store); }
bool ext2_checkpoint_due(const struct ext2 *v) { return checkpoint_due(v->store); }
bool ext2_failed(const struct ext2 *v) { return store_failed(v->store); }

size_t ext2_shrink(struct ext2 *v, size_t bytes)
{
	size_t freed = e2_nodes_shrink(v, bytes);

	return freed < bytes ? freed + store_shrink(v->store, bytes - freed) : freed;
}
