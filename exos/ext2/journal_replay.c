/* Replaying: three walks through the log, as Linux and e2fsck do it. The first finds where what is committed ends; the second collects what was revoked, and checks everything; only the third writes.
 *
 * The log may hold anything, as the volume may be a stranger's: a walk sees no block twice, and no tag leads outside the volume or into the journal. */
#include <exos/ext2/journal_format.h>
#include <exos/ext2/store_internal.h>

#define WINDOW_MOST 64u /* blocks that are read at once; fewer if there is no memory */

enum pass { SCAN, CHECK, WRITE };

struct revoked {
	struct hash_entry entry; /* key: block */
	uint32_t sequence;        /* of the newest transaction that revokes it */
};

struct replay {
	struct store *s;
	enum pass pass;
	uint32_t position, seen;    /* in the log; blocks since it began */
	uint32_t sequence, end;     /* expected next; the first that is not committed */
	struct hash revoked;
	uint8_t *window[WINDOW_MOST];
	uint32_t window_size, window_at, window_count; /* from which position on, how many */
	uint32_t waiting;           /* blocks in the store's list that are to be written home; they lie in the window */
};

static int write_waiting(struct replay *r)
{
	uint32_t n = r->waiting;

	r->waiting = 0;
	return n ? r->s->port.write(r->s->port.data, r->s->list, n, false) : 0;
}

static int window_read(struct replay *r, uint32_t position)
{
	struct journal *j = &r->s->journal;
	int error = write_waiting(r);

	if (error)
		return error;
	r->window_at = position;
	r->window_count = MIN(r->window_size, j->length - position);
	for (uint32_t i = 0; i < r->window_count; i++)
		j->list[i] = (struct ext2_io){ journal_block(j, position + i), r->window[i] };
	error = r->s->port.read(r->s->port.data, j->list, r->window_count);
	if (error)
		r->window_count = 0;
	return error;
}

/* The next block of the log. *out null: all have been seen. */
static int next_block(struct replay *r, void **out)
{
	struct journal *j = &r->s->journal;
	int error = 0;

	*out = NULL;
	if (r->seen == journal_usable(j))
		return 0;
	if (r->position - r->window_at >= r->window_count)
		error = window_read(r, r->position);
	if (error)
		return error;
	*out = r->window[r->position - r->window_at];
	r->position = journal_after(j, r->position);
	r->seen++;
	return 0;
}

static bool is_revoked(const struct replay *r, uint64_t block)
{
	const struct revoked *e = (const struct revoked *)hash_find(&r->revoked, block);

	return e && (int32_t)(e->sequence - r->sequence) >= 0;
}

static int revoke(struct replay *r, uint64_t block)
{
	struct revoked *e = (struct revoked *)hash_find(&r->revoked, block);

	if (!e) {
		e = r->s->port.allocate(r->s->port.data, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->entry.key = block;
		if (hash_add(&r->revoked, &r->s->port, &e->entry) != 0) {
			r->s->port.free(r->s->port.data, e);
			return -ENOMEM;
		}
	}
	e->sequence = r->sequence; /* the walk goes from older ones to newer ones */
	return 0;
}

static int see_revokes(struct replay *r, const uint8_t *block)
{
	uint32_t bytes = journal_32(((const struct journal_revoke *)block)->bytes), size = journal_number_bytes(r->s->journal.wide);
	int error = 0;

	if (bytes > r->s->block_size)
		return -EINVAL;
	for (uint32_t at = sizeof(struct journal_revoke); at + size <= bytes && !error; at += size)
		error = revoke(r, size == 8 ? journal_64(*(const uint64_t *)(block + at)) : journal_32(*(const uint32_t *)(block + at)));
	return error;
}

/* The copy behind a tag. In the first walk it is only passed. */
static int see_copy(struct replay *r, uint64_t home, uint32_t flags, bool *more)
{
	struct store *s = r->s;
	void *copy;
	int error;

	if (r->pass != WRITE) {
		if (r->pass == CHECK && (home >= s->blocks || block_set_has(&s->journal.own, home)))
			return -EINVAL;
		*more = r->seen < journal_usable(&s->journal);
		if (!*more)
			return 0;
		r->position = journal_after(&s->journal, r->position);
		r->seen++;
		return 0;
	}
	error = next_block(r, &copy);
	if (error || is_revoked(r, home))
		return error;
	if (flags & JOURNAL_ESCAPED)
		*(uint32_t *)copy = journal_32(JOURNAL_MAGIC);
	s->list[r->waiting++] = (struct ext2_io){ home, copy };
	return 0;
}

/* The descriptor is copied first: what is behind it may take its place in the window. */
static int see_descriptor(struct replay *r, const void *block, bool *more)
{
	const struct store *s = r->s;
	uint8_t *descriptor = s->journal.records[0];
	uint32_t size = journal_tag_bytes(s->journal.wide);
	int error = 0;

	memcpy(descriptor, block, s->block_size);
	for (uint32_t at = sizeof(struct journal_header); at + size <= s->block_size && *more && !error;) {
		const struct journal_tag *tag = (const struct journal_tag *)(descriptor + at);
		uint32_t flags = __builtin_bswap16(tag->flags);
		uint64_t home = journal_32(tag->block);

		if (s->journal.wide)
			home |= (uint64_t)journal_32(*(const uint32_t *)(tag + 1)) << 32;
		error = see_copy(r, home, flags, more);
		if (flags & JOURNAL_LAST_TAG)
			break;
		at += size + (flags & JOURNAL_SAME_UUID ? 0 : JOURNAL_UUID);
	}
	return error;
}

/* *more false: the walk ends here. */
static int see_block(struct replay *r, const void *block, bool *more)
{
	const struct journal_header *h = block;

	*more = journal_32(h->magic) == JOURNAL_MAGIC && journal_32(h->sequence) == r->sequence;
	if (!*more)
		return 0;
	switch (journal_32(h->type)) {
	case JOURNAL_DESCRIPTOR:
		return see_descriptor(r, block, more);
	case JOURNAL_COMMIT:
		r->sequence++;
		return write_waiting(r); /* the next transaction may have newer copies of the same blocks */
	case JOURNAL_REVOKE:
		return r->pass == CHECK ? see_revokes(r, block) : 0;
	default:
		*more = false;
		return 0;
	}
}

static int walk(struct replay *r, enum pass pass)
{
	const struct journal_superblock *d = r->s->journal.superblock;
	bool more = true;
	int error = 0;

	r->pass = pass;
	r->position = journal_32(d->start);
	r->sequence = journal_32(d->sequence);
	r->seen = 0;
	r->window_count = 0;
	while (more && !error && (pass == SCAN || r->sequence != r->end)) {
		void *block;

		error = next_block(r, &block);
		if (!block)
			break;
		error = see_block(r, block, &more);
	}
	if (!error && pass == WRITE)
		error = write_waiting(r);
	return error;
}

static void replay_end(struct replay *r)
{
	struct store *s = r->s;

	for (struct hash_entry *e = hash_after(&r->revoked, NULL), *next; e; e = next) {
		next = hash_after(&r->revoked, e);
		s->port.free(s->port.data, e);
	}
	hash_end(&r->revoked, &s->port);
	for (uint32_t i = 0; i < r->window_size; i++)
		memory_give(s, r->window[i]);
	s->port.free(s->port.data, r);
}

int journal_replay(struct store *s, uint64_t *next, bool *replayed)
{
	struct replay *r = store_allocate(s, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->s = s;
	while (r->window_size < WINDOW_MOST && (r->window[r->window_size] = memory_take(s)))
		r->window_size++;
	error = r->window_size ? walk(r, SCAN) : -ENOMEM;
	r->end = r->sequence;
	if (!error)
		error = walk(r, CHECK);
	if (!error && r->end != journal_32(s->journal.superblock->sequence)) {
		error = walk(r, WRITE);
		*replayed = true;
	}
	*next = r->end + 1ul; /* the number of the one that was not committed is not used again: its blocks may lie there */
	replay_end(r);
	return error;
}
