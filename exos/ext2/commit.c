/* Commits: how the running transaction is frozen, reaches the log, and is committed.
 *
 * In the order of writing: revoke blocks, descriptors with the copies behind them; flush (also of the contents that the caller wrote before: ordered mode); the commit block, which lasts when its write is done. A crash before that leaves
 * a transaction without commit block, which is not replayed; no block of it was written home. */
#include <exos/ext2/journal_format.h>
#include <exos/ext2/store_internal.h>

#define NS 1000000000u

void transaction_start(struct transaction *t, uint64_t sequence)
{
	*t = (struct transaction){ .sequence = sequence };
	list_init(&t->changed);
	list_init(&t->forgotten);
}

uint64_t store_running(const struct store *s) { return s->running.sequence; }
uint64_t store_committed(const struct store *s) { return s->committed; }
bool store_failed(const struct store *s) { return s->failed; }
bool store_changed(const struct store *s)
{
	return s->running.changed_count || s->running.forgotten_count || !block_set_empty(&s->running.held);
}

static void list_move(struct list *from, struct list *to)
{
	while (!list_empty(from)) {
		struct list *l = from->next;

		list_remove(l);
		list_append(to, l);
	}
}

static void copies_free(struct store *s)
{
	LIST_FOR_EACH(l, &s->running.changed) {
		struct buffer *b = CONTAINER_OF(l, struct buffer, transaction);

		if (b->frozen)
			memory_give(s, b->frozen);
		b->frozen = NULL;
	}
}

static int copies_take(struct store *s)
{
	LIST_FOR_EACH(l, &s->running.changed) {
		struct buffer *b = CONTAINER_OF(l, struct buffer, transaction);

		b->frozen = memory_take(s);
		if (!b->frozen) {
			copies_free(s);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Everything that can fail: memory, room in the log, the log's mark. */
static int prepare(struct store *s, struct commit *c)
{
	struct journal *j = &s->journal;
	int error = copies_take(s);

	if (error && !checkpoint(s)) /* frees copies */
		error = copies_take(s);
	if (error || !j->open)
		return error;
	c->blocks = journal_blocks_for(s, s->running.changed_count, s->running.forgotten_count);
	if (c->blocks > journal_usable(j)) /* who changes so much did not ask store_room */
		error = -EIO;
	if (!error && c->blocks > journal_usable(j) - j->used)
		error = checkpoint(s);
	if (!error && !j->marked)
		error = journal_mark(s, j->head, s->running.sequence);
	if (error) {
		copies_free(s);
		s->failed = true;
		return -EIO;
	}
	c->position = j->head;
	j->head = j->first + (j->head - j->first + c->blocks) % journal_usable(j);
	j->used += c->blocks;
	return 0;
}

/* The copy is in the log without its magic number, if it begins with it: that would look like a block of the journal's own. commit_end puts it back. */
static void copy(struct store *s, struct buffer *b)
{
	uint32_t *first = (uint32_t *)b->frozen;

	memcpy(b->frozen, b->data, s->block_size);
	b->escaped = s->journal.open && *first == journal_32(JOURNAL_MAGIC);
	if (b->escaped)
		*first = 0;
}

static void freeze(struct store *s, struct commit *c)
{
	struct list *changed = &s->running.changed;

	transaction_start(&c->t, s->running.sequence);
	while (!list_empty(changed)) {
		struct buffer *b = CONTAINER_OF(changed->next, struct buffer, transaction);

		list_remove(&b->transaction);
		list_append(&c->frozen, &b->frozen_link);
		copy(s, b);
		b->changed = false;
		buffer_settle(s, b);
	}
	c->t.changed_count = s->running.changed_count;
	list_move(&s->running.forgotten, &c->t.forgotten);
	c->t.forgotten_count = s->running.forgotten_count;
	c->t.held = s->running.held;
	transaction_start(&s->running, c->t.sequence + 1);
}

int commit_begin(struct store *s, struct commit **out)
{
	struct commit *c;
	int error;

	ASSERT(!s->commit);
	*out = NULL;
	if (s->failed)
		return -EIO;
	if (!store_changed(s))
		return 0;
	c = store_allocate(s, sizeof(*c));
	if (!c)
		return -ENOMEM;
	error = prepare(s, c);
	if (error) {
		s->port.free(s->port.data, c);
		return error;
	}
	c->store = s;
	c->error = -EIO;
	list_init(&c->frozen);
	freeze(s, c);
	s->commit = c;
	*out = c;
	return 0;
}

/* What goes into the log, block after block: collected, and written when there is no more room in the list, or among the records. */
struct output {
	struct store *store;
	uint32_t position, n, records;
	uint64_t sequence;
	int error;
};

static void output_write(struct output *o)
{
	if (o->n && !o->error)
		o->error = o->store->port.write(o->store->port.data, o->store->journal.list, o->n, false);
	o->n = o->records = 0;
}

static void output_block(struct output *o, void *memory)
{
	struct journal *j = &o->store->journal;

	j->list[o->n++] = (struct ext2_io){ journal_block(j, o->position), memory };
	o->position = journal_after(j, o->position);
	if (o->n == LIST_MOST)
		output_write(o);
}

/* One of the journal's own, cleared but for its header. It may be filled as long as there is a place free in the list behind it, and is put there by the caller. */
static void *output_record(struct output *o, uint32_t type)
{
	struct journal_header *h;

	if (o->records == RECORDS)
		output_write(o);
	h = (struct journal_header *)o->store->journal.records[o->records++];
	memset(h, 0, o->store->block_size);
	*h = (struct journal_header){ journal_32(JOURNAL_MAGIC), journal_32(type), journal_32((uint32_t)o->sequence) };
	return h;
}

static void write_revokes(struct output *o, struct commit *c)
{
	struct store *s = o->store;
	struct journal_revoke *r = NULL;
	uint32_t number = journal_number_bytes(s->journal.wide), at = 0;

	LIST_FOR_EACH(l, &c->t.forgotten) {
		uint64_t block = CONTAINER_OF(l, struct buffer, transaction)->block;

		if (!r) {
			r = output_record(o, JOURNAL_REVOKE);
			at = sizeof(*r);
		}
		if (number == 8)
			*(uint64_t *)((uint8_t *)r + at) = journal_64(block);
		else
			*(uint32_t *)((uint8_t *)r + at) = journal_32((uint32_t)block);
		at += number;
		r->bytes = journal_32(at);
		if (at + number > s->block_size || l->next == &c->t.forgotten) {
			output_block(o, r);
			r = NULL;
		}
	}
}

static uint8_t *write_tag(uint8_t *at, const struct buffer *b, bool wide, bool first, bool last, const uint8_t *uuid)
{
	struct journal_tag tag = { journal_32((uint32_t)b->block), 0, __builtin_bswap16((b->escaped ? JOURNAL_ESCAPED : 0) | (first ? 0 : JOURNAL_SAME_UUID) | (last ? JOURNAL_LAST_TAG : 0)) };
	uint32_t high = journal_32((uint32_t)(b->block >> 32));

	memcpy(at, &tag, sizeof(tag));
	if (wide)
		memcpy(at + sizeof(tag), &high, sizeof(high));
	at += journal_tag_bytes(wide);
	if (!first)
		return at;
	memcpy(at, uuid, JOURNAL_UUID);
	return at + JOURNAL_UUID;
}

/* A descriptor goes out before the blocks that it names: it is full by then. */
static struct list *write_group(struct output *o, struct commit *c, struct list *l)
{
	struct store *s = o->store;
	uint8_t *record = output_record(o, JOURNAL_DESCRIPTOR), *at = record + sizeof(struct journal_header);
	uint32_t size = journal_tag_bytes(s->journal.wide);
	struct list *end = l;
	bool last = false;

	for (bool first = true; !last; first = false, end = end->next) {
		last = end->next == &c->frozen || at + size + (first ? JOURNAL_UUID : 0) + size > record + s->block_size;
		at = write_tag(at, CONTAINER_OF(end, struct buffer, frozen_link), s->journal.wide, first, last, s->journal.superblock->uuid);
	}
	output_block(o, record);
	for (; l != end; l = l->next)
		output_block(o, CONTAINER_OF(l, struct buffer, frozen_link)->frozen);
	return end;
}

static int write_log(struct commit *c)
{
	struct store *s = c->store;
	struct output o = { .store = s, .position = c->position, .sequence = c->t.sequence };
	struct journal_commit *record;
	struct ext2_io io;
	uint64_t now = s->port.now(s->port.data);

	write_revokes(&o, c);
	for (struct list *l = c->frozen.next; l != &c->frozen;)
		l = write_group(&o, c, l);
	output_write(&o);
	if (!o.error)
		o.error = s->port.flush(s->port.data);
	if (!o.error && s->failed)
		o.error = -EIO;
	if (o.error)
		return o.error;
	record = output_record(&o, JOURNAL_COMMIT);
	record->seconds = journal_64(now / NS);
	record->nanoseconds = journal_32((uint32_t)(now % NS));
	io = (struct ext2_io){ journal_block(&s->journal, o.position), record };
	ASSERT(journal_after(&s->journal, o.position) == s->journal.first + (c->position - s->journal.first + c->blocks) % journal_usable(&s->journal));
	return s->port.write(s->port.data, &io, 1, true);
}

/* Without a journal: the copies go home. Ordered mode as well as it can be had: contents first. */
static int write_home(struct commit *c)
{
	struct store *s = c->store;
	struct ext2_io *list = s->port.page(s->port.data), one;
	uint32_t n = 0, most = list ? LIST_MOST : 1;
	int error = s->port.flush(s->port.data);

	list_sort(&c->frozen, frozen_before);
	if (!list)
		list = &one;
	for (struct list *l = c->frozen.next; l != &c->frozen && !error; l = l->next) {
		struct buffer *b = CONTAINER_OF(l, struct buffer, frozen_link);

		list[n++] = (struct ext2_io){ b->block, b->frozen };
		if (n == most || l->next == &c->frozen) {
			error = s->port.write(s->port.data, list, n, false);
			n = 0;
		}
	}
	if (list != &one)
		s->port.page_free(s->port.data, list);
	return error ? error : s->port.flush(s->port.data);
}

int commit_write(struct commit *c)
{
	c->error = c->store->failed ? -EIO : c->store->journal.open ? write_log(c) : write_home(c);
	if (c->error)
		c->store->failed = true;
	return c->error;
}

static void unescape(struct buffer *b)
{
	if (b->escaped)
		*(uint32_t *)b->frozen = journal_32(JOURNAL_MAGIC);
	b->escaped = false;
}

static void buffer_committed(struct store *s, struct buffer *b)
{
	if (s->journal.open) {
		unescape(b);
		if (b->committed)
			memory_give(s, b->committed);
		else
			s->home_count++;
		b->committed = b->frozen;
	} else {
		memory_give(s, b->frozen);
	}
	b->frozen = NULL;
	buffer_settle(s, b);
}

/* What was to be committed is part of the running transaction again, so that it stays in memory; it will never be written. */
static void buffer_uncommitted(struct store *s, struct buffer *b)
{
	memory_give(s, b->frozen);
	b->frozen = NULL;
	b->escaped = false;
	if (!b->changed && !(b->odd & BUFFER_FORGOTTEN)) {
		b->changed = true;
		list_append(&s->running.changed, &b->transaction);
		s->running.changed_count++;
	}
	buffer_settle(s, b);
}

static void discard_run(void *data, uint64_t block, uint64_t count)
{
	const struct ext2_port *port = data;

	port->discard(port->data, block, count);
}

int commit_end(struct commit *c)
{
	struct store *s = c->store;
	int error = c->error;

	while (!list_empty(&c->frozen)) {
		struct buffer *b = CONTAINER_OF(c->frozen.next, struct buffer, frozen_link);

		list_remove(&b->frozen_link);
		if (error)
			buffer_uncommitted(s, b);
		else
			buffer_committed(s, b);
	}
	if (error) {
		s->failed = true;
		list_move(&c->t.forgotten, &s->running.forgotten);
		s->running.forgotten_count += c->t.forgotten_count;
		block_set_merge(&s->running.held, &c->t.held, &s->port);
	} else {
		while (!list_empty(&c->t.forgotten))
			buffer_end(s, CONTAINER_OF(c->t.forgotten.next, struct buffer, transaction));
		if (s->port.discard)
			block_set_runs(&c->t.held, discard_run, &s->port);
		s->committed = c->t.sequence;
	}
	block_set_end(&c->t.held, &s->port);
	s->commit = NULL;
	s->port.free(s->port.data, c);
	return error;
}
