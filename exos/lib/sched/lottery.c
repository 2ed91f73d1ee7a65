/* The lottery (lottery.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exos/lib/sched/lottery.h>

#define LOTTERY_TICKET 256 /* weight of one */
#define PART_LEAST (SCHED_SLICE / 256) /* who used less is compensated as if he had used this */
#define PLACES_FIRST 16

static struct lottery *lottery_of(struct sched *s) { return (struct lottery *)s; }
static struct lottery_client *client_of(struct sched_client *c) { return (struct lottery_client *)c; }

static struct sched *lottery_make(uint64_t option)
{
	struct lottery *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->sched.ops = &sched_lottery;
	l->random = option * 2 + 1; /* never 0 */
	return &l->sched;
}

static void lottery_free(struct sched *sched)
{
	struct lottery *l = lottery_of(sched);

	free(l->sums);
	free(l->clients);
	free(l->vacant);
	free(l);
}

/* xorshift64*: in 0..below - 1. */
static uint64_t draw(struct lottery *l, uint64_t below)
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	return (uint64_t)((unsigned __int128)(l->random * 2685821657736338717u) * below >> 64);
}

static void set_weight(struct lottery *l, struct lottery_client *c, uint64_t weight)
{
	uint64_t more = weight - c->weight; /* wraps for less */

	for (size_t i = c->place; i <= l->places; i += i & -i)
		l->sums[i] += more;
	l->total += more;
	c->weight = weight;
}

/* A table of twice the size, whole or not at all. Of a power of two the sum is of all places up to it. */
static int grow(struct lottery *l)
{
	size_t places = l->places ? 2 * l->places : PLACES_FIRST, had = l->places ? l->places + 1 : 0;
	uint64_t *sums = calloc(places + 1, sizeof(*sums));
	struct lottery_client **clients = calloc(places + 1, sizeof(struct lottery_client *));
	size_t *vacant = calloc(places, sizeof(*vacant));

	if (!sums || !clients || !vacant) {
		free(sums);
		free(clients);
		free(vacant);
		return -ENOMEM;
	}
	if (had) {
		memcpy(sums, l->sums, had * sizeof(*sums));
		memcpy(clients, l->clients, had * sizeof(struct lottery_client *));
	}
	sums[places] = l->total;
	for (size_t place = places; place > l->places; place--)
		vacant[l->vacancies++] = place; /* there were none */
	free(l->sums);
	free(l->clients);
	free(l->vacant);
	l->sums = sums;
	l->clients = clients;
	l->vacant = vacant;
	l->places = places;
	return 0;
}

static int lottery_join(struct sched *sched, struct sched_client *client)
{
	struct lottery *l = lottery_of(sched);
	struct lottery_client *c = client_of(client);

	if (!client->share.tickets || l->promised + client->share.tickets > SCHED_TICKETS_MOST)
		return -EINVAL;
	if (!l->vacancies && grow(l))
		return -ENOMEM;
	c->place = l->vacant[--l->vacancies];
	l->clients[c->place] = c;
	l->promised += client->share.tickets;
	client->joined = true;
	return 0;
}

static void lottery_wake(struct sched *sched, struct sched_client *client, uint64_t now)
{
	(void)now;
	client->awake = true;
	set_weight(lottery_of(sched), client_of(client), (uint64_t)client->share.tickets * LOTTERY_TICKET);
}

static void lottery_sleep(struct sched *sched, struct sched_client *client)
{
	client->awake = false;
	set_weight(lottery_of(sched), client_of(client), 0);
}

static void lottery_leave(struct sched *sched, struct sched_client *client)
{
	struct lottery *l = lottery_of(sched);
	struct lottery_client *c = client_of(client);

	lottery_sleep(sched, client);
	l->clients[c->place] = NULL;
	l->vacant[l->vacancies++] = c->place;
	l->promised -= client->share.tickets;
	client->joined = false;
}

static int lottery_share(struct sched *sched, struct sched_client *client, const struct sched_share *share)
{
	struct lottery *l = lottery_of(sched);

	if (!share->tickets || l->promised - client->share.tickets + share->tickets > SCHED_TICKETS_MOST)
		return -EINVAL;
	l->promised += share->tickets - (uint64_t)client->share.tickets;
	client->share = *share;
	if (client->awake)
		lottery_wake(sched, client, 0);
	return 0;
}

static struct sched_client *lottery_choose(struct sched *sched, uint64_t now)
{
	struct lottery *l = lottery_of(sched);
	uint64_t ticket;
	size_t place = 0;

	(void)now;
	if (!l->total)
		return NULL;
	ticket = draw(l, l->total);
	for (size_t step = l->places; step; step /= 2)
		if (place + step <= l->places && l->sums[place + step] <= ticket) {
			place += step;
			ticket -= l->sums[place];
		}
	return &l->clients[place + 1]->client;
}

static void lottery_charge(struct sched *sched, struct sched_client *client, const struct sched_use *use)
{
	uint32_t part = use->part < PART_LEAST ? PART_LEAST : use->part;

	set_weight(lottery_of(sched), client_of(client), (uint64_t)client->share.tickets * LOTTERY_TICKET * SCHED_SLICE / part);
}

const struct sched_ops sched_lottery = {
	.name = "lottery",
	.client_size = sizeof(struct lottery_client),
	.make = lottery_make,
	.free = lottery_free,
	.join = lottery_join,
	.leave = lottery_leave,
	.wake = lottery_wake,
	.sleep = lottery_sleep,
	.choose = lottery_choose,
	.charge = lottery_charge,
	.share = lottery_share,
};
