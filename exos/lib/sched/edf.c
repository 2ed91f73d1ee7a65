/* Earliest deadline first (edf.h). */
#include <errno.h>
#include <stdlib.h>

#include <exos/lib/sched/edf.h>

#define LONGEST (1ul << 62) /* periods: deadlines are compared by their difference */

static struct edf *edf_of(struct sched *s) { return (struct edf *)s; }
static struct edf_client *client_of(struct sched_client *c) { return (struct edf_client *)c; }

static struct sched *edf_make(uint64_t option)
{
	struct edf *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->sched.ops = &sched_edf;
	e->slice = option;
	return &e->sched;
}

static void edf_free(struct sched *sched) { free(sched); }

/* So much of the CPU, rounded up: what is rounded must never admit too much. */
static uint64_t fraction(uint64_t part, uint64_t of) { return (uint64_t)(((unsigned __int128)part * EDF_WHOLE + of - 1) / of); }
static uint64_t share_used(const struct sched_share *share) { return fraction(share->budget, share->period); }

/* Could this be had, if `used` is what the others have? */
static int admit(struct edf *e, const struct sched_share *share, uint64_t used)
{
	const struct tree_node *least = tree_first(&e->periods);
	uint64_t period = least && least->start < share->period ? least->start : share->period;

	if (!share->budget || share->budget > share->period || share->period > LONGEST)
		return -EINVAL;
	return used + share_used(share) + fraction(e->slice, period) <= EDF_WHOLE ? 0 : -EBUSY;
}

static void promise(struct edf *e, struct edf_client *c)
{
	e->used += share_used(&c->client.share);
	c->by_period.start = c->client.share.period;
	tree_put(&e->periods, &c->by_period);
}

static void promise_end(struct edf *e, struct edf_client *c)
{
	e->used -= share_used(&c->client.share);
	tree_take(&e->periods, &c->by_period);
}

static int edf_join(struct sched *sched, struct sched_client *client)
{
	int error = admit(edf_of(sched), &client->share, edf_of(sched)->used);

	if (error)
		return error;
	promise(edf_of(sched), client_of(client));
	client->joined = true;
	return 0;
}

static void release(struct edf_client *c, uint64_t at)
{
	c->node.start = at;
	c->node.deadline = at + c->client.share.period;
	c->left = (int64_t)c->client.share.budget;
}

static void edf_wake(struct sched *sched, struct sched_client *client, uint64_t now)
{
	struct edf_client *c = client_of(client);

	if (!c->node.deadline || !time_before(now, c->node.deadline))
		release(c, now);
	client->awake = true;
	tree_put(&edf_of(sched)->tree, &c->node);
}

static void edf_sleep(struct sched *sched, struct sched_client *client)
{
	client->awake = false;
	tree_take(&edf_of(sched)->tree, &client_of(client)->node);
}

static void edf_leave(struct sched *sched, struct sched_client *client)
{
	if (client->awake)
		edf_sleep(sched, client);
	promise_end(edf_of(sched), client_of(client));
	client->joined = false;
}

/* From the next job on. */
static int edf_share(struct sched *sched, struct sched_client *client, const struct sched_share *share)
{
	struct edf *e = edf_of(sched);
	struct edf_client *c = client_of(client);
	int error;

	promise_end(e, c);
	error = admit(e, share, e->used);
	if (!error)
		client->share = *share;
	promise(e, c);
	return error;
}

static struct sched_client *edf_choose(struct sched *sched, uint64_t now)
{
	struct edf *e = edf_of(sched);
	struct tree_node *n = tree_earliest(&e->tree, now + 1);

	if (!n) {
		n = tree_first(&e->tree);
		e->sched.idle_until = n ? n->start : 0;
		return NULL;
	}
	return &((struct edf_client *)((char *)n - offsetof(struct edf_client, node)))->client;
}

/* The job after this one. What this one had beyond its budget is taken from those that come: of some perhaps all. */
static void release_next(struct edf_client *c)
{
	const struct sched_share *share = &c->client.share;
	uint64_t debt = c->left < 0 ? (uint64_t)-c->left : 0;

	release(c, c->node.deadline + debt / share->budget * share->period);
	c->left -= (int64_t)(debt % share->budget);
}

static void edf_charge(struct sched *sched, struct sched_client *client, const struct sched_use *use)
{
	struct edf *e = edf_of(sched);
	struct edf_client *c = client_of(client);

	c->left -= (int64_t)use->ticks;
	if (!use->back && c->left > 0)
		return;
	if (use->back) {
		c->jobs++;
		c->missed += time_before(c->node.deadline, use->now);
	} else {
		c->overran++;
	}
	tree_take(&e->tree, &c->node);
	release_next(c);
	tree_put(&e->tree, &c->node);
}

const struct sched_ops sched_edf = {
	.name = "edf",
	.client_size = sizeof(struct edf_client),
	.make = edf_make,
	.free = edf_free,
	.join = edf_join,
	.leave = edf_leave,
	.wake = edf_wake,
	.sleep = edf_sleep,
	.choose = edf_choose,
	.charge = edf_charge,
	.share = edf_share,
};
