/* Bytes on their way: a chain of frames in the window that grows as it is filled and shrinks as it is read. Domain lock held.
 *
 * Used by sockets whose two ends are both in the domain: the one puts, the other takes, and nothing is copied in between. How much may be in it is its user's
 * business. An empty one keeps one frame, if it ever had any. */
#pragma once

#include <exos/socket/socket.h>

struct channel {
	struct channel_block *first, *last;
	char *take, *put, *end; /* in `first`, in `last`; the end of `last` */
	size_t length;          /* bytes in it */
	uint64_t taken;         /* bytes ever taken out */
};
struct channel_block {
	struct channel_block *next;
	char bytes[FRAME_SIZE - sizeof(struct channel_block *)];
};

void channel_free(struct channel *c);
/* All of the next n bytes of m, or nothing: 0, -EFAULT, -ENOMEM. */
int channel_put(struct channel *c, struct message *m, size_t n);
/* The n bytes behind the first `skip`, which are there, to the program: 0 or -EFAULT. */
int channel_copy(const struct channel *c, size_t skip, struct message *m, size_t n);
void channel_take(struct channel *c, size_t n); /* the first n, which are there, are done with */

/* Most calls move bytes within a frame. Is this one of them? Then it is a copy and a few additions. */
static inline bool channel_puts_at_once(const struct channel *c, size_t n) { return n <= (size_t)(c->end - c->put); }
static inline void channel_has_put(struct channel *c, size_t n) /* that many at c->put */
{
	c->put += n;
	c->length += n;
}
static inline bool channel_takes_at_once(const struct channel *c, size_t n) /* of n <= c->length */
{
	return c->first == c->last || c->take + n < c->first->bytes + sizeof(c->first->bytes);
}
static inline void channel_has_taken(struct channel *c, size_t n) /* that many from c->take */
{
	c->take += n;
	c->taken += n;
	c->length -= n;
	if (!c->length) /* an empty one starts again in the frame that it has */
		c->take = c->put = c->first->bytes;
}
