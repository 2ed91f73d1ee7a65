/* The cache of buffers: found by block in a hash table; those that can be given back in a list, longest unused first. */
#include <exos/ext2/store_internal.h>

struct buffer *buffer_find(const struct store *s, uint64_t block)
{
	return (struct buffer *)hash_find(&s->buffers, block);
}

int store_new(const struct ext2_port *port, uint32_t block_size, uint64_t blocks, bool read_only, struct store **out)
{
	struct store *s;

	if (block_size != 1024 && block_size != 2048 && block_size != 4096)
		return -EINVAL;
	s = port->allocate(port->data, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->port = *port;
	s->block_size = block_size;
	s->blocks = blocks;
	s->read_only = read_only;
	list_init(&s->clean);
	list_init(&s->home);
	list_init(&s->shared_free);
	transaction_start(&s->running, 1);
	s->list = port->page(port->data);
	if (!s->list || hash_start(&s->buffers, port) != 0) {
		store_end(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void store_end(struct store *s)
{
	struct ext2_port port = s->port;

	ASSERT(!s->commit);
	for (struct hash_entry *e = hash_after(&s->buffers, NULL), *next; e; e = next) {
		struct buffer *b = (struct buffer *)e;

		next = hash_after(&s->buffers, e);
		if (b->data)
			memory_give(s, b->data);
		if (b->committed)
			memory_give(s, b->committed);
		port.free(port.data, b);
	}
	journal_end(s);
	block_set_end(&s->running.held, &port);
	hash_end(&s->buffers, &port);
	hash_end(&s->shared_pages, &port);
	if (s->list)
		port.page_free(port.data, s->list);
	port.free(port.data, s);
}

void buffer_settle(struct store *s, struct buffer *b)
{
	list_remove(&b->link);
	if (b->committed)
		list_append(&s->home, &b->link);
	else if (!b->changed && !b->frozen && !(b->odd & BUFFER_FORGOTTEN))
		list_append(&s->clean, &b->link);
}

void buffer_end(struct store *s, struct buffer *b)
{
	list_remove(&b->link);
	list_remove(&b->transaction);
	hash_remove(&s->buffers, &b->entry);
	if (b->data)
		memory_give(s, b->data);
	if (b->committed) {
		memory_give(s, b->committed);
		s->home_count--;
	}
	s->port.free(s->port.data, b);
}

/* Not in the table yet: what is being read is nobody's to find. */
static struct buffer *buffer_make(struct store *s, uint64_t block)
{
	struct buffer *b = store_allocate(s, sizeof(*b));

	if (!b)
		return NULL;
	b->data = memory_take(s);
	if (!b->data) {
		s->port.free(s->port.data, b);
		return NULL;
	}
	b->block = block;
	b->used = true;
	list_init(&b->link);
	list_init(&b->transaction);
	list_init(&b->frozen_link);
	return b;
}

static void buffer_unmake(struct store *s, struct buffer *b)
{
	memory_give(s, b->data);
	s->port.free(s->port.data, b);
}

static void buffer_enter(struct store *s, struct buffer *b)
{
	hash_add(&s->buffers, &s->port, &b->entry); /* cannot fail: the table was started */
	list_append(&s->clean, &b->link);
}

static int read_one(struct store *s, uint64_t block, void *memory)
{
	struct ext2_io io = { block, memory };

	return s->port.read(s->port.data, &io, 1);
}

/* It is there, but not as the disk has it. Out of line, as what follows, so that finding a buffer saves no registers. */
static __attribute__((noinline)) int read_odd(struct store *s, struct buffer *b, struct buffer **out)
{
	int error = 0;

	if (b->odd & BUFFER_FORGOTTEN)
		return -EIO;
	b->refs++;
	if (b->refs == 1) { /* somebody began to write it anew, and gave up */
		error = read_one(s, b->block, b->data);
		if (error) {
			b->refs--;
			return error;
		}
		b->odd = 0;
	}
	b->used = true;
	*out = b;
	return 0;
}

static __attribute__((noinline)) int read_new(struct store *s, uint64_t block, struct buffer **out)
{
	struct buffer *b;
	int error;

	if (block >= s->blocks)
		return -EIO;
	b = buffer_make(s, block);
	if (!b)
		return -ENOMEM;
	error = read_one(s, block, b->data);
	if (error) {
		buffer_unmake(s, b);
		return error;
	}
	buffer_enter(s, b);
	b->refs = 1;
	*out = b;
	return 0;
}

int buffer_read(struct store *s, uint64_t block, struct buffer **out)
{
	struct buffer *b = buffer_find(s, block);

	if (!b)
		return read_new(s, block, out);
	if (b->odd)
		return read_odd(s, b, out);
	b->refs++;
	b->used = true;
	*out = b;
	return 0;
}

struct buffer *buffer_known(struct store *s, uint64_t block)
{
	struct buffer *b = buffer_find(s, block);

	if (!b || b->odd)
		return NULL;
	b->refs++;
	b->used = true;
	return b;
}

int buffer_fresh(struct store *s, uint64_t block, struct buffer **out)
{
	struct buffer *b = buffer_find(s, block);

	if (block >= s->blocks || (b && b->odd & BUFFER_FORGOTTEN))
		return -EIO;
	if (!b) {
		b = buffer_make(s, block);
		if (!b)
			return -ENOMEM;
		buffer_enter(s, b);
	}
	if (!b->changed && !b->frozen && !b->committed)
		b->odd = BUFFER_FRESH;
	memset(b->data, 0, s->block_size);
	b->refs++;
	b->used = true;
	*out = b;
	return 0;
}

/* Reads what was made and not entered yet: those of `made`, in the order of store.list. */
static void want_read(struct store *s, struct list *made, uint32_t n)
{
	int error = n ? s->port.read(s->port.data, s->list, n) : 0;

	while (!list_empty(made)) {
		struct buffer *b = CONTAINER_OF(made->next, struct buffer, link);

		list_remove(&b->link);
		if (error || buffer_find(s, b->block)) /* named twice */
			buffer_unmake(s, b);
		else
			buffer_enter(s, b);
	}
}

void buffers_want(struct store *s, const uint64_t *blocks, uint32_t n)
{
	struct list made;
	uint32_t count = 0;

	list_init(&made);
	for (uint32_t i = 0; i < n; i++) {
		struct buffer *b;

		if (blocks[i] >= s->blocks || buffer_find(s, blocks[i]))
			continue;
		b = buffer_make(s, blocks[i]);
		if (!b)
			break;
		list_append(&made, &b->link);
		s->list[count++] = (struct ext2_io){ blocks[i], b->data };
		if (count == LIST_MOST) {
			want_read(s, &made, count);
			count = 0;
		}
	}
	want_read(s, &made, count);
}

int buffer_change_first(struct store *s, struct buffer *b)
{
	if (s->failed || s->read_only)
		return -EROFS;
	b->odd = 0;
	b->changed = true;
	list_append(&s->running.changed, &b->transaction);
	s->running.changed_count++;
	buffer_settle(s, b);
	return 0;
}

/* As long as there are copies in the journal, or on their way there, the buffer stays, without contents, to be revoked by the commit; its committed copy may still have to go home, as until then the block is in use. */
int buffer_forget(struct store *s, uint64_t block)
{
	struct buffer *b = buffer_find(s, block);

	if (s->failed || s->read_only)
		return -EROFS;
	if (!b || b->odd & BUFFER_FORGOTTEN)
		return 0;
	if (b->refs)
		return -EIO; /* the volume is damaged: it uses the block twice */
	if (b->changed) {
		b->changed = false;
		list_remove(&b->transaction);
		s->running.changed_count--;
	}
	if (!b->frozen && !b->committed) {
		buffer_end(s, b);
		return 0;
	}
	b->odd = BUFFER_FORGOTTEN;
	memory_give(s, b->data);
	b->data = NULL;
	list_append(&s->running.forgotten, &b->transaction);
	s->running.forgotten_count++;
	buffer_settle(s, b);
	return 0;
}

/* First those that nobody holds, without waiting: while the others are read, there may be a shrink. */
int buffers_reread(struct store *s)
{
	int error = 0;

	LIST_FOR_EACH_SAFE(l, following, &s->clean) {
		struct buffer *b = CONTAINER_OF(l, struct buffer, link);

		if (!b->refs)
			buffer_end(s, b);
	}
	for (struct hash_entry *e = hash_after(&s->buffers, NULL); e && !error; e = hash_after(&s->buffers, e))
		error = read_one(s, e->key, ((struct buffer *)e)->data);
	return error;
}

int store_hold(struct store *s, uint64_t block, uint32_t count)
{
	return block_set_add(&s->running.held, &s->port, block, count);
}

bool store_held(const struct store *s, uint64_t block)
{
	return block_set_has(&s->running.held, block) || (s->commit && block_set_has(&s->commit->t.held, block));
}

uint64_t store_held_end(const struct store *s, uint64_t block)
{
	uint64_t from;

	do {
		from = block;
		block = block_set_skip(&s->running.held, block);
		if (s->commit)
			block = block_set_skip(&s->commit->t.held, block);
	} while (block != from);
	return block;
}

bool home_before(const struct list *a, const struct list *b)
{
	return CONTAINER_OF(a, struct buffer, link)->block < CONTAINER_OF(b, struct buffer, link)->block;
}

bool frozen_before(const struct list *a, const struct list *b)
{
	return CONTAINER_OF(a, struct buffer, frozen_link)->block < CONTAINER_OF(b, struct buffer, frozen_link)->block;
}
