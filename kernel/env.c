/* Making, finding, stopping and destroying environments. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/disk/disk.h>
#include <kernel/event.h>
#include <kernel/frame.h>
#include <kernel/info.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/table.h>
#include <kernel/x86_64/paging.h>

#define ACCOUNT_DEPTH 16 /* accounts below accounts */

uint32_t env_slots, env_slot_mask;
struct aegis_env_info *env_infos; /* exposed */
/* Free slots, a ring: the one that was freed longest ago is taken first, so that a name comes again as late as can be. Owner: the kernel lock. */
static uint32_t *free_slots;
static uint32_t free_first, free_count;

void env_start(uint32_t slots)
{
	uint64_t *claims = boot_allocate(slots * sizeof(*claims));
	struct env **table = boot_allocate(slots * sizeof(*table));

	env_slots = slots;
	env_slot_mask = slots - 1;
	kernel_window(env_claims, claims, slots * sizeof(*claims));
	kernel_window(env_table, table, slots * sizeof(*table));
	env_infos = boot_allocate(slots * sizeof(*env_infos));
	free_slots = boot_allocate(slots * sizeof(*free_slots));
	for (uint32_t slot = 1; slot < slots; slot++) /* slot 0 stays empty: no name is 0, */
		free_slots[free_count++] = slot;
	env_claims[0] = UINT64_MAX; /* and whoever claims 0 finds no 0 there */
	frame_expose(env_infos, slots * sizeof(*env_infos));
	frame_expose(claims, slots * sizeof(*claims));
	machine_info->claim_table = (struct aegis_range){ kernel_frame(claims), (uint32_t)((slots * sizeof(*claims) + FRAME_SIZE - 1) / FRAME_SIZE) };
}

static uint32_t slot_take(void)
{
	uint32_t slot = free_slots[free_first];

	free_first = (free_first + 1) & env_slot_mask;
	free_count--;
	return slot;
}

static void slot_give(uint32_t slot) { free_slots[(free_first + free_count++) & env_slot_mask] = slot; }

struct env *env_find(env_id id)
{
	struct env *e;

	if (id == 0)
		return this_cpu()->current;
	e = env_table[env_slot(id)];
	return e && e->id == id ? e : NULL;
}

struct env *env_callee(const struct env *e)
{
	struct env *callee = e->peer ? env_find(e->peer) : NULL;

	return callee && callee->caller == e ? callee : NULL;
}

bool env_mine(const struct env *e)
{
	const struct env *account = this_cpu()->current->account;

	return e->account == account || e->commander == account->id || env_below(e);
}

/* Up from maker to maker: a maker outlives what it made, whose first frames are its own. */
bool env_below(const struct env *e)
{
	const struct env *account = current_env()->account, *above = e->account;

	for (uint32_t step = 0; step < ACCOUNT_DEPTH && above && above->account_creator; step++) {
		if (above->account_creator == account->id)
			return true;
		above = env_find(above->account_creator);
	}
	return false;
}

static bool entries_valid(const struct aegis_entries *entries)
{
	return entries->exception < AEGIS_USER_TOP && entries->event < AEGIS_USER_TOP && entries->foreign < AEGIS_USER_TOP &&
	       entries->transfer < AEGIS_USER_TOP && entries->async < AEGIS_USER_TOP;
}

static void make_frames(const struct aegis_env_spec *spec)
{
	if (!frame_table[spec->object].clean)
		frame_clear(spec->object);
	table_make(spec->root, LEVELS);
	paging_root_fill(frame_pointer(spec->root));
	frame_table[spec->object].state = FRAME_OBJECT;
	frame_table[spec->upcall].state = FRAME_UPCALL;
	frame_table[spec->object].clean = frame_table[spec->upcall].clean = 0;
}

struct env *env_make(const struct aegis_env_spec *spec, struct env *account)
{
	struct env *e = frame_pointer(spec->object);
	uint32_t slot;

	if (!free_count)
		return NULL;
	slot = slot_take();
	make_frames(spec);
	e->info = &env_infos[slot];
	e->claim = &env_claims[slot];
	e->id = (e->info->id & ~env_slot_mask) + env_slots + slot; /* the next generation; never small, like a claim's high half */
	e->ready = claim_word(e, CLAIM_READY);
	e->upcall_end = (uint8_t *)frame_pointer(spec->upcall) + 256;
	e->entries = spec->entries;
	e->root = (uint64_t)spec->root << FRAME_SHIFT;
	e->rip = spec->rip;
	e->rsp = spec->rsp;
	e->argument = spec->argument;
	e->resume = RESUME_FIRST;
	e->object_frame = spec->object;
	e->root_frame = spec->root;
	e->upcall_frame = spec->upcall;
	e->keeper = spec->keeper;
	e->alarm = NO_ALARM;
	e->slices = NO_POSITION;
	if (spec->flags & ENV_NEW_ACCOUNT) {
		e->account = e;
		e->limits = spec->limits;
		e->account_creator = account ? account->id : 0;
		e->depth = account ? account->depth + 1 : 0;
	} else {
		e->account = account;
	}
	e->owned = e->account->id | (uint64_t)FRAME_OWNED << 32;
	e->account->held.environments++;
	*e->info = (struct aegis_env_info){ .id = e->id, .account = e->account->id, .keeper = e->keeper, .state = ENV_LIVE,
		.limits = e->limits, .object = spec->object, .cap_epoch = e->info->cap_epoch };
	account_show(e->account);
	e->listed = true;
	env_table[slot] = e;
	claim_give(e, CLAIM_FRESH); /* its maker has yet to bind what it will run on */
	return e;
}

/* Whether the account may have one more environment, one with an account of its own, or (split off by then) not. */
static int64_t charge(struct env *account, const struct aegis_env_spec *spec)
{
	if (!free_count)
		return -E_FULL;
	if (!(spec->flags & ENV_NEW_ACCOUNT))
		return account->held.environments < account->limits.environments ? 0 : -E_LIMIT;
	if (spec->limits.environments == 0 || account->depth + 1 >= ACCOUNT_DEPTH)
		return -E_INVALID; /* it holds itself; and the way up to the first account is short */
	return account_split(account, &spec->limits) ? 0 : -E_LIMIT;
}

int64_t call_env_create(uint64_t user, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *account = this_cpu()->current->account, *e;
	struct aegis_env_spec spec;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&spec, user, sizeof(spec))))
		return error;
	if (spec.flags & ~(uint32_t)ENV_NEW_ACCOUNT || !entries_valid(&spec.entries) || spec.rip >= AEGIS_USER_TOP ||
		spec.object == spec.root || spec.object == spec.root + 1 || spec.upcall == spec.root || spec.upcall == spec.root + 1 ||
		spec.object == spec.upcall)
		return -E_INVALID;
	if (spec.keeper && (!(e = env_find(spec.keeper)) || e->account != account))
		return -E_DENIED; /* nobody is told who did not ask for it */
	if ((error = bind_check_pair(account, spec.root)))
		return error;
	if (!frame_owned(spec.object, account) || !frame_owned(spec.upcall, account))
		return -E_DENIED;
	if (frame_in_use(spec.object) || frame_table[spec.upcall].pins)
		return -E_BUSY; /* its user could go on writing it */
	if ((error = charge(account, &spec)))
		return error;
	return env_make(&spec, account)->id;
}

/* A caller whose callee is gone goes on with an error. */
static void release_caller(struct env *e)
{
	struct env *caller = __atomic_exchange_n(&e->caller, NULL, __ATOMIC_SEQ_CST);

	if (!caller)
		return;
	caller->result = (uint64_t)-E_NOENV;
	caller->resume = RESUME_CALL;
	slice_ready(caller);
	if (cpu_count > 1)
		slice_wake_all(caller);
}

void env_let_go(struct env *e)
{
	e->taken = true;
	alarm_clear(e); /* it may have gone to sleep between being stopped and being taken, */
	release_caller(e); /* or got a caller */
}

static void tell_keeper(struct env *e, uint64_t cause, uint64_t rip)
{
	struct env *keeper = e->keeper ? env_find(e->keeper) : NULL;

	e->info->stop_cause = cause;
	e->info->stop_rip = rip;
	if (keeper)
		event_raise(keeper, EVENT_PEER);
	else if (e->id == FIRST_ENVIRONMENT) { /* nobody is left who could be told */
		log_line("the first environment stopped: exception %lu at %lx", cause, rip);
		power_off(125);
	}
}

static void stop(struct env *e)
{
	e->stopping = true;
	e->info->state = ENV_STOPPED;
	slice_list(e, false);
	alarm_clear(e);
	release_caller(e);
}

void env_stop(struct env *e, uint64_t cause, uint64_t rip)
{
	stop(e);
	e->taken = true; /* it runs here, so its claim word is 0 */
	tell_keeper(e, cause, rip);
}

/* A caller that waits for its callee is taken from it. The callee, and whoever works for it in turn, ran in the caller's slices: now their own are gone round to. */
static bool take_waiting(struct env *e)
{
	struct env *callee = env_callee(e), *expected = e;

	if (!callee || !__atomic_compare_exchange_n(&callee->caller, &expected, NULL, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	for (int depth = 0; callee && depth < CALLEE_DEPTH; depth++, callee = env_callee(callee))
		if (!callee->stopping) {
			slice_list(callee, true);
			if (cpu_count > 1)
				slice_wake_all(callee);
		}
	return true;
}

/* Takes an environment that is to stop from wherever it is. False: it runs on another CPU, which was told to let go. */
static bool take(struct env *e)
{
	if (e->taken)
		return true;
	if (claim_take_ready(e) || claim_take(e, CLAIM_IDLE) || claim_take(e, CLAIM_ASLEEP) || claim_take(e, CLAIM_FRESH) || take_waiting(e)) {
		env_let_go(e);
		return true;
	}
	smp_kick(e);
	return false;
}

/* The object and the root of a destroyed environment become all zero, as they soon will be an environment's again. Most of the object never was
 * anything else: only a preemption by force writes behind its first part. */
static void give_frames(struct env *e)
{
	frame_t object = e->object_frame, root = e->root_frame, upcall = e->upcall_frame;

	paging_root_empty(physical(e->root));
	table_unmake(root);
	memset(e, 0, e->preempted ? sizeof(*e) : offsetof(struct env, trap));
	frame_table[object].state = frame_table[upcall].state = FRAME_OWNED;
	frame_table[object].clean = 1;
}

/* A step of destruction. Once begun the environment is stopped; its page tables go first, in steps, then all the rest at once. */
int64_t call_env_destroy(uint64_t env, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env), *creator;
	uint32_t budget = BREAK_BUDGET;
	bool done;

	(void)b, (void)c, (void)d, (void)unused;
	if (!e)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	if (e == this_cpu()->current)
		return -E_STATE;
	if (!e->stopping)
		stop(e);
	if (!take(e) || !bind_take_apart(e) || !slice_free_some(e) || (e->account == e && (!net_end_account(e) || !disk_end_account(e))))
		return -E_AGAIN;
	if (e->account == e && (e->held.environments > 1 || e->held.frames))
		return -E_BUSY; /* an account that still holds something */
	/* Its maker's, of which its account had these two: bound still, perhaps, where it commands by capability. */
	done = bind_break_foreign(e->upcall_frame, &budget) && bind_break_foreign(e->root_frame, &budget);
	if (budget != BREAK_BUDGET)
		forget_everywhere();
	if (!done)
		return -E_AGAIN;
	e->account->held.environments--;
	account_show(e->account);
	creator = e->account == e ? env_find(e->account_creator) : NULL;
	if (creator && e->account_creator)
		account_join(creator, &e->limits);
	e->info->state = ENV_FREE;
	epoch_bump(&e->info->cap_epoch);
	env_table[env_slot(e->id)] = NULL;
	if (e->id < UINT32_MAX - env_slot_mask) /* else its slot has no names left, and is not used again */
		slot_give(env_slot(e->id));
	smp_quiesce(); /* nobody is on a path that found it before */
	give_frames(e);
	return 0;
}

int64_t call_env_bind(uint64_t capability, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_cap cap;
	struct env *e;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = cap_fetch(&cap, capability, CAP_ENV, RIGHT_WRITE)))
		return error;
	e = env_find((env_id)cap.first);
	if (!e || e->stopping)
		return -E_NOENV;
	if (!epoch_valid(cap.epoch, e->info->cap_epoch))
		return -E_DENIED;
	e->commander = this_cpu()->current->account->id;
	return 0;
}

int64_t call_env_entries(uint64_t user, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_entries entries;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&entries, user, sizeof(entries))))
		return error;
	if (!entries_valid(&entries))
		return -E_INVALID;
	this_cpu()->current->entries = entries;
	return 0;
}
