/* See channel.h. */
#include <exos/frames.h>
#include <exos/socket/channel.h>

static char *block_end(struct channel_block *b) { return b->bytes + sizeof(b->bytes); }

static struct channel_block *block_new(void)
{
	frame_t f = frame_get();
	struct channel_block *b = frame_address(f);

	if (f == NO_FRAME)
		return NULL;
	b->next = NULL;
	return b;
}

static void free_chain(struct channel_block *b)
{
	while (b) {
		struct channel_block *next = b->next;

		frame_put(address_frame(b));
		b = next;
	}
}

void channel_free(struct channel *c)
{
	free_chain(c->first);
	*c = (struct channel){0};
}

static bool add_block(struct channel *c)
{
	struct channel_block *b = block_new();

	if (!b)
		return false;
	if (c->last)
		c->last->next = b;
	else
		c->first = b, c->take = b->bytes;
	c->last = b;
	c->put = b->bytes;
	c->end = block_end(b);
	return true;
}

int channel_put(struct channel *c, struct message *m, size_t n)
{
	struct channel before = *c;
	size_t left = n;
	int err = 0;

	while (left && !err) {
		size_t part = MIN(left, (size_t)(c->end - c->put));

		if (!part) {
			err = add_block(c) ? 0 : -ENOMEM;
			continue;
		}
		err = message_in(m, c->put, part);
		if (!err) {
			c->put += part;
			left -= part;
		}
	}
	if (!err) {
		c->length += n;
		return 0;
	}
	/* What was added goes again. */
	free_chain(before.last ? before.last->next : c->first);
	if (before.last)
		before.last->next = NULL;
	*c = before;
	return err;
}

int channel_copy(const struct channel *c, size_t skip, struct message *m, size_t n)
{
	struct channel_block *b = c->first;
	char *at = c->take;
	int err = 0;

	while (n && !err) {
		size_t there = (size_t)(block_end(b) - at), part = there > skip ? MIN(n, there - skip) : 0;

		if (part)
			err = message_out(m, at + skip, part);
		n -= part;
		skip -= MIN(skip, there);
		b = b->next;
		at = b ? b->bytes : NULL;
	}
	return err;
}

static void drop_first(struct channel *c)
{
	struct channel_block *b = c->first;

	c->first = b->next;
	c->take = c->first->bytes;
	frame_put(address_frame(b));
}

void channel_take(struct channel *c, size_t n)
{
	c->length -= n;
	c->taken += n;
	while (n) {
		size_t part = MIN(n, (size_t)(block_end(c->first) - c->take));

		c->take += part;
		n -= part;
		if (c->take == block_end(c->first) && c->first->next)
			drop_first(c);
	}
	if (c->length || !c->first)
		return;
	while (c->first->next)
		drop_first(c);
	c->take = c->put = c->first->bytes;
}
