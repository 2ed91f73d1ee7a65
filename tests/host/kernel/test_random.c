/* Random kernel calls from several accounts on two CPUs against the model. SEED: another sequence; CALLS: how many. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <kernel/slice.h>

#include "calls.h"

#define COSTLY_EACH 16

static void start(void)
{
	const struct env *first = machine_boot();
	struct m_env *m = &m_envs[env_slot(first->id)];

	for (frame_t f = 0; f < MACHINE_FRAMES; f++)
		m_frames[f] = (struct m_frame){ .state = frame_table[f].state, .owner = frame_table[f].owner, .epoch = frame_table[f].epoch };
	*m = (struct m_env){ .live = true, .id = first->id, .account = first->id, .object = first->object_frame, .root = first->root_frame,
		.upcall = first->upcall_frame, .held = first->held, .limits = first->limits };
	m_running[0] = first->id;
	m_slices[0][0].env = first->id;
	m_total = first->limits;
	caps_start();
}

/* Before the first account has taken all that there is. */
static void start_accounts(void)
{
	for (int i = 0; i < 12; i++) {
		random_schedule();
		random_frames();
		random_env();
	}
}

static void step(void)
{
	static const struct {
		uint32_t weight;
		void (*run)(void);
	} kinds[] = { { 26, random_frames }, { 25, random_bind }, { 3, random_share }, { 5, random_sealed }, { 6, random_poke }, { 9, random_cap },
		{ 8, random_env }, { 3, random_account }, { 8, random_slice }, { 5, random_revoke }, { 2, random_pin } };
	uint64_t at = random_below(100);

	random_schedule();
	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); at -= kinds[i++].weight)
		if (at < kinds[i].weight) {
			kinds[i].run();
			break;
		}
	check_cheap();
	if (trace_step % COSTLY_EACH == 0)
		check_costly();
	check_tlb_fill();
	trace_step++;
}

static void report(void)
{
#define X(name) #name,
	static const char *const names[] = { EVENTS(X) };
#undef X

	for (uint32_t i = 0; i < EVENT_COUNT; i++)
		printf("%s%s %lu", i % 8 ? ", " : i ? "\n# " : "# ", names[i], happened[i]);
	printf(", shootdowns %lu\n", machine_shootdowns);
}

int main(void)
{
	const char *seed = getenv("SEED"), *calls = getenv("CALLS");
	uint64_t wanted = calls ? strtoul(calls, NULL, 0) : 200000, first_seed = seed ? strtoul(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	bool all = true;

	printf("# SEED=%lu\n", first_seed);
	fflush(stdout);
	random_state = first_seed ^ 0x9e3779b97f4a7c15ul;
	trace_start(first_seed);
	start();
	start_accounts();
	check_cheap();
	check_costly();
	while (calls_made < wanted)
		step();
	report();
	ok(1, "%lu random calls: the kernel agrees with the model", calls_made);
	for (uint32_t i = 0; i < EVENT_COUNT; i++)
		all &= happened[i] > 0;
	ok(all && machine_shootdowns, "each kind of event has happened");
	return done_testing();
}
