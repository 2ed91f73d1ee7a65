/* See hostile.h. */
#include <tests/hostile/hostile.h>

struct child victim;
volatile uint64_t victim_rounds, victim_wrong;
const volatile struct aegis_frame_info *frames_seen;
const volatile struct aegis_env_info *envs_seen;

void compute(void *rounds)
{
	for (;;) {
		uint64_t sum = 0;

		for (uint64_t i = 1; i <= 200; i++)
			sum += i * i;
		if (sum != 2686700)
			victim_wrong++;
		++*(volatile uint64_t *)rounds;
	}
}

void victim_start(uint32_t slices)
{
	victim_rounds = victim_wrong = 0;
	child_make(&victim, compute, (void *)&victim_rounds, TENANT_FRAMES);
	for (uint32_t i = 0; i < slices; i++)
		aegis_slice_alloc(0, UINT32_MAX, victim.env, NULL);
}

void victim_end(void)
{
	uint64_t before = victim_rounds;

	wait_quanta(4);
	ok(victim_rounds > before, "the_victim_goes_on");
	is((int64_t)victim_wrong, 0, "and_has_computed_right");
	tenant_end(&victim);
}

bool tenant_run(struct child *c, void (*run)(void *), void *argument)
{
	return child_make(c, run, argument, TENANT_FRAMES) && child_finish(c);
}

frame_t tenant_pair(void)
{
	static frame_t from = 1;

	for (;; from++) {
		frame_t both[2] = { from, from + 1 };
		int64_t taken = aegis_frame_alloc(both, 2);

		if (taken == 2)
			break;
		if (taken == 1)
			aegis_frame_free(both, 1);
		if (taken == -E_LIMIT)
			do_ud2(NULL); /* stopped, which is noticed */
		if (from > MOST_FRAMES)
			from = 1;
	}
	return from;
}

void tenant_tables(uint64_t va)
{
	for (uint32_t level = 3; level > 0; level--) {
		frame_t f = tenant_pair(), both[2] = { f, f + 1 };

		if (bind_once(0, va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level))) != 1)
			aegis_frame_free(both, 2);
	}
}

int64_t tenant_bind(uint64_t va, frame_t f, uint64_t flags, const struct aegis_cap *cap)
{
	struct aegis_binding page = { va, BIND_ENTRY(f, flags) };

	return aegis_bind(0, &page, 1, cap);
}

uint64_t tenant_frames(frame_t *list, uint64_t n)
{
	uint64_t got = 0;

	for (; got < n; got++) {
		list[got] = FRAME_ANY;
		if (aegis_frame_alloc(&list[got], 1) != 1)
			break;
	}
	return got;
}

volatile uint64_t seen, losses_count;
static volatile bool paused;
struct aegis_loss losses[REPOSSESSED_ENTRIES];

void tenant_pause(void)
{
	paused = true;
	sleep_until(EVENT_NOTIFY(0) | EVENT_REVOKE, 0);
	seen = __atomic_exchange_n(&LOCAL->upcall.pending, 0, __ATOMIC_RELAXED) | LOCAL->events;
	LOCAL->events = 0;
}

void tenant_wait(struct child *c)
{
	paused = false;
	while (!paused && !c->done && yield(c->env) == 0)
		;
}

bool tenant_start(struct child *c, void (*run)(void *), void *argument, const struct aegis_limits *limits)
{
	bool made = child_make(c, run, argument, TENANT_FRAMES) && (!limits || aegis_account_resize(c->env, limits) == 0);

	tenant_wait(c);
	return made;
}

void tenant_go_on(struct child *c)
{
	aegis_notify(c->env, EVENT_NOTIFY(0));
	tenant_wait(c);
}

void look_at_losses(void)
{
	const struct aegis_repossessed *vector = (const void *)((uint64_t)LOCAL + REPOSSESSED_OFFSET);

	losses_count = vector->count;
	for (uint32_t i = 0; i < REPOSSESSED_ENTRIES; i++)
		losses[i] = vector->entries[i];
}

int64_t ask(env_id env, uint32_t kind, uint32_t count, uint64_t deadline)
{
	struct aegis_demand demand = { .kind = kind, .count = count, .deadline = deadline };

	return aegis_revoke(env, &demand);
}

bool told(uint64_t event)
{
	bool was = (LOCAL->events | LOCAL->upcall.pending) & event;

	LOCAL->events = LOCAL->upcall.pending = 0;
	return was;
}

static uint64_t see(const struct aegis_range *table, uint64_t window)
{
	for (uint32_t i = 0; i < table->count; i++)
		bind(0, window + i * FRAME_SIZE, BIND_ENTRY(table->first + i, BIND_READ));
	return window;
}

void tables_see(void)
{
	if (frames_seen)
		return;
	frames_seen = (const volatile void *)see(&info->frame_table, 0x210000000000);
	envs_seen = (const volatile void *)see(&info->env_table, 0x218000000000);
}

static bool takes(env_id account, uint32_t kind, const uint64_t *names, uint64_t n)
{
	int64_t result;

	while ((result = aegis_repossess(account, kind, names, n)) == -E_AGAIN)
		;
	return result > 0;
}

/* Everything that can be: leaf tables before tables of tables, which are busy until then. */
static void take_frames(env_id account)
{
	bool progress = true;

	while (progress) {
		progress = false;
		for (uint64_t f = 0; f < info->frames; f++)
			if (frames_seen[f].owner == account && frames_seen[f].state >= FRAME_OWNED && frames_seen[f].state <= FRAME_TABLE3)
				progress |= takes(account, REVOKE_FRAMES, &f, 1);
	}
}

int64_t tenant_take(env_id account)
{
	struct aegis_demand all = { .kind = REVOKE_FRAMES, .count = UINT32_MAX };
	int64_t result = -E_BUSY;

	tables_see();
	/* Environments of his, and those in accounts that he has made, which may have made more */
	for (uint32_t round = 0; round < 8 && result != 0; round++) {
		for (uint32_t slot = 0; slot < info->env_slots; slot++) {
			env_id id = envs_seen[slot].id;

			if (envs_seen[slot].state == ENV_FREE || id == account || id == boot->env || envs_seen[slot].account == boot->env)
				continue;
			if (envs_seen[slot].account == id && (id == victim.env || envs_seen[slot].keeper == boot->env))
				continue; /* another tenant of the test's */
			if (envs_seen[slot].account == id && aegis_revoke(id, &all) == 0)
				take_frames(id);
			if (envs_seen[slot].account == account || envs_seen[slot].account == id)
				while (aegis_env_destroy(id) == -E_AGAIN)
					;
		}
		aegis_revoke(account, &all);
		take_frames(account);
		while ((result = aegis_env_destroy(account)) == -E_AGAIN)
			;
	}
	return result;
}

int64_t tenant_end(struct child *c)
{
	int64_t result = tenant_take(c->env);

	aegis_frame_free(c->frames, 4);
	for (int level = 0; level < 3; level++)
		give_pair(c->tables[level]);
	return result;
}

void wait_quanta(uint64_t n)
{
	uint64_t until = ticks() + info->quantum * n;

	while (ticks() < until)
		sleep_until(0, until);
}

void do_yield_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		yield(0);
}

void do_spin(void *unused)
{
	(void)unused;
	for (;;)
		;
}
