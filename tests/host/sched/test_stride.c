/* Stride scheduling: how far a client is from its exact share, in windows of the horizon and since the start, in whole numbers; then with clients that come and go, change their
 * tickets, or use parts of slices. */
#include <math.h>
#include <string.h>

#include <exos/lib/sched/stride.h>

#include "check.h"

#define MANY 3000
static struct stride_client clients[MANY];
static uint64_t had[MANY], in_window[MANY];

static size_t number(const struct sched_client *c) { return (size_t)((const struct stride_client *)c - clients); }

enum kind { FEW, SOME, THOUSANDS, ONE_LARGE, POWERS, EQUAL, HUGE, KINDS };
static const char *const kind_names[KINDS] = { "1..3", "1..10", "1..1000", "one of half, the others 1..100", "powers of 2 up to 1024", "equal", "up to 2^32" };

static uint32_t tickets(enum kind kind, size_t i, size_t n)
{
	switch (kind) {
	case FEW:
		return 1 + (uint32_t)random_below(3);
	case SOME:
		return 1 + (uint32_t)random_below(10);
	case THOUSANDS:
		return 1 + (uint32_t)random_below(1000);
	case ONE_LARGE:
		return i ? 1 + (uint32_t)random_below(100) : 50 * (uint32_t)n;
	case POWERS:
		return 1u << random_below(11);
	case HUGE:
		return 1 + (uint32_t)random_below(UINT32_MAX);
	default:
		return 1;
	}
}

static struct sched *start(size_t n, enum kind kind, uint64_t horizon)
{
	struct sched *s = sched_stride.make(horizon);

	((struct stride *)s)->pass = -(3 * STRIDE_ONE); /* every test goes over the wrap */
	memset(clients, 0, sizeof(clients));
	memset(had, 0, sizeof(had));
	memset(in_window, 0, sizeof(in_window));
	for (size_t i = 0; i < n; i++) {
		clients[i].client.share.tickets = tickets(kind, i, n);
		if (s->ops->join(s, &clients[i].client))
			abort();
		s->ops->wake(s, &clients[i].client, 0);
	}
	return s;
}

static void end(struct sched *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (clients[i].client.joined)
			s->ops->leave(s, &clients[i].client);
	ok(!((struct stride *)s)->tree.root && !((struct stride *)s)->tickets && !((struct stride *)s)->promised, "nothing is left of clients that have left");
	s->ops->free(s);
}

struct worst {
	double window, before, after; /* in slices: of a window; since the start, in the first window and after it */
};

static void worse(double *worst, uint64_t a, uint64_t b, uint64_t total)
{
	double off = fabs((double)(int64_t)(a - b)) / (double)total;

	if (off > *worst)
		*worst = off;
}

/* So many slices; every window of `length` slices is looked at, for every client. */
static struct worst measure(size_t n, enum kind kind, uint64_t horizon, uint32_t length, uint32_t slices)
{
	struct sched *s = start(n, kind, horizon);
	struct worst worst = { 0, 0, 0 };
	uint32_t *owners = calloc(slices, sizeof(*owners));
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += clients[i].client.share.tickets;
	for (uint32_t t = 0; t < slices; t++) {
		size_t i = number(whole_slice(s));

		owners[t] = (uint32_t)i;
		had[i]++;
		in_window[i]++;
		if (t >= length)
			in_window[owners[t - length]]--;
		for (size_t c = 0; c < n; c++) {
			uint64_t share = clients[c].client.share.tickets;

			worse(t < STRIDE_HORIZON ? &worst.before : &worst.after, had[c] * total, share * (t + 1), total);
			if (t + 1 >= length)
				worse(&worst.window, in_window[c] * total, share * length, total);
		}
	}
	free(owners);
	for (size_t i = 0; i < n; i++)
		s->ops->leave(s, &clients[i].client);
	s->ops->free(s);
	return worst;
}

static void windows(size_t n, int rounds, uint32_t slices)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct worst all = { 0, 0, 0 };

		for (int round = 0; round < rounds; round++) {
			struct worst w = measure(n, kind, 0, STRIDE_HORIZON, slices);

			all.window = fmax(all.window, w.window);
			all.before = fmax(all.before, w.before);
			all.after = fmax(all.after, w.after);
		}
		ok(all.window <= 1, "%zu clients, tickets %s: in every window of 1,000 slices within %.3f of the exact share", n, kind_names[kind], all.window);
		ok(all.before < 1 && all.after < 5, "since the start within %.3f, later %.3f", all.before, all.after);
	}
}

/* Without a horizon: the Pfair bound for ever, and so less than two in windows of any length. */
static void pfair(size_t n, int rounds, uint32_t slices)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct worst all = { 0, 0, 0 };

		for (int round = 0; round < rounds; round++) {
			struct worst w = measure(n, kind, STRIDE_NO_HORIZON, 1 + (uint32_t)random_below(2000), slices);

			all.window = fmax(all.window, w.window);
			all.after = fmax(all.after, fmax(w.before, w.after));
		}
		ok(all.after < 1 && all.window < 2, "%zu clients, tickets %s, no horizon: within %.3f since the start, %.3f in windows", n, kind_names[kind], all.after, all.window);
	}
}

/* Clients sleep, wake, leave, come and change their tickets at random. In each stretch between two changes: each has its share of it within what the bound allows at both ends. */
static void changes(size_t n, uint64_t horizon)
{
	struct sched *s = start(n, SOME, horizon);
	double worst = 0;
	uint64_t disturbed = 0;

	for (int round = 0; round < 3000; round++) {
		struct stride_client *c = &clients[random_below(n)];
		struct sched_share share = { .tickets = tickets(SOME, 1, n) };
		uint32_t length = 1 + (uint32_t)random_below(300);
		uint64_t total = 0;

		switch (random_below(4)) {
		case 0:
			disturbed += (uint64_t)s->ops->share(s, &c->client, &share);
			break;
		case 1:
			s->ops->leave(s, &c->client);
			memset(c, 0, sizeof(*c));
			c->client.share = share;
			disturbed += (uint64_t)s->ops->join(s, &c->client);
			break;
		default:
			if (c->client.awake)
				s->ops->sleep(s, &c->client);
		}
		if (!c->client.awake && random_below(2))
			s->ops->wake(s, &c->client, 0);
		memset(had, 0, sizeof(had));
		for (size_t i = 0; i < n; i++)
			total += clients[i].client.awake ? clients[i].client.share.tickets : 0;
		for (uint32_t t = 0; t < length && total; t++)
			had[number(whole_slice(s))]++;
		for (size_t i = 0; i < n; i++)
			if (clients[i].client.awake)
				worse(&worst, had[i] * total, (uint64_t)clients[i].client.share.tickets * length, total);
			else
				disturbed += had[i];
	}
	ok(!disturbed, "%zu clients that come and go: who sleeps has nothing", n);
	ok(worst < 4, "and between two changes each is within %.3f slices of its share", worst);
	end(s, n);
}

/* After disturbances that leave everybody somewhat ahead or behind: the bound of windows holds again from the first horizon on, and nearly before. */
static void settling(size_t n, int rounds)
{
	static uint32_t owners[3 * STRIDE_HORIZON];
	double first = 0, later = 0;

	for (int round = 0; round < rounds; round++) {
		struct sched *s = start(n, (enum kind)(round % KINDS), 0);
		uint64_t total = ((struct stride *)s)->tickets;

		for (int t = 0; t < 1000; t++) {
			struct sched_client *c = s->ops->choose(s, 0);
			struct sched_client *other = &clients[random_below(n)].client;

			s->ops->charge(s, c, &(struct sched_use){ .part = (uint32_t)random_below(SCHED_SLICE + 1) });
			s->ops->sleep(s, other);
			s->ops->wake(s, other, 0);
		}
		for (uint32_t t = 0; t < 3 * STRIDE_HORIZON; t++) {
			owners[t] = (uint32_t)number(whole_slice(s));
			in_window[owners[t]]++;
			if (t >= STRIDE_HORIZON)
				in_window[owners[t - STRIDE_HORIZON]]--;
			for (size_t i = 0; i < n && t + 1 >= STRIDE_HORIZON; i++)
				worse(t + 1 < 2 * STRIDE_HORIZON ? &first : &later, in_window[i] * total, (uint64_t)clients[i].client.share.tickets * STRIDE_HORIZON, total);
		}
		for (size_t i = 0; i < n; i++)
			s->ops->leave(s, &clients[i].client);
		s->ops->free(s);
	}
	ok(first < 2 && later <= 1, "%zu clients, disturbed: windows within %.3f, and within %.3f from the first horizon on", n, first, later);
}

/* One that sleeps whenever it has just had a slice gains nothing by it, and one that was away for long neither. */
static void sleepers_gain_nothing(void)
{
	struct sched *s = start(2, EQUAL, 0);
	uint64_t turns = 0;

	for (int t = 0; t < 100000; t++) {
		size_t i = number(whole_slice(s));

		had[i]++;
		if (i == 0) {
			s->ops->sleep(s, &clients[0].client);
			s->ops->wake(s, &clients[0].client, 0);
		}
	}
	ok(had[0] <= 50001, "who sleeps and wakes after each slice has %lu of 100,000, and not more than half", had[0]);
	s->ops->sleep(s, &clients[0].client);
	for (int t = 0; t < 200000; t++) /* with one ticket the passes go round three times */
		turns += number(whole_slice(s)) == 1;
	ok(turns == 200000, "one alone has every slice");
	s->ops->wake(s, &clients[0].client, 0);
	memset(had, 0, sizeof(had));
	for (int t = 0; t < 1000; t++)
		had[number(whole_slice(s))]++;
	ok(had[0] >= 499 && had[0] <= 501, "who was away while passes went round three times has %lu of the next 1,000", had[0]);
	end(s, 2);
}

/* Parts of slices count as parts: shares are of the work, not of the turns. */
static void parts(size_t n)
{
	struct sched *s = start(n, SOME, 0);
	double work[MANY] = { 0 }, all = 0, worst = 0, total = 0;

	for (size_t i = 0; i < n; i++)
		total += clients[i].client.share.tickets;
	for (int t = 0; t < 20000; t++) {
		struct sched_client *c = s->ops->choose(s, 0);
		size_t i = number(c);
		uint32_t part = i % 3 == 0 ? SCHED_SLICE : i % 3 == 1 ? SCHED_SLICE / 10 : 1 + (uint32_t)random_below(SCHED_SLICE);

		s->ops->charge(s, c, &(struct sched_use){ .part = part });
		work[i] += (double)part / SCHED_SLICE;
		all += (double)part / SCHED_SLICE;
		for (size_t k = 0; k < n; k++)
			worst = fmax(worst, fabs(work[k] - all * clients[k].client.share.tickets / total));
	}
	ok(worst < 2, "%zu clients that use parts of their slices: work within %.3f slices of the share", n, worst);
	end(s, n);
}

/* Comparisons of a decision and its charge. Each tenfold number of clients may add as much as the one before, and a little. */
static void costs(void)
{
	double mean[5], before = 0;
	bool good = true;
	const size_t sizes[] = { 3, 30, 300, 3000 };

	for (int k = 0; k < 4; k++) {
		struct sched *s = start(sizes[k], THOUSANDS, 0);
		struct tree *t = &((struct stride *)s)->tree;
		uint64_t begin = t->compared, most = 0;

		for (int i = 0; i < 20000; i++) {
			uint64_t c = t->compared;

			whole_slice(s);
			most = t->compared - c > most ? t->compared - c : most;
		}
		mean[k] = (double)(t->compared - begin) / 20000;
		printf("# %zu clients: %.1f comparisons a slice, at most %lu\n", sizes[k], mean[k], most);
		if (k > 1)
			good &= mean[k] - mean[k - 1] < 2 * before + 10;
		before = k ? mean[k] - mean[k - 1] : 0;
		end(s, sizes[k]);
	}
	ok(good && mean[3] < 8 * log2(3000) + 40, "the cost of a slice grows with the logarithm of the clients");
}

/* How many slices can be given to clients of 5, 4 and 2 tickets before a window of whatever length is off by more than one? All orders are tried. */
static int longest_within_one(int given[][3], int t)
{
	static const int share[3] = { 5, 4, 2 };
	int longest = t;

	for (int c = 0; c < 3 && t < 30; c++) {
		bool good = true;

		for (int i = 0; i < 3; i++)
			given[t + 1][i] = given[t][i] + (i == c);
		for (int from = 0; from <= t; from++)
			for (int i = 0; i < 3; i++)
				good &= abs((given[t + 1][i] - given[from][i]) * 11 - (t + 1 - from) * share[i]) <= 11;
		if (good) {
			int further = longest_within_one(given, t + 1);

			longest = further > longest ? further : longest;
		}
	}
	return longest;
}

static void why_a_horizon(void)
{
	int given[32][3] = { { 0 } }, longest = longest_within_one(given, 0);

	ok(longest < 30, "no order of more than %d slices keeps clients of 5:4:2 tickets within one slice in windows of every length", longest);
}

static void refusals(void)
{
	struct sched *s = start(1, EQUAL, 0);
	struct sched_share none = { .tickets = 0 };

	ok(s->ops->choose(s, 0) == &clients[0].client, "one client is chosen");
	ok(s->ops->join(s, &clients[1].client) < 0, "a client without tickets is refused");
	ok(s->ops->share(s, &clients[0].client, &none) < 0 && clients[0].client.share.tickets == 1, "and so is taking away all tickets");
	s->ops->sleep(s, &clients[0].client);
	ok(!s->ops->choose(s, 0), "if all sleep nobody is chosen");
	end(s, 1);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	windows(1, 1, 5000);
	windows(2, 20, 20000);
	windows(3, 60, 20000);
	windows(17, 10, 20000);
	windows(300, 2, 8000);
	windows(MANY, 1, 3000);
	pfair(3, 60, 20000);
	pfair(300, 2, 8000);
	changes(3, 0);
	changes(40, 0);
	changes(40, STRIDE_NO_HORIZON);
	settling(3, 100);
	settling(20, 50);
	settling(300, 6);
	sleepers_gain_nothing();
	parts(3);
	parts(50);
	costs();
	why_a_horizon();
	refusals();
	return done_testing();
}
