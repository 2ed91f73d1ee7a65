/* Stride scheduling with eligibility and a horizon (stride.h). The clock needs no bookkeeping of its own: it is the mean of the passes, weighted by tickets, kept as quotient and rest; so
 * what somebody takes with him when he leaves, had in advance or still to have, is spread over those who stay. */
#include <errno.h>
#include <stdlib.h>

#include <exos/lib/sched/stride.h>

_Static_assert(STRIDE_ONE % SCHED_SLICE == 0, "a part of a slice is a whole number");

static struct stride *stride_of(struct sched *s) { return (struct stride *)s; }
static struct stride_client *client_of(struct sched_client *c) { return (struct stride_client *)c; }
static struct stride_client *client_at(struct tree_node *n) { return n ? (struct stride_client *)((char *)n - offsetof(struct stride_client, node)) : NULL; }

static struct sched *stride_make(uint64_t option)
{
	struct stride *s = calloc(1, sizeof(*s));
	uint64_t horizon = option == STRIDE_NO_HORIZON ? 0 : option ? option : STRIDE_HORIZON;

	if (!s)
		return NULL;
	s->sched.ops = &sched_stride;
	s->horizon = horizon > STRIDE_HORIZON_MOST ? STRIDE_HORIZON_MOST : (uint32_t)horizon;
	s->window = s->horizon ? calloc(s->horizon, sizeof(*s->window)) : NULL;
	if (s->horizon && !s->window) {
		free(s);
		return NULL;
	}
	return &s->sched;
}

static void stride_free(struct sched *sched)
{
	free(stride_of(sched)->window);
	free(sched);
}

static void put(struct stride *s, struct stride_client *c)
{
	c->node.deadline = c->node.start + (STRIDE_ONE + c->rest) / c->client.share.tickets;
	tree_put(&s->tree, &c->node);
}

/* Adds work to the sum of passes by tickets, after the tickets themselves have changed if they do. */
static void clock_add(struct stride *s, int64_t work)
{
	int64_t sum = (int64_t)s->rest + work, tickets = (int64_t)s->tickets, quotient;

	if (!tickets) {
		s->rest = 0;
		return;
	}
	quotient = sum / tickets - (sum % tickets < 0); /* rounded down */
	s->pass += (uint64_t)quotient;
	s->rest = (uint64_t)(sum - quotient * tickets);
}

/* Of those in the window nobody is gone: who goes begins it anew first. Costs no more than the slices that were given since the last time. */
static void window_begin(struct stride *s)
{
	for (uint32_t i = 0; i < s->filled; i++) {
		struct stride_client *c = s->window[i];

		c->count = 0;
		if (c->full) {
			c->full = false;
			put(s, c);
		}
	}
	s->filled = s->oldest = 0;
}

/* The work by which it is ahead of the clock (less than 0: behind). */
static int64_t ahead(const struct stride *s, const struct stride_client *c)
{
	return (int64_t)(c->node.start - s->pass) * c->client.share.tickets + (int64_t)c->rest;
}

/* work: by which it is to be ahead of the clock. */
static void enter(struct stride *s, struct stride_client *c, int64_t work)
{
	int64_t tickets = c->client.share.tickets, passes = work / tickets - (work % tickets < 0);

	window_begin(s);
	c->node.start = s->pass + (uint64_t)passes;
	c->rest = (uint64_t)(work - passes * tickets);
	s->tickets += c->client.share.tickets;
	clock_add(s, work);
	c->client.awake = true;
	put(s, c);
}

static int stride_join(struct sched *sched, struct sched_client *client)
{
	struct stride *s = stride_of(sched);

	if (!client->share.tickets || s->promised + client->share.tickets > SCHED_TICKETS_MOST)
		return -EINVAL;
	s->promised += client->share.tickets;
	client->joined = true;
	return 0;
}

/* Who comes back starts at the present pass: it is not given what it did not want while it was away. What it had had in advance it still has. */
static void stride_wake(struct sched *sched, struct sched_client *client, uint64_t now)
{
	struct stride_client *c = client_of(client);

	(void)now;
	enter(stride_of(sched), c, c->ahead > 0 ? c->ahead : 0);
}

static void stride_sleep(struct sched *sched, struct sched_client *client)
{
	struct stride *s = stride_of(sched);
	struct stride_client *c = client_of(client);

	window_begin(s);
	tree_take(&s->tree, &c->node);
	c->ahead = ahead(s, c);
	client->awake = false;
	s->tickets -= client->share.tickets;
	clock_add(s, -c->ahead);
}

static void stride_leave(struct sched *sched, struct sched_client *client)
{
	if (client->awake)
		stride_sleep(sched, client);
	stride_of(sched)->promised -= client->share.tickets;
	client->joined = false;
}

static int stride_share(struct sched *sched, struct sched_client *client, const struct sched_share *share)
{
	struct stride *s = stride_of(sched);
	struct stride_client *c = client_of(client);
	bool awake = client->awake;

	if (!share->tickets || s->promised - client->share.tickets + share->tickets > SCHED_TICKETS_MOST)
		return -EINVAL;
	if (awake)
		stride_sleep(sched, client);
	s->promised += share->tickets - (uint64_t)client->share.tickets;
	client->share = *share;
	if (awake)
		enter(s, c, c->ahead);
	return 0;
}

/* Compared with the share of a window: less than 0, it has had less. */
static int64_t in_window(const struct stride *s, const struct stride_client *c)
{
	return (int64_t)(c->count * s->tickets) - (int64_t)((uint64_t)s->horizon * c->client.share.tickets);
}

/* Passes before this have begun when the slice that is given now ends. Rounded down, as passes are: two that differ at all differ by one at least, while tickets of one times
 * tickets of all are below 2^48. */
static uint64_t limit(const struct stride *s) { return s->pass + (s->rest + STRIDE_ONE) / s->tickets; }

static struct sched_client *stride_choose(struct sched *sched, uint64_t now)
{
	struct stride *s = stride_of(sched);
	struct stride_client *leaving = s->horizon && s->filled == s->horizon ? s->window[s->oldest] : NULL;
	struct stride_client *c;

	(void)now;
	if (!s->tickets)
		return NULL;
	if (leaving && in_window(s, leaving) <= 0)
		return &leaving->client; /* without this slice it would have less than its share, rounded down, in the window */
	c = client_at(tree_earliest(&s->tree, limit(s)));
	/* The one whose slice leaves the window may have it again. */
	if (leaving && (!c || (time_before(leaving->node.start, limit(s)) && time_before(leaving->node.deadline, c->node.deadline))))
		c = leaving;
	return &(c ? c : client_at(tree_first(&s->tree)))->client;
}

/* A whole slice moves the window on. Who then has as much in it as a window may hold is out of the tree until one of its slices leaves. */
static void window_move(struct stride *s, struct stride_client *c)
{
	if (s->filled == s->horizon) {
		struct stride_client *leaving = s->window[s->oldest];

		leaving->count--;
		if (leaving->full && in_window(s, leaving) < 0) {
			leaving->full = false;
			if (leaving != c)
				put(s, leaving);
		}
	} else {
		s->filled++;
	}
	s->window[s->oldest] = c;
	s->oldest = s->oldest + 1 == s->horizon ? 0 : s->oldest + 1;
	c->count++;
}

static void stride_charge(struct sched *sched, struct sched_client *client, const struct sched_use *use)
{
	struct stride *s = stride_of(sched);
	struct stride_client *c = client_of(client);
	uint64_t work = STRIDE_ONE / SCHED_SLICE * use->part, sum = c->rest + work;

	if (!c->full)
		tree_take(&s->tree, &c->node);
	c->node.start += sum / client->share.tickets;
	c->rest = sum % client->share.tickets;
	clock_add(s, (int64_t)work);
	if (s->horizon && use->part == SCHED_SLICE)
		window_move(s, c);
	c->full = s->horizon && in_window(s, c) >= 0;
	if (!c->full)
		put(s, c);
	if (use->part != SCHED_SLICE)
		window_begin(s);
}

const struct sched_ops sched_stride = {
	.name = "stride",
	.client_size = sizeof(struct stride_client),
	.make = stride_make,
	.free = stride_free,
	.join = stride_join,
	.leave = stride_leave,
	.wake = stride_wake,
	.sleep = stride_sleep,
	.choose = stride_choose,
	.charge = stride_charge,
	.share = stride_share,
};
