/* Inodes that have blocks to lose: without names but in use, or being shortened in more than one transaction. The superblock's list has them, so that whoever mounts the volume after a crash, or e2fsck, finishes it. As in ext3. */
#include <exos/ext2/internal.h>

/* The list is one of numbers on the disk: whoever comes before one that goes is to name the one behind it. */
static void neighbour_changed(struct ext2 *v, struct list *before)
{
	if (before != &v->orphans)
		ext2_changed(CONTAINER_OF(before, struct ext2_node, orphan));
}

void e2_orphan_add(struct ext2_node *n)
{
	struct ext2 *v = n->volume;

	if (!list_empty(&n->orphan))
		return;
	n->orphan.next = v->orphans.next;
	n->orphan.previous = &v->orphans;
	v->orphans.next->previous = &n->orphan;
	v->orphans.next = &n->orphan;
	ext2_changed(n);
}

void e2_orphan_remove(struct ext2_node *n)
{
	struct list *before = n->orphan.previous;

	if (list_empty(&n->orphan))
		return;
	list_remove(&n->orphan);
	neighbour_changed(n->volume, before);
	ext2_changed(n);
}

/* Frees what an inode has, and the inode. */
static int destroy(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	int error = e2_room(v, ROOM_STEP, ROOM_FREEING) ? e2_super_change(v) : -EAGAIN;

	if (!error)
		error = e2_change(v, n->table);
	if (!error)
		error = e2_cut(n, 0);
	if (!error || error == -EIO) /* what could not be read is e2fsck's to find; the rest goes */
		error = e2_attributes_release(n);
	if (error == -EIO) {
		n->attributes = 0;
		e2_damage(v);
		error = 0;
	}
	if (!error)
		error = e2_inode_release(v, n->number, e2_type(n) == MODE_DIRECTORY);
	if (error)
		return error;
	if (e2_has_map(n))
		n->size = 0;
	e2_orphan_remove(n);
	e2_inode_write(n); /* whoever gets the inode next may do so in this transaction */
	if (n->dirty) {
		n->dirty = false;
		list_remove(&n->dirty_link);
	}
	e2_node_drop(n);
	return 0;
}

int e2_destroy(struct ext2_node *n)
{
	struct ext2 *v = n->volume;
	int error = store_failed(v->store) ? -EIO : destroy(n);

	if (!error)
		return 0;
	e2_orphan_add(n);
	n->lost = error != -EAGAIN && error != -ENOMEM;
	list_append(&v->doomed, &n->idle);
	return n->lost ? error : 0;
}

void e2_doomed_work(struct ext2 *v)
{
	LIST_FOR_EACH_SAFE(l, next, &v->doomed) {
		struct ext2_node *n = CONTAINER_OF(l, struct ext2_node, idle);
		int error;

		if (n->lost)
			continue;
		if (store_failed(v->store) || !e2_room(v, ROOM_OPERATION, 0))
			return;
		error = destroy(n);
		if (error == -EAGAIN || error == -ENOMEM)
			return;
		if (error)
			n->lost = true;
	}
}

/* The list of the disk, as nodes with a reference. One that cannot be right ends it. */
static int list_load(struct ext2 *v)
{
	uint32_t number = v->super->orphans;

	while (number) {
		struct ext2_node *n;
		int error = number < v->first_inode ? -EIO : e2_node_get(v, number, true, &n);

		if (error == -EIO || error == -ENOENT) {
			e2_damage(v);
			return 0;
		}
		if (error)
			return error;
		if (!list_empty(&n->orphan)) { /* it leads back */
			e2_damage(v);
			n->refs--;
			return 0;
		}
		list_append(&v->orphans, &n->orphan);
		number = ((struct inode *)(n->table->data + n->table_offset))->deleted;
	}
	return 0;
}

/* Nobody else is there yet, and no contents wait: commits between the steps are made here. */
int e2_orphans_load(struct ext2 *v)
{
	int error = v->super->orphans && !v->read_only ? list_load(v) : 0;

	while (!error && !list_empty(&v->orphans)) {
		struct ext2_node *n = CONTAINER_OF(v->orphans.next, struct ext2_node, orphan);

		if (n->links) {
			error = ext2_truncate(n, n->size);
			if (!error || error == -EIO || error == -EINVAL) {
				e2_orphan_remove(n);
				ext2_node_put(n);
				error = 0;
			}
		} else {
			error = destroy(n);
			if (error == -EIO) { /* e2fsck's */
				list_remove(&n->orphan);
				n->refs = 0;
				n->lost = true;
				list_append(&v->doomed, &n->idle);
				error = 0;
			}
		}
		if (error == -EAGAIN)
			error = e2_commit_all(v);
	}
	return error;
}
