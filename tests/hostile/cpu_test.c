/* Tenants that want more of the CPU than their slices are. What the victim gets is measured by what he computes,
	against what he computes alone in the
 * same time: within 2 % of what his slices say. */
#include <tests/hostile/hostile.h>

#define LONG_RUN 200 /* quanta */
#define TOLERANCE 20 /* of a thousand */
#define CROWD 60
#define PLACES 8192 /* of one frame: as many as one call breaks */

static struct child hog, accomplice, crowd[CROWD];
static uint64_t alone; /* rounds in LONG_RUN */
static uint64_t grace, moment;
static volatile uint64_t hog_rounds, told_count;
static volatile int64_t got[4];

/* What the hog does when he is told that his slice is over. */
static enum { OBEY, IGNORE, LINGER, HAND_OVER } manner;
void attack_told(void);
void attack_told(void)
{
	uint64_t until = LOCAL->upcall.slice_end + grace - moment;

	told_count++;
	if (manner == IGNORE)
		return;
	while (manner == LINGER && ticks() < until)
		hog_rounds++;
	yield(manner == HAND_OVER ? accomplice.env : 0);
}

static void run_with(uint64_t event_entry)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = event_entry };

	aegis_env_entries(&entries);
	compute((void *)&hog_rounds);
}
static void hog_attacks(void *unused)
{
	(void)unused;
	run_with((uint64_t)attack_entry);
}
static void hog_without_entry(void *unused)
{
	(void)unused;
	run_with(0);
}
static void hog_disabled(void *unused)
{
	(void)unused;
	LOCAL->upcall.disabled = 1;
	compute((void *)&hog_rounds);
}
/* He wants to hear of every end of a slice. */
static void hog_told_always(void *unused)
{
	(void)unused;
	LOCAL->upcall.told_always = UINT64_MAX;
	run_with((uint64_t)attack_entry);
}
static void hog_told_deaf(void *unused)
{
	LOCAL->upcall.told_always = 1;
	hog_disabled(unused);
}
static void hog_behaves(void *unused)
{
	(void)unused;
	compute((void *)&hog_rounds);
}
/* A moment before his slice ends he gives what is left of it to the victim, whose fault the end then would be. */
static void hog_passes_on(void *unused)
{
	(void)unused;
	for (;;) {
		while (ticks() + moment < LOCAL->upcall.slice_end)
			hog_rounds++;
		yield(victim.env);
	}
}
/* As the slice ends he is in the longest call that he can make. */
static void hog_calls(void *unused)
{
	static struct aegis_binding list[AEGIS_BATCH_MAX];
	frame_t f;

	(void)unused;
	LOCAL->upcall.disabled = 1;
	for (uint64_t at = 0; at < PLACES; at += 512)
		tenant_tables(SCRATCH + at * FRAME_SIZE);
	tenant_frames(&f, 1);
	for (;;) {
		for (uint64_t at = 0; at < PLACES; at += AEGIS_BATCH_MAX) {
			for (uint64_t i = 0; i < AEGIS_BATCH_MAX; i++)
				list[i] = (struct aegis_binding){ SCRATCH + (at + i) * FRAME_SIZE, BIND_ENTRY(f, BIND_READ) };
			aegis_bind(0, list, AEGIS_BATCH_MAX, NULL);
		}
		while (ticks() + moment < LOCAL->upcall.slice_end)
			hog_rounds++;
		aegis_frame_break(&f, 1);
	}
}
static void hog_wants_slices(void *unused)
{
	int64_t taken = 0;

	(void)unused;
	for (got[0] = 0; got[0] < 1000; got[0]++)
		if ((taken = aegis_slice_alloc(0, UINT32_MAX, 0, NULL)) < 0)
			break;
	got[1] = taken;
	compute((void *)&hog_rounds);
}

static void slices(env_id env, uint32_t n)
{
	while (n--)
		aegis_slice_alloc(0, UINT32_MAX, env, NULL);
}

/* The victim with so many slices beside the hog with so many: his part of LONG_RUN in thousandths. */
static uint64_t part(uint32_t victims, uint32_t hogs, void (*run)(void *), uint64_t quanta)
{
	uint64_t rounds;

	hog_rounds = told_count = 0;
	victim_start(victims);
	child_make(&hog, run, NULL, TENANT_FRAMES);
	slices(hog.env, hogs);
	wait_quanta(3); /* both run */
	rounds = victim_rounds;
	wait_quanta(quanta);
	return (victim_rounds - rounds) * 1000 * LONG_RUN / quanta / alone;
}

static void ended(void)
{
	tenant_end(&hog);
	tenant_end(&victim);
	told(0);
}

static bool near(uint64_t got_part, uint64_t expected) { return got_part + TOLERANCE >= expected && got_part <= expected + TOLERANCE; }

static void share(uint32_t victims, uint32_t hogs, void (*run)(void *), const char *name)
{
	uint64_t expected = 1000 * victims / (victims + hogs), thousandths = part(victims, hogs, run, LONG_RUN);

	ok(near(thousandths, expected), name);
	print("# the victim has %lu thousandths of the CPU, his slices are %lu; excess of the hog %lu ticks\n", thousandths, expected,
		env_in_table(hog.env).excess);
	ended();
}

static void test_alone(void)
{
	uint64_t rounds;

	victim_start(1);
	wait_quanta(3);
	rounds = victim_rounds;
	wait_quanta(LONG_RUN);
	alone = victim_rounds - rounds;
	ok(alone > 0, "a_victim_alone_has_the_cpu");
	tenant_end(&victim);
}

static void test_shares(void)
{
	share(1, 1, hog_behaves, "beside_one_who_behaves_the_victim_has_half");
	share(3, 1, hog_behaves, "with_three_slices_to_one_three_quarters");
	share(1, 3, hog_behaves, "with_one_to_three_a_quarter");
	share(1, 1, hog_disabled, "one_who_can_never_be_told_gets_no_more_than_his_slice");
	share(3, 1, hog_disabled, "of_four");
	share(1, 1, hog_without_entry, "nor_one_who_has_no_entry_to_be_told_at");
	share(1, 1, hog_passes_on, "one_who_passes_on_the_end_of_his_slice_makes_nobody_pay_for_it");
	share(1, 1, hog_calls, "one_who_is_in_a_long_call_then_pays_for_it");
	manner = LINGER;
	share(1, 1, hog_attacks, "one_who_uses_up_the_grace_time_pays_for_it");
	manner = OBEY;
	share(1, 1, hog_attacks, "one_who_does_not_keeps_his_half");
	share(1, 1, hog_told_always, "one_who_is_told_of_every_end_has_no_more_than_half");
	manner = LINGER;
	share(1, 1, hog_told_always, "nor_one_who_uses_up_the_grace_time_besides");
	share(1, 1, hog_told_deaf, "nor_one_who_is_told_and_does_not_hear");
	manner = OBEY;
}

/* He hands the grace time to one who has no slice at all. */
static void test_accomplice(void)
{
	child_make(&accomplice, hog_behaves, NULL, TENANT_FRAMES);
	manner = HAND_OVER;
	share(1, 1, hog_attacks, "one_who_hands_the_grace_time_to_another_pays_for_it");
	tenant_end(&accomplice);
}

static void test_limit(void)
{
	uint64_t thousandths;

	thousandths = part(1, 0, hog_wants_slices, 3); /* nobody runs him yet */
	yield(hog.env);
	wait_quanta(8 * 4); /* the harness's limit is 8 slices */
	is(got[0], 8, "one_who_wants_a_thousand_slices_gets_what_his_account_may_hold");
	is(got[1], -E_LIMIT, "and_no_more");
	(void)thousandths;
	ended();
}

/* Told, and goes on: the excess is counted and paid for, and after so many times in a row he is stopped. */
static void test_ignoring(void)
{
	uint64_t thousandths, excess;
	struct aegis_env_info entry;

	manner = IGNORE;
	told(0);
	thousandths = part(1, 1, hog_attacks, 4 * (EXCESS_LIMIT / 2)); /* two for him, two for the victim */
	excess = env_in_table(hog.env).excess;
	print("# the victim has %lu thousandths; told %lu times, excess %lu ticks of %lu in a slice\n", thousandths, told_count, excess, info->quantum);
	ok(near(thousandths, 500), "one_who_ignores_the_end_of_his_slice_pays_for_what_he_took");
	ok(excess >= (told_count - 1) * grace && excess < (told_count + 1) * (grace + grace / 10), "all_of_it_is_counted");
	is((int64_t)child_local(&hog)->upcall.excess, (int64_t)excess, "and_shown_to_him");
	bind_once(0, (uint64_t)child_local(&hog), 0); /* his page can be freed */
	is(env_in_table(hog.env).state, ENV_LIVE, "until_the_limit_he_lives");
	ok(!told(EVENT_PEER), "and_nobody_is_told");
	sleep_until(EVENT_PEER, ticks() + info->quantum * 4 * EXCESS_LIMIT);
	entry = env_in_table(hog.env);
	ok(entry.state == ENV_STOPPED && entry.stop_cause == CAUSE_EXCESS, "then_he_is_stopped");
	is((int64_t)told_count, EXCESS_LIMIT, "when_he_has_ignored_so_many_in_a_row");
	ok(told(EVENT_PEER), "and_his_keeper_is_told");
	hog_rounds = 0;
	wait_quanta(4);
	is((int64_t)hog_rounds, 0, "he_does_not_run_again");
	ended();
}

/* A crowd in one account, of which each sets an alarm for a time in the victim's slice. */
static void alarm_clock(void *number)
{
	for (uint64_t i = (uint64_t)number;; i++)
		sleep_until(0, ticks() + grace + i % CROWD * (grace / CROWD));
}

static void test_alarms(void)
{
	uint64_t rounds, thousandths;

	victim_start(1);
	for (uint32_t i = 0; i < CROWD; i++) {
		child_make(&crowd[i], alarm_clock, (void *)(uint64_t)i, SAME_ACCOUNT);
		slices(crowd[i].env, 1);
	}
	wait_quanta(3);
	rounds = victim_rounds;
	wait_quanta(LONG_RUN);
	thousandths = (victim_rounds - rounds) * 1000 / alone;
	print("# beside %u alarm clocks the victim has %lu thousandths\n", CROWD, thousandths);
	ok(thousandths >= 900, "alarms_of_others_take_little_of_the_victim's_time");
	for (uint32_t i = 0; i < CROWD; i++)
		child_end(&crowd[i]);
	tenant_end(&victim);
}

void test_main(void)
{
	uint64_t before;

	grace = info->tsc_hz / 1000;
	moment = grace / 50;
	tables_see();
	before = free_frames();
	test_alone();
	test_shares();
	test_accomplice();
	test_limit();
	test_ignoring();
	test_alarms();
	is((int64_t)victim_wrong, 0, "the_victim_has_computed_right");
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}
