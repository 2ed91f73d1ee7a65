/* Earliest deadline first, on an imaginary CPU with slices: no misses below full load, who overruns hurts himself alone, admission, sleepers. */
#include <string.h>

#include <exos/lib/sched/edf.h>

#include "check.h"

#define MANY 50
enum { SLICE = 1000 };
static struct edf_client clients[MANY];
static uint64_t work[MANY]; /* that is left of the job; UINT64_MAX: it never ends */
static uint64_t needs[MANY];

static size_t number(const struct sched_client *c) { return (size_t)((const struct edf_client *)c - clients); }

static int join(struct sched *s, size_t i, uint64_t budget, uint64_t period, uint64_t need)
{
	int error;

	memset(&clients[i], 0, sizeof(clients[i]));
	clients[i].client.share = (struct sched_share){ .budget = budget, .period = period };
	work[i] = needs[i] = need;
	error = s->ops->join(s, &clients[i].client);
	if (!error)
		s->ops->wake(s, &clients[i].client, 0);
	return error;
}

/* Until `until`: turns end with the slice or the job. Returns the time in which nobody ran. */
static uint64_t run(struct sched *s, uint64_t from, uint64_t until)
{
	uint64_t now = from, idle = 0;

	while (now < until) {
		struct sched_client *c = s->ops->choose(s, now);
		uint64_t left = SLICE - now % SLICE, used;
		size_t i;

		if (!c) {
			uint64_t to = s->idle_until && s->idle_until < until ? s->idle_until : until;

			idle += to - now;
			now = to;
			continue;
		}
		i = number(c);
		used = work[i] < left ? work[i] : left;
		now += used;
		if (work[i] != UINT64_MAX)
			work[i] -= used;
		s->ops->charge(s, c, &(struct sched_use){ .now = now, .ticks = used, .part = (uint32_t)(used * SCHED_SLICE / SLICE), .back = !work[i] });
		if (!work[i])
			work[i] = needs[i];
	}
	return idle;
}

static uint64_t missed(size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += clients[i].missed + clients[i].overran;
	return all;
}

static void leave_all(struct sched *s)
{
	for (size_t i = 0; i < MANY; i++)
		if (clients[i].client.joined)
			s->ops->leave(s, &clients[i].client);
	s->ops->free(s);
}

/* Random sets, filled until the next is refused. */
static void random_sets(void)
{
	uint64_t late = 0, jobs = 0, right = 0;
	double load = 0;

	for (int round = 0; round < 300; round++) {
		struct sched *s = sched_edf.make(SLICE);
		size_t n = 0;

		while (n < MANY) {
			uint64_t period = (20 + random_below(200)) * SLICE + random_below(SLICE), budget = 1 + random_below(period / 4);

			if (join(s, n, budget, period, budget))
				break;
			n++;
		}
		run(s, 0, 2000 * SLICE);
		late += missed(n);
		for (size_t i = 0; i < n; i++) {
			jobs += clients[i].jobs;
			load += (double)clients[i].client.share.budget / (double)clients[i].client.share.period / 300;
			right += clients[i].jobs == 2000 * SLICE / clients[i].client.share.period || clients[i].jobs == 2000 * SLICE / clients[i].client.share.period + 1;
		}
		right -= n;
		leave_all(s);
	}
	ok(!late, "300 admitted sets of a mean load of %.2f: of %lu jobs %lu were late", load, jobs, late);
	ok(!right, "and each client had one job in each period");
}

static void admission(void)
{
	struct sched *s = sched_edf.make(SLICE), *bare = sched_edf.make(0);

	ok(join(s, 0, 0, 100, 1) < 0 && join(s, 0, 200, 100, 1) < 0 && join(s, 0, 1, 0, 1) < 0, "no budget, more than the period, no period: refused");
	ok(!join(s, 0, 45 * SLICE, 100 * SLICE, 1) && !join(s, 1, 45 * SLICE, 100 * SLICE, 1), "two of 45 %% are admitted");
	ok(join(s, 2, 10 * SLICE, 100 * SLICE, 1) < 0, "10 %% more is not: somebody may have to wait for one slice");
	ok(!join(s, 2, 9 * SLICE - 1, 100 * SLICE, 1), "but a little less than 9 %%");
	ok(s->ops->share(s, &clients[2].client, &(struct sched_share){ .budget = 10 * SLICE, .period = 100 * SLICE }) < 0 &&
			clients[2].client.share.budget == 9 * SLICE - 1, "which cannot be made 10");
	s->ops->leave(s, &clients[0].client);
	ok(!join(s, 3, 45 * SLICE, 100 * SLICE, 1), "who leaves makes room");
	leave_all(s);
	ok(!join(bare, 0, 50, 100, 1) && !join(bare, 1, 50, 100, 1) && join(bare, 2, 1, 1ul << 40, 1) < 0, "without slices the whole CPU can be had, and not a thousand-millionth more");
	leave_all(bare);
}

static void overrun(void)
{
	struct sched *s = sched_edf.make(SLICE);

	join(s, 0, 10 * SLICE, 40 * SLICE, UINT64_MAX);
	join(s, 1, 30 * SLICE, 60 * SLICE, 30 * SLICE);
	join(s, 2, 20 * SLICE, 100 * SLICE, 20 * SLICE);
	run(s, 0, 12000 * SLICE);
	ok(!clients[1].missed && !clients[2].missed && clients[1].jobs >= 199 && clients[2].jobs >= 119, "one whose jobs never end makes nobody else late");
	ok(clients[0].overran >= 295 && clients[0].overran <= 300 && !clients[0].jobs, "it has its budget in each period: %lu times in 300", clients[0].overran);
	leave_all(s);
}

/* A budget smaller than a slice cannot be enforced at once: it is paid back. */
static void debts(void)
{
	struct sched *s = sched_edf.make(0);
	uint64_t idle;

	join(s, 0, SLICE / 100, 10 * SLICE, UINT64_MAX);
	idle = run(s, 0, 10000 * SLICE);
	ok(idle > 10000ul * SLICE * 998 / 1000, "who never ends and has a thousandth has no more in the long run (%.5f)", 1 - (double)idle / (10000.0 * SLICE));
	leave_all(s);
}

static void sleepers(void)
{
	struct sched *s = sched_edf.make(SLICE);

	join(s, 0, 10 * SLICE, 40 * SLICE, 10 * SLICE);
	run(s, 0, 400 * SLICE);
	s->ops->sleep(s, &clients[0].client);
	ok(!s->ops->choose(s, 500 * SLICE) && !s->idle_until, "if all sleep there is nothing to wait for");
	s->ops->wake(s, &clients[0].client, 900 * SLICE);
	ok(clients[0].node.start == 900 * SLICE && clients[0].node.deadline == 940 * SLICE, "who slept over its deadline has a job from now on");
	run(s, 900 * SLICE, 1300 * SLICE);
	ok(clients[0].jobs == 20 && !clients[0].missed, "and goes on as before");
	leave_all(s);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	random_sets();
	admission();
	overrun();
	debts();
	sleepers();
	return done_testing();
}
