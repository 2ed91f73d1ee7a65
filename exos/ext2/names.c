/* What is done with names: another one for a file, and one less. */
#include <exos/ext2/internal.h>

void e2_directory_touched(struct ext2_node *dir, uint64_t now)
{
	dir->flags &= ~FLAG_INDEX;
	dir->modified = dir->changed = now;
	ext2_changed(dir);
}

/* 1: more than can be counted, for good. */
void e2_link_add(struct ext2_node *dir)
{
	if (dir->links != 1 && ++dir->links > LINKS_MAX)
		dir->links = 1;
}

void e2_link_drop(struct ext2_node *dir)
{
	if (dir->links > 2)
		dir->links--;
}

int e2_name_check(const struct ext2_node *dir, size_t length)
{
	if (!length)
		return -EINVAL;
	if (length > EXT2_NAME_MAX)
		return -ENAMETOOLONG;
	return dir->links ? 0 : -ENOENT;
}

void e2_name_lost(struct ext2_node *n, uint64_t now)
{
	if (e2_type(n) == MODE_DIRECTORY)
		n->links = 0;
	else if (n->links)
		n->links--;
	n->changed = now;
	ext2_changed(n);
	if (!n->links && n->refs > 1) /* somebody uses it: the last put frees it, or whoever mounts next */
		e2_orphan_add(n);
}

int ext2_link(struct ext2_node *dir, const char *name, size_t length, struct ext2_node *target)
{
	struct ext2 *v = dir->volume;
	uint32_t hash = e2_hash(name, length);
	uint64_t now = e2_now(v);
	struct entry *e = NULL;
	struct place place;
	int error = e2_begin(v);

	if (!error)
		error = e2_directory_load(dir);
	if (!error)
		error = e2_name_check(dir, length);
	if (!error && e2_type(target) == MODE_DIRECTORY)
		error = -EPERM;
	if (!error && !target->links)
		error = -ENOENT;
	if (!error && target->links >= LINKS_MAX)
		error = -EMLINK;
	if (!error && e2_entry_find(dir->directory, hash, name, length))
		error = -EEXIST;
	if (error)
		return error;
	e = e2_entry_new(v, name, length, hash);
	if (!e)
		return -ENOMEM;
	error = e2_place_find(dir, (uint32_t)length, &place);
	if (error) {
		e2_memory_free(v, e);
		return error;
	}
	e->number = target->number;
	e->type = e2_record_type(v, target->mode);
	e2_place_enter(dir, &place, e);
	e2_directory_touched(dir, now);
	target->links++;
	target->changed = now;
	ext2_changed(target);
	return 0;
}

/* The node that a name leads to. */
int e2_entry_node(struct ext2 *v, const struct entry *e, struct ext2_node **out)
{
	int error = e2_number_good(v, e->number) ? e2_node_get(v, e->number, false, out) : -EIO;

	return error == -ENOENT ? -EIO : error; /* names lead to what there is */
}

int e2_removable(struct ext2_node *n, bool directory)
{
	bool is = e2_type(n) == MODE_DIRECTORY;
	int error;

	if (is != directory)
		return is ? -EISDIR : -ENOTDIR;
	if (!is)
		return 0;
	if (n->number == EXT2_ROOT)
		return -EBUSY;
	error = e2_directory_load(n);
	return error ? error : n->directory->entries ? -ENOTEMPTY : 0;
}

int ext2_unlink(struct ext2_node *dir, const char *name, size_t length, bool directory)
{
	struct ext2 *v = dir->volume;
	uint64_t now = e2_now(v);
	struct ext2_node *n;
	struct entry *e;
	struct buffer *b;
	struct record *r;
	int error = e2_begin(v);

	if (!error)
		error = e2_directory_load(dir);
	if (error)
		return error;
	e = e2_entry_find(dir->directory, e2_hash(name, length), name, length);
	if (!e)
		return -ENOENT;
	error = e2_entry_node(v, e, &n);
	if (error)
		return error;
	error = e2_removable(n, directory);
	if (!error)
		error = e2_super_change(v); /* the list of orphans */
	if (!error)
		error = e2_change(v, n->table);
	if (!error)
		error = e2_record_change(dir, e, &b, &r);
	if (!error) {
		e2_record_clear(dir, e, b, r);
		if (directory)
			e2_link_drop(dir);
		e2_directory_touched(dir, now);
		e2_name_lost(n, now);
	}
	ext2_node_put(n);
	return error;
}
