/* Tenants: an environment in an account of its own, with a first page that says what it is to do. */
#include <apps/arbiter/arbiter.h>
#include <apps/arbiter/lib.h>

#define WINDOW_VA 0x310000000000ul /* tenants' first pages, two each: start and upcall page */
#define TICK_MS 10
#define IMAGE_TABLES 16            /* of a library's image: 32 MiB */
#define FRAMES_BESIDES 256         /* what a library needs at the very least besides its module */

static struct aegis_limits limits_of(const struct tenant *t)
{
	/* A library has an environment for every process, and a slice of each CPU for it. */
	uint32_t many = t->policy->kind == KIND_EXOS ? info->env_slots / 2 : 0, cpus = info->cpus;
	struct aegis_limits limits = { .frames = t->limit, .slices = many ? many * cpus : 1, .environments = many ? many : 1, .filters = t->filters };

	if (t->policy->slices)
		limits.slices = t->policy->slices;
	if (t->policy->environments)
		limits.environments = t->policy->environments;
	return limits;
}

static void bind_there(const struct tenant *t, uint64_t va, uint64_t entry)
{
	struct aegis_binding b = { va, entry };
	int64_t result = aegis_bind(t->env, &b, 1, NULL);

	if (result != 1)
		give_up("%s: its first pages cannot be bound (error %u)", t->policy->name, (uint32_t)-result);
}

/* ExOS's module: in the arbiter's own, on the page after the policy. */
static uint64_t module_offset(void)
{
	const struct policy_block *block = (const struct policy_block *)((const char *)policy_name - offsetof(struct policy_block, name));

	return ((uint64_t)(block + 1) + block->bytes - boot->module_va + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);
}

uint32_t module_frames(void) { return boot->module_frames - (uint32_t)(module_offset() / FRAME_SIZE); }

static void describe_exos(struct tenant *t)
{
	struct aegis_boot *b = &t->start->boot;
	uint64_t offset = module_offset();

	b->module_frames = module_frames();
	b->module_bytes = boot->module_bytes - offset;
	b->module_va = AEGIS_MODULE_VA;
	for (uint32_t d = 0; d < DEVICE_COUNT; d++)
		if (d != DEVICE_MACHINE || t->policy->machine)
			aegis_cap_narrow(&boot->devices[d], &b->devices[d], RIGHT_READ | RIGHT_WRITE, d, 1);
	memcpy(b->seed, boot->seed, sizeof(b->seed)); /* the arbiter itself has no use for it */
	memcpy(b->command_line, boot->command_line, sizeof(b->command_line));
	t->start->module_at = TENANT_MODULE_VA + offset;
	/* pairs: the shared slot's, three of the next level, and leaves for module, image, start pages */
	t->start->run_count = b->module_frames + 2 * (1 + 3 + b->module_frames / 512 + 2 + IMAGE_TABLES + 1);
	if (t->limit < t->start->run_count + FRAMES_BESIDES)
		give_up("%s: %s has %u frames, its module alone needs %u; give the machine more memory (--mem)", policy_name, t->policy->name,
			t->limit, t->start->run_count + FRAMES_BESIDES);
}

/* Once the arbiter itself takes no frame any more before the loader does. */
static void find_run(struct tenant *t)
{
	t->start->run_first = own_run(t->start->run_count, false);
	if (t->start->run_first == FRAME_ANY)
		give_up("%s: no %u neighbouring frames are free for its module", t->policy->name, t->start->run_count);
}

static void bind_first_pages(struct tenant *t)
{
	for (uint32_t level = 3; level > 0; level--) {
		uint64_t va = TENANT_START_VA & ~((FRAME_SIZE << 9 * level) - 1);

		t->tables[level - 1] = own_pair();
		bind_there(t, va, BIND_ENTRY(t->tables[level - 1], BIND_READ | BIND_LEVEL(level)));
	}
	bind_there(t, IMAGE_VA, BIND_ENTRY(table_of(IMAGE_VA, 1), BIND_READ | BIND_LEVEL(1)));
	bind_there(t, TENANT_START_VA, BIND_ENTRY(t->pages[0], BIND_READ | BIND_WRITE));
	for (uint32_t i = 1; i < TENANT_START_PAGES; i++)
		bind_there(t, TENANT_UPCALL_VA + i * FRAME_SIZE, BIND_ENTRY(t->pages[i], BIND_READ | BIND_WRITE));
	if (t->policy->kind == KIND_EXOS)
		bind_there(t, TENANT_MODULE_VA, BIND_ENTRY(table_of(AEGIS_MODULE_VA, 2), BIND_READ | BIND_LEVEL(2)));
	else
		bind_there(t, TENANT_UPCALL_VA, BIND_ENTRY(t->upcall, BIND_READ | BIND_WRITE));
}

static void get_frames(struct tenant *t)
{
	uint64_t window = WINDOW_VA + (uint64_t)(t - tenants) * 2 * FRAME_SIZE;

	t->object = own_frame();
	t->root = own_pair();
	t->upcall = own_frame();
	for (uint32_t i = 0; i < TENANT_START_PAGES; i++)
		t->pages[i] = own_frame();
	bind(window, BIND_ENTRY(t->pages[0], BIND_READ | BIND_WRITE));
	bind(window + FRAME_SIZE, BIND_ENTRY(t->upcall, BIND_READ | BIND_WRITE));
	memset((void *)window, 0, 2 * FRAME_SIZE);
	t->start = (struct tenant_start *)window;
	t->words = (const struct aegis_upcall *)(window + FRAME_SIZE);
	bind(window + FRAME_SIZE, BIND_ENTRY(t->upcall, BIND_READ));
}

void tenant_make(struct tenant *t)
{
	static void (*const mains[KIND_COUNT])(struct tenant_start *) = { loader_main, greedy_main, greedy_main, polite_main };
	static const char *const kinds[KIND_COUNT] = { "ExOS", "greedy", "deaf", "polite" };
	enum tenant_kind kind = t->policy->kind;
	bool upcalls = kind == KIND_GREEDY || kind == KIND_DEAF;
	struct aegis_env_spec spec = {
		.flags = ENV_NEW_ACCOUNT,
		.limits = limits_of(t),
		.keeper = boot->env,
		.entries = { .exception = upcalls ? (uint64_t)greedy_entry : 0, .event = upcalls ? (uint64_t)greedy_entry : 0 },
		.rip = (uint64_t)mains[kind],
		.rsp = TENANT_STACK_TOP - 8, /* as a call leaves it */
		.argument = TENANT_START_VA,
	};
	int64_t env;

	get_frames(t);
	if (kind == KIND_EXOS)
		describe_exos(t);
	t->start->deaf = kind == KIND_DEAF;
	t->start->tick = info->tsc_hz / 1000 * TICK_MS;
	spec.object = t->object, spec.root = t->root, spec.upcall = t->upcall;
	env = aegis_env_create(&spec);
	if (env < 0)
		give_up("%s: %s cannot be made (error %u): %u frames, %u slices, %u environments", policy_name, t->policy->name, (uint32_t)-env,
			spec.limits.frames, spec.limits.slices, spec.limits.environments);
	t->env = (env_id)env;
	t->loading = kind == KIND_EXOS;
	t->start->boot.env = t->env;
	t->start->boot.root = t->root;
	t->start->boot.upcall = t->upcall;
	t->start->boot.info = boot->info;
	bind_first_pages(t);
	if (kind == KIND_EXOS)
		find_run(t);
	for (uint32_t i = 0; i < (upcalls ? spec.limits.slices : 1); i++) /* a library takes the others itself */
		if (aegis_slice_alloc(0, UINT32_MAX, t->env, NULL) < 0)
			give_up("%s: no slice is free for it", t->policy->name);
	say("%s is %s, with %u frames and %u slices", t->policy->name, kinds[kind], spec.limits.frames, spec.limits.slices);
}

/* What of the arbiter's module only ExOS had a use for. */
static void free_module(void)
{
	uint32_t offset = (uint32_t)(module_offset() / FRAME_SIZE);

	for (uint32_t i = offset; i < boot->module_frames; i++) {
		struct aegis_binding broken = { boot->module_va + i * FRAME_SIZE, 0 };

		if (aegis_bind(0, &broken, 1, NULL) == 1)
			give_frame(boot->module_first + i);
	}
}

bool tenant_loaded(struct tenant *t)
{
	if (!t->loading)
		return true;
	if (frame_table[t->tables[2]].state != FRAME_OWNED) /* still a table */
		return false;
	t->loading = false;
	for (uint32_t level = 0; level < 3; level++) {
		give_frame(t->tables[level]);
		give_frame(t->tables[level] + 1);
	}
	bind((uint64_t)t->start, BIND_ENTRY(t->upcall, BIND_READ)); /* something else there, so that the page can go */
	for (uint32_t i = 0; i < TENANT_START_PAGES; i++)
		give_frame(t->pages[i]);
	free_module();
	return true;
}

uint32_t tenant_holds(const struct tenant *t) { return env_table[env_slot_of(info, t->env)].held.frames; }

void tenant_resize(struct tenant *t, uint32_t frames)
{
	struct aegis_limits limits = limits_of(t);

	limits.frames = frames;
	if (aegis_account_resize(t->env, &limits) == 0)
		t->limit = frames;
}

static int64_t destroy_as_far(env_id env)
{
	int64_t result;

	do
		result = aegis_env_destroy(env);
	while (result == -E_AGAIN);
	return result;
}

static void destroy(struct tenant *t)
{
	int64_t result = destroy_as_far(t->env);

	if (result == -E_BUSY) { /* its rings and filters, which held some of its frames, are gone now */
		take_all(t);
		result = destroy_as_far(t->env);
	}
	if (result)
		say("%s cannot be destroyed (error %u)", t->policy->name, (uint32_t)-result);
	t->env = 0;
	t->limit = 0;
}

void tenant_check(struct tenant *t)
{
	const volatile struct aegis_env_info *e = &env_table[env_slot_of(info, t->env)];

	if (!t->env || e->state != ENV_STOPPED)
		return;
	if (t->policy->machine)
		give_up("%s stopped: cause %u at %X (the one before: %u at %X, address %X)", t->policy->name, (uint32_t)e->stop_cause, e->stop_rip,
			(uint32_t)t->words->frame.cause, t->words->frame.rip, t->words->frame.address);
	if (e->stop_cause == CAUSE_EXCESS)
		say("%s was stopped: it ignored the ends of its slices, and used %t of others' time", t->policy->name, e->excess);
	else
		say("%s was stopped: exception %u at %X", t->policy->name, (uint32_t)e->stop_cause, e->stop_rip);
	destroy(t);
}
