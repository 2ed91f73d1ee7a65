/* The lottery: shares in the long run, compensation, clients that come and go against a plain list of weights, seeds. */
#include <math.h>
#include <string.h>

#include <exos/lib/sched/lottery.h>

#include "check.h"

#define MANY 1000
static struct lottery_client clients[MANY];
static uint64_t had[MANY];

static size_t number(const struct sched_client *c) { return (size_t)((const struct lottery_client *)c - clients); }

static struct sched *start(size_t n, uint64_t seed)
{
	struct sched *s = sched_lottery.make(seed);

	memset(clients, 0, sizeof(clients));
	memset(had, 0, sizeof(had));
	for (size_t i = 0; i < n; i++) {
		clients[i].client.share.tickets = 1 + (uint32_t)random_below(10);
		if (s->ops->join(s, &clients[i].client))
			abort();
		s->ops->wake(s, &clients[i].client, 0);
	}
	return s;
}

static void shares(size_t n)
{
	struct sched *s = start(n, random_below(1000));
	double total = 0, worst = 0;
	const double slices = 400000;

	for (size_t i = 0; i < n; i++)
		total += clients[i].client.share.tickets;
	for (int t = 0; t < slices; t++)
		had[number(whole_slice(s))]++;
	for (size_t i = 0; i < n; i++) {
		double p = clients[i].client.share.tickets / total;

		worst = fmax(worst, fabs((double)had[i] - slices * p) / sqrt(slices * p * (1 - p)));
	}
	ok(worst < 5, "%zu clients: shares within %.2f standard deviations", n, worst);
	s->ops->free(s);
}

/* Whoever uses a fifth of his slices is drawn five times as often, so that the work is shared as the tickets say. */
static void compensation(void)
{
	struct sched *s = start(2, 7);
	const struct sched_share equal = { .tickets = 1 };
	double work[2] = { 0, 0 };

	s->ops->share(s, &clients[0].client, &equal);
	s->ops->share(s, &clients[1].client, &equal);
	for (int t = 0; t < 300000; t++) {
		struct sched_client *c = s->ops->choose(s, 0);
		uint32_t part = number(c) ? SCHED_SLICE : SCHED_SLICE / 5;

		s->ops->charge(s, c, &(struct sched_use){ .part = part });
		work[number(c)] += part;
	}
	ok(fabs(work[0] / work[1] - 1) < 0.03, "work is shared as tickets are (%.3f) though one gives four fifths of its slices back", work[0] / work[1]);
	s->ops->free(s);
}

static bool consistent(const struct lottery *l)
{
	uint64_t total = 0;

	for (size_t p = 1; p <= l->places; p++) {
		uint64_t sum = 0;

		for (size_t i = p; i; i -= i & -i)
			sum += l->sums[i];
		total += l->clients[p] ? l->clients[p]->weight : 0;
		if (sum != total)
			return false;
	}
	return total == l->total;
}

static void come_and_go(void)
{
	struct sched *s = start(10, 3);
	bool good = true;

	for (int round = 0; round < 20000 && good; round++) {
		struct lottery_client *c = &clients[random_below(MANY)];
		struct sched_share share = { .tickets = 1 + (uint32_t)random_below(100) };
		struct sched_client *chosen;

		if (!c->client.joined) {
			c->client.share = share;
			good = !s->ops->join(s, &c->client);
		} else if (!random_below(3)) {
			s->ops->leave(s, &c->client);
		} else if (!random_below(3)) {
			good = !s->ops->share(s, &c->client, &share);
		} else if (c->client.awake) {
			s->ops->sleep(s, &c->client);
		} else {
			s->ops->wake(s, &c->client, 0);
		}
		chosen = s->ops->choose(s, 0);
		if (chosen && random_below(2))
			s->ops->charge(s, chosen, &(struct sched_use){ .part = (uint32_t)random_below(SCHED_SLICE + 1) });
		good &= (!chosen || (chosen->awake && chosen->joined)) && (round % 50 || consistent((struct lottery *)s));
	}
	ok(good, "clients that come, go, sleep and change their tickets: the sums are right and only who is awake wins");
	s->ops->free(s);
}

static void seeds(void)
{
	size_t first[200];
	bool same = true, different = false;

	for (int run = 0; run < 3; run++) {
		struct sched *s;

		s = start(50, run == 2 ? 12 : 11);
		for (size_t i = 0; i < 50; i++)
			s->ops->share(s, &clients[i].client, &(struct sched_share){ .tickets = 1 });
		for (int t = 0; t < 200; t++) {
			size_t i = number(whole_slice(s));

			if (run == 0)
				first[t] = i;
			else if (run == 1)
				same &= first[t] == i;
			else
				different |= first[t] != i;
		}
		s->ops->free(s);
	}
	ok(same && different, "the same seed draws the same, another another");
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	shares(3);
	shares(300);
	compensation();
	come_and_go();
	seeds();
	return done_testing();
}
