/* Renaming: all of it in one transaction. */
#include <exos/ext2/internal.h>

struct renaming {
	struct ext2_node *from, *to;      /* directories */
	struct entry *source, *target;    /* target: null if nothing is replaced */
	struct ext2_node *moved, *other;  /* what they lead to */
	bool exchange;
	struct entry *made;               /* a new name, and its place */
	struct place place;
	struct buffer *buffers[4];        /* of the source's record, the target's, moved's .., other's .. */
	struct record *records[4];
};

static bool is_directory(const struct ext2_node *n) { return n && e2_type(n) == MODE_DIRECTORY; }

/* Is `dir` the directory n or below it: 1, 0, -EIO (it leads nowhere). */
static int is_below(struct ext2_node *dir, const struct ext2_node *n)
{
	struct ext2 *v = dir->volume;
	uint32_t number = dir->number;

	for (uint32_t steps = 0; steps < v->inodes; steps++) {
		struct ext2_node *here;
		int error;

		if (number == n->number || number == EXT2_ROOT)
			return number == n->number;
		error = ext2_node_get(v, number, &here);
		if (error)
			return error == -ENOENT ? -EIO : error;
		error = ext2_parent(here, &number);
		ext2_node_put(here);
		if (error)
			return error;
	}
	return -EIO;
}

/* May a directory be moved into another one? */
static int may_move(struct ext2_node *moved, struct ext2_node *into, bool room)
{
	int below;

	if (!is_directory(moved))
		return 0;
	if (moved->number == EXT2_ROOT)
		return -EBUSY;
	below = is_below(into, moved);
	if (below)
		return below < 0 ? below : -EINVAL;
	return !room && into->links >= LINKS_MAX && !(into->volume->read_only_compatible & READ_ONLY_DIR_NLINK) ? -EMLINK : 0;
}

static int check(struct renaming *r)
{
	int error = 0;

	if (r->other && !r->exchange) {
		error = e2_removable(r->other, is_directory(r->moved));
		if (error)
			return error;
	}
	if (r->from == r->to)
		return 0;
	error = may_move(r->moved, r->to, is_directory(r->other));
	return error || !r->exchange ? error : may_move(r->other, r->from, is_directory(r->moved));
}

static int up_change(struct renaming *r, struct ext2_node *n, unsigned i)
{
	int error = e2_directory_load(n);

	return error ? error : e2_record_change(n, NULL, &r->buffers[i], &r->records[i]);
}

/* All that can fail. */
static int prepare(struct renaming *r, const char *name, size_t length, uint32_t hash)
{
	struct ext2 *v = r->from->volume;
	int error = e2_super_change(v);

	if (!error)
		error = e2_change(v, r->moved->table);
	if (!error && r->other)
		error = e2_change(v, r->other->table);
	if (!error && r->from != r->to && is_directory(r->moved))
		error = up_change(r, r->moved, 2);
	if (!error && r->from != r->to && r->exchange && is_directory(r->other))
		error = up_change(r, r->other, 3);
	if (!error)
		error = e2_record_change(r->from, r->source, &r->buffers[0], &r->records[0]);
	if (!error && r->target)
		error = e2_record_change(r->to, r->target, &r->buffers[1], &r->records[1]);
	if (error || r->target)
		return error;
	r->made = e2_entry_new(v, name, length, hash);
	return r->made ? e2_place_find(r->to, (uint32_t)length, &r->place) : -ENOMEM;
}

static void lead_to(struct entry *e, struct record *record, const struct ext2_node *n)
{
	e->number = record->number = n->number;
	e->type = record->type = e2_record_type(n->volume, n->mode);
}

static void move_up(struct renaming *r, unsigned i, struct ext2_node *n, struct ext2_node *old, struct ext2_node *new)
{
	if (!r->records[i])
		return;
	r->records[i]->number = new->number;
	n->parent = new->number;
	n->flags &= ~FLAG_INDEX;
	e2_link_drop(old);
	e2_link_add(new);
}

/* Nothing can fail. */
static void act(struct renaming *r)
{
	uint64_t now = e2_now(r->from->volume);

	r->moved->changed = now;
	if (r->exchange) {
		lead_to(r->source, r->records[0], r->other);
		r->other->changed = now;
		ext2_changed(r->other);
	}
	if (r->target) {
		lead_to(r->target, r->records[1], r->moved);
	} else {
		r->made->number = r->moved->number;
		r->made->type = e2_record_type(r->moved->volume, r->moved->mode);
		e2_place_enter(r->to, &r->place, r->made);
		r->made = NULL;
	}
	if (!r->exchange) {
		e2_record_clear(r->from, r->source, r->buffers[0], r->records[0]);
		r->buffers[0] = NULL;
	}
	if (r->other && !r->exchange && is_directory(r->other))
		e2_link_drop(r->to);
	move_up(r, 2, r->moved, r->from, r->to);
	move_up(r, 3, r->other, r->to, r->from);
	e2_directory_touched(r->from, now);
	e2_directory_touched(r->to, now);
	ext2_changed(r->moved);
	if (r->other && !r->exchange)
		e2_name_lost(r->other, now);
}

static int run(struct renaming *r, const char *name, size_t length, uint32_t hash)
{
	int error = e2_entry_node(r->from->volume, r->source, &r->moved);

	if (!error && r->target)
		error = e2_entry_node(r->from->volume, r->target, &r->other);
	if (error || r->moved == r->other) /* two names of one file: both stay */
		return error;
	error = check(r);
	if (!error)
		error = prepare(r, name, length, hash);
	if (!error)
		act(r);
	return error;
}

int ext2_rename(struct ext2_node *from, const char *name, size_t length, struct ext2_node *to, const char *new_name, size_t new_length, bool exchange)
{
	struct renaming r = { .from = from, .to = to, .exchange = exchange };
	uint32_t hash = e2_hash(new_name, new_length);
	int error = e2_begin(from->volume);

	if (!error)
		error = e2_directory_load(from);
	if (!error)
		error = e2_directory_load(to);
	if (!error)
		error = e2_name_check(to, new_length);
	if (error)
		return error;
	r.source = e2_entry_find(from->directory, e2_hash(name, length), name, length);
	r.target = e2_entry_find(to->directory, hash, new_name, new_length);
	if (!r.source || (exchange && !r.target))
		return -ENOENT;
	error = run(&r, new_name, new_length, hash);
	for (unsigned i = 0; i < ARRAY_LENGTH(r.buffers); i++)
		if (r.buffers[i])
			buffer_put(r.buffers[i]);
	if (r.made)
		e2_memory_free(from->volume, r.made);
	if (r.moved)
		ext2_node_put(r.moved);
	if (r.other)
		ext2_node_put(r.other);
	return error;
}
