/* See smp.h. */
#include <tests/hostile/smp.h>

uint64_t seed, patience, microsecond;

bool two_cpus(void)
{
	patience = milliseconds(PATIENCE);
	microsecond = info->tsc_hz / 1000000;
	ok(info->cpus >= 2, "there_are_two_cpus");
	return info->cpus >= 2;
}

void seed_print(void)
{
#ifdef TEST_SEED
	seed = TEST_SEED;
#else
	for (uint32_t i = 0; i < 8; i++)
		seed = seed << 8 | boot->seed[i];
#endif
	print("# seed %lx\n", seed);
}

void random_spin(uint64_t most) { spin(random_next(&seed) % most); }

env_id start_on(uint32_t cpu, struct child *c, void (*run)(void *), void *argument)
{
	if (!child_make(c, run, argument, SAME_ACCOUNT))
		return 0;
	for (uint32_t i = 0; i < 2; i++)
		if (cpu == i || cpu == EITHER_CPU)
			aegis_slice_alloc(i, UINT32_MAX, c->env, NULL);
	return c->env;
}

bool destroy(env_id env)
{
	int64_t result;

	return AWAIT((result = aegis_env_destroy(env)) != -E_AGAIN) && result == 0;
}

bool finish(struct child *c)
{
	if (!destroy(c->env))
		return false; /* its frames cannot be had */
	aegis_frame_free(c->frames, 4);
	for (int level = 0; level < 3; level++)
		give_pair(c->tables[level]);
	return true;
}

void deaf(const char *transfer, const char *async)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .transfer = (uint64_t)transfer,
		.async = (uint64_t)(async ? async : transfer) };

	aegis_env_entries(&entries);
}

uint64_t take_events(void) { return __atomic_exchange_n(&LOCAL->upcall.pending, 0, __ATOMIC_SEQ_CST); }
