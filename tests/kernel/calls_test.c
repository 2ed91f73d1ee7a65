/* Every kernel call with random and boundary arguments: each is refused or does what it says, the kernel goes on, and a victim beside computes right and
 * gets its share. The seed is printed; TEST_SEED sets it at build time. */
#include <tests/kernel/lib.h>

#ifndef TEST_SEED
#define TEST_SEED 20261125
#endif
#define CALLS 100000
#define BUFFER_WORDS 512

static struct child victim;
static volatile uint64_t victim_rounds, victim_wrong;
static uint64_t state = TEST_SEED;
static uint64_t buffer[BUFFER_WORDS];

static void compute(void *unused)
{
	(void)unused;
	for (;;) {
		uint64_t sum = 0;

		for (uint64_t i = 1; i <= 1000; i++)
			sum += i * i;
		victim_wrong += sum != 333833500;
		victim_rounds++;
	}
}

/* A number at a boundary, a small one, an address that is or is not the test's, or any. */
static uint64_t argument(void)
{
	static const uint64_t edges[] = { 0, 1, 127, 128, 129, 0xfff, 0x1000, UINT32_MAX, AEGIS_USER_TOP - 8, AEGIS_USER_TOP, 0x800000000000,
		0xffff800000000000, 0xffffffff80100000, UINT64_MAX - 7, UINT64_MAX };
	uint64_t r = random_next(&state);

	switch (r % 5) {
	case 0:
		return edges[r / 5 % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return r / 5 % 4096;
	case 2:
		return (uint64_t)&buffer[r / 5 % BUFFER_WORDS];
	case 3:
		return (uint64_t)boot->env + r / 5 % 3;
	default:
		return r;
	}
}

/* What the test itself needs to live: not yielding for ever, its own entries, its own page tables. */
static bool passed_over(uint32_t call)
{
	return call == CALL_sleep || call == CALL_env_entries;
}

static int64_t one(uint32_t call)
{
	uint64_t a[5];

	for (int i = 0; i < 5; i++)
		a[i] = argument();
	for (int i = 0; i < 16; i++)
		buffer[random_next(&state) % BUFFER_WORDS] = argument();
	if (call == CALL_bind || call == CALL_slice_alloc) /* of the victim, or of oneself: may work, and then does no harm */
		a[call == CALL_bind ? 0 : 2] = victim.env + (a[0] & 1);
	if ((call == CALL_env_destroy && a[0] == victim.env) || (call == CALL_slice_free && a[1] < 8))
		return -E_INVALID; /* would be allowed, and end the test */
	if (call == CALL_console_write || call == CALL_console_read)
		a[0] |= 2; /* not where the results are printed */
	if (call == CALL_yield)
		return yield((env_id)a[0]);
	if (call == CALL_transfer || call == CALL_transfer_async || call == CALL_transfer_back)
		return switch_call(call, a[0], 0, 0);
	return aegis_call(call, a[0], a[1], a[2], a[3], a[4]);
}

void test_main(void)
{
	uint64_t refused = 0, odd = 0;

	print("# seed %u\n", TEST_SEED);
	child_make(&victim, compute, NULL, SAME_ACCOUNT);
	aegis_slice_alloc(0, UINT32_MAX, victim.env, NULL);
	for (uint32_t i = 0; i < CALLS; i++) {
		uint32_t call = (uint32_t)random_next(&state) % CALL_COUNT;
		int64_t result;

		if (passed_over(call))
			continue;
		result = one(call);
		refused += result < 0;
		odd += result < -16;
	}
	ok(refused > CALLS / 4, "nonsense_is_refused");
	is((int64_t)odd, 0, "with_an_error_of_the_list");
	ok(victim_rounds > 0, "the_victim_was_not_starved");
	is((int64_t)victim_wrong, 0, "and_computed_right");
	print("# %lu of %u refused; the victim did %lu rounds\n", refused, CALLS, victim_rounds);
	is(child_end(&victim), 0, "what_belongs_to_one_can_still_be_destroyed");
}
