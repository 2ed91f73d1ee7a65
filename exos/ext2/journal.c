/* The journal: where it lies, its superblock, how much fits in. */
#include <exos/ext2/journal_format.h>
#include <exos/ext2/store_internal.h>

/* The least log that is of use. mke2fs makes 1,024 blocks at least. */
#define LOG_LEAST 16u
/* Memory in committed copies from which a checkpoint is due. */
#define COPIES_MUCH (16u << 20)

static struct journal_run *run_new(struct store *s)
{
	struct journal *j = &s->journal;
	struct journal_place *p = j->last_place;

	if (!p || p->used == PLACE_RUNS) {
		p = store_allocate(s, sizeof(*p));
		if (!p)
			return NULL;
		if (j->last_place)
			j->last_place->next = p;
		else
			j->places = p;
		j->last_place = p;
	}
	return &p->runs[p->used++];
}

int journal_place(struct store *s, uint64_t block, uint32_t count)
{
	struct journal *j = &s->journal;
	struct journal_run *run = j->last_place ? &j->last_place->runs[j->last_place->used - 1] : NULL;

	if (block >= s->blocks || count > s->blocks - block || !count || j->placed + count < count)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if (block_set_has(&j->own, block + i))
			return -EINVAL;
	if (block_set_add(&j->own, &s->port, block, count) != 0)
		return -ENOMEM;
	if (run && run->block + run->count == block) {
		run->count += count;
	} else {
		run = run_new(s);
		if (!run)
			return -ENOMEM;
		*run = (struct journal_run){ block, j->placed, count };
	}
	j->placed += count;
	return 0;
}

/* Mostly the run that was found last. */
uint64_t journal_block(struct journal *j, uint32_t position)
{
	struct journal_place *p = j->place_seen;

	if (!p || position < p->runs[0].first)
		p = j->places;
	while (position >= p->runs[p->used - 1].first + p->runs[p->used - 1].count)
		p = p->next;
	j->place_seen = p;
	for (struct journal_run *run = p->runs;; run++)
		if (position - run->first < run->count)
			return run->block + (position - run->first);
}

void journal_end(struct store *s)
{
	struct journal *j = &s->journal;

	for (struct journal_place *p = j->places, *next; p; p = next) {
		next = p->next;
		s->port.free(s->port.data, p);
	}
	for (uint32_t i = 0; i < RECORDS; i++)
		if (j->records[i])
			memory_give(s, j->records[i]);
	if (j->superblock)
		memory_give(s, j->superblock);
	if (j->list)
		s->port.page_free(s->port.data, j->list);
	block_set_end(&j->own, &s->port);
	*j = (struct journal){ 0 };
}

static int take_memory(struct store *s)
{
	struct journal *j = &s->journal;

	j->superblock = (struct journal_superblock *)memory_take(s);
	j->list = s->port.page(s->port.data);
	for (uint32_t i = 0; i < RECORDS; i++)
		j->records[i] = memory_take(s);
	for (uint32_t i = 0; i < RECORDS; i++)
		if (!j->records[i])
			return -ENOMEM;
	return j->superblock && j->list ? 0 : -ENOMEM;
}

static int check_superblock(struct store *s)
{
	struct journal *j = &s->journal;
	const struct journal_superblock *d = j->superblock;
	uint32_t start = journal_32(d->start);

	if (journal_32(d->header.magic) != JOURNAL_MAGIC)
		return -EINVAL;
	if (journal_32(d->header.type) != JOURNAL_SUPERBLOCK_2)
		return journal_32(d->header.type) == JOURNAL_SUPERBLOCK_1 ? -EOPNOTSUPP : -EINVAL;
	j->length = journal_32(d->length);
	j->first = journal_32(d->first);
	if (journal_32(d->block_size) != s->block_size || j->length > j->placed || j->first == 0 || j->first > j->length || j->length - j->first < LOG_LEAST || (start && (start < j->first || start >= j->length)))
		return -EINVAL;
	if (journal_32(d->incompatible) & ~(uint32_t)(JOURNAL_INCOMPAT_REVOKE | JOURNAL_INCOMPAT_64BIT) || d->read_only_compatible)
		return -EOPNOTSUPP;
	j->wide = journal_32(d->incompatible) & JOURNAL_INCOMPAT_64BIT;
	return 0;
}

/* The parts that change lie in the first 512 bytes, which the disk writes whole or not at all. */
int journal_mark(struct store *s, uint32_t start, uint64_t sequence)
{
	struct journal_superblock *d = s->journal.superblock;
	struct ext2_io io = { s->journal.places->runs[0].block, d };
	int error;

	d->start = journal_32(start);
	d->sequence = journal_32((uint32_t)sequence);
	error = s->port.write(s->port.data, &io, 1, true);
	if (!error)
		s->journal.marked = start != 0;
	return error;
}

/* The log is empty: from here on with the features that are used. */
static void begin(struct store *s, uint32_t next)
{
	struct journal *j = &s->journal;

	j->wide = j->wide || s->blocks >> 32;
	j->superblock->incompatible |= journal_32(JOURNAL_INCOMPAT_REVOKE | (j->wide ? JOURNAL_INCOMPAT_64BIT : 0));
	j->head = j->first;
	j->used = 0;
	j->open = true;
	s->running.sequence = (s->running.sequence >> 32 << 32) + (1ul << 32) + next; /* never less than before */
	s->committed = s->running.sequence - 1;
	j->tail_sequence = s->running.sequence;
}

static int open_checked(struct store *s, bool *replayed)
{
	struct journal *j = &s->journal;
	struct ext2_io io;
	uint64_t next;
	int error = j->placed ? take_memory(s) : -EINVAL;

	if (error)
		return error;
	io = (struct ext2_io){ j->places->runs[0].block, j->superblock };
	error = s->port.read(s->port.data, &io, 1);
	if (!error)
		error = check_superblock(s);
	if (error)
		return error;
	next = journal_32(j->superblock->sequence) + 1ul;
	if (j->superblock->start) {
		if (!s->port.write)
			return -EROFS;
		error = journal_replay(s, &next, replayed);
		if (!error)
			error = s->port.flush(s->port.data);
		if (!error)
			error = journal_mark(s, 0, next);
		if (!error && *replayed)
			error = buffers_reread(s);
	}
	if (!error)
		begin(s, (uint32_t)next);
	return error;
}

int journal_open(struct store *s, bool *replayed)
{
	int error;

	ASSERT(!store_changed(s) && !s->commit && !s->journal.open);
	*replayed = false;
	error = open_checked(s, replayed);
	if (error)
		journal_end(s);
	else
		block_set_end(&s->journal.own, &s->port);
	return error;
}

static int commit_all(struct store *s)
{
	struct commit *c;
	int error = commit_begin(s, &c);

	if (!error && c) {
		commit_write(c);
		error = commit_end(c);
	}
	return error;
}

int journal_close(struct store *s)
{
	int error = s->failed ? -EIO : commit_all(s);

	if (!error)
		error = checkpoint(s);
	if (!error && s->journal.marked)
		error = journal_mark(s, 0, s->running.sequence);
	if (error)
		s->failed = true;
	else
		journal_end(s);
	return error;
}

static uint32_t tags_in(const struct store *s)
{
	return (s->block_size - sizeof(struct journal_header) - JOURNAL_UUID) / journal_tag_bytes(s->journal.wide);
}
static uint32_t revokes_in(const struct store *s)
{
	return (s->block_size - sizeof(struct journal_revoke)) / journal_number_bytes(s->journal.wide);
}

uint32_t journal_blocks_for(const struct store *s, uint32_t changed, uint32_t forgotten)
{
	uint32_t tags = tags_in(s), revokes = revokes_in(s);

	return changed + (changed + tags - 1) / tags + (forgotten + revokes - 1) / revokes + 1;
}

/* Half the log at most, so that the next transaction rarely waits for this one to go home. A block more for the revokes that may come, and one for the descriptor that does. */
uint32_t store_room(const struct store *s)
{
	uint32_t taken, left, tags;

	if (!s->journal.open)
		return UINT32_MAX;
	tags = tags_in(s);
	taken = journal_blocks_for(s, s->running.changed_count, s->running.forgotten_count) + 2;
	left = journal_usable(&s->journal) / 2;
	return left > taken ? (uint32_t)((uint64_t)(left - taken) * tags / (tags + 1)) : 0;
}

bool checkpoint_due(const struct store *s)
{
	return s->journal.open && (s->journal.used > journal_usable(&s->journal) / 2 || (uint64_t)s->home_count * s->block_size > COPIES_MUCH);
}
