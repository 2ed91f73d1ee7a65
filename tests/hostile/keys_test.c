/* Protection keys are a register,
	and belong to who loads it: one who denies himself everything and gives the CPU away has denied it to nobody else. */
#include <tests/hostile/hostile.h>

void do_deny(void *);

static struct child denier;
static volatile uint64_t naps;

/* One who gives the CPU away by a call, and so gets no register back. */
static void nap(void *unused)
{
	(void)unused;
	for (;;) {
		yield(0);
		naps++;
	}
}
static void deny(void *unused)
{
	struct aegis_entries none = { 0 };

	aegis_env_entries(&none);
	do_deny(unused);
}

void test_main(void)
{
	static struct child napper;
	uint64_t before, until;

	if (!info->keys) {
		print("# this CPU has no protection keys\n");
		ok(true, "nothing_can_be_denied");
		return;
	}
	victim_start(1);
	child_make(&napper, nap, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, 3, napper.env, NULL); /* the denier's will be just before it */
	wait_quanta(10);
	ok(naps > 0, "one_who_yields_goes_round");
	child_make(&denier, deny, NULL, TENANT_FRAMES);
	aegis_slice_alloc(0, 2, denier.env, NULL);
	before = naps;
	LOCAL->upcall.disabled = 1; /* the test itself is interrupted, and gets all of its registers back */
	for (until = ticks() + info->quantum * 20; ticks() < until;)
		;
	LOCAL->upcall.disabled = 0;
	is(env_in_table(denier.env).state, ENV_LIVE, "one_denies_himself_all_data");
	is(env_in_table(napper.env).state, ENV_LIVE, "and_does_not_stop_another_by_it");
	is(env_in_table(victim.env).state, ENV_LIVE, "nor_a_third");
	ok(naps > before, "who_goes_on");
	tenant_end(&denier);
	tenant_end(&napper);
	tenant_end(&victim);
}
