/* Making, finding, stopping and destroying environments. */
#include <kernel/bind.h>
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/device.h>
#include <kernel/event.h>
#include <kernel/frame.h>
#include <kernel/slice.h>
#include <kernel/x86_64/paging.h>

uint32_t env_slots;
struct env **env_table;
struct aegis_env_info *env_infos; /* exposed */
static uint32_t *free_slots;      /* stack of free slots; owner: the kernel lock */
static uint32_t free_slot_count;

void env_start(uint32_t slots)
{
	env_slots = slots;
	env_table = boot_allocate(slots * sizeof(*env_table));
	env_infos = boot_allocate(slots * sizeof(*env_infos));
	free_slots = boot_allocate(slots * sizeof(*free_slots));
	for (uint32_t slot = slots; slot-- > 1;) /* slot 0 stays empty: no name is 0 */
		free_slots[free_slot_count++] = slot;
	frame_expose(env_infos, slots * sizeof(*env_infos));
}

struct env *env_find(env_id id)
{
	struct env *e;

	if (id == 0)
		return this_cpu()->current;
	if (env_slot(id) >= env_slots)
		return NULL;
	e = env_table[env_slot(id)];
	return e && e->id == id ? e : NULL;
}

bool env_mine(const struct env *e)
{
	const struct env *account = this_cpu()->current->account;

	return e->account == account || e->account->account_creator == account->id;
}

void env_set_state(struct env *e, enum aegis_env_state state)
{
	e->state = state;
	e->info->state = state;
}

static bool entries_valid(const struct aegis_entries *entries)
{
	return entries->exception < AEGIS_USER_TOP && entries->event < AEGIS_USER_TOP && entries->foreign < AEGIS_USER_TOP &&
	       entries->transfer < AEGIS_USER_TOP;
}

struct env *env_make(const struct aegis_env_spec *spec, struct env *account)
{
	struct env *e = frame_pointer(spec->object);
	uint64_t *root = frame_pointer(spec->root);
	uint32_t slot;

	if (!free_slot_count)
		return NULL;
	slot = free_slots[--free_slot_count];
	if (!frame_table[spec->object].clean)
		frame_clear(spec->object);
	if (!frame_table[spec->root].clean)
		frame_clear(spec->root);
	paging_root_fill(root);
	frame_table[spec->object].state = FRAME_OBJECT;
	frame_table[spec->root].state = FRAME_ROOT;
	frame_table[spec->root].next_free = 0;
	frame_table[spec->upcall].state = FRAME_UPCALL;
	frame_table[spec->object].clean = frame_table[spec->root].clean = frame_table[spec->upcall].clean = 0;

	e->info = &env_infos[slot];
	e->id = (e->info->id & ~((1u << ENV_SLOT_BITS) - 1)) + (1u << ENV_SLOT_BITS) + slot; /* the next generation */
	e->upcall_end = (uint8_t *)frame_pointer(spec->upcall) + 256;
	e->entries = spec->entries;
	e->root = (uint64_t)spec->root << FRAME_SHIFT;
	e->rip = spec->rip;
	e->rsp = spec->rsp;
	e->argument = spec->argument;
	e->object_frame = spec->object;
	e->root_frame = spec->root;
	e->upcall_frame = spec->upcall;
	e->keeper = spec->keeper;
	e->alarm = NO_ALARM;
	e->slices = NO_POSITION;
	if (spec->flags & ENV_NEW_ACCOUNT) {
		e->account = e;
		e->frame_limit = spec->frame_limit;
		e->account_creator = account ? account->id : 0;
	} else {
		e->account = account;
	}
	e->account->environments++;
	env_table[slot] = e;
	*e->info = (struct aegis_env_info){ .id = e->id, .account = e->account->id, .keeper = e->keeper };
	env_set_state(e, ENV_RUNNABLE);
	return e;
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
		spec.object == spec.root || spec.root == spec.upcall || spec.object == spec.upcall)
		return -E_INVALID;
	if (!frame_owned(spec.object, account) || !frame_owned(spec.root, account) || !frame_owned(spec.upcall, account))
		return -E_DENIED;
	if (frame_table[spec.object].bindings || frame_table[spec.root].bindings)
		return -E_BUSY; /* its user could go on writing it */
	if (!(e = env_make(&spec, account)))
		return -E_FULL;
	return e->id;
}

void env_stop(struct env *e, uint64_t cause, uint64_t rip)
{
	struct env *keeper = e->keeper ? env_find(e->keeper) : NULL;

	slice_runnable(e, false);
	alarm_clear(e);
	e->info->stop_cause = cause;
	e->info->stop_rip = rip;
	env_set_state(e, ENV_STOPPED);
	if (keeper)
		event_raise(keeper, EVENT_PEER);
	else if (e->keeper == 0) { /* nobody is left who could be told */
		log_line("the first environment stopped: exception %lu at %lx", cause, rip);
		power_off(125);
	}
}

/* The object and the root of a destroyed environment become all zero, as they soon will be an environment's again. Most of the object never was
 * anything else: only a preemption by force writes behind its first part. */
static void clean_frames(struct env *e)
{
	frame_t object = e->object_frame, root = e->root_frame;

	paging_root_empty(physical(e->root));
	memset(e, 0, e->preempted ? sizeof(*e) : offsetof(struct env, trap));
	frame_table[root].clean = frame_table[object].clean = 1;
}

/* A step of destruction. Once begun the environment is stopped; its page tables go first, in steps, then all the rest at once. */
int64_t call_env_destroy(uint64_t env, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env);

	(void)b, (void)c, (void)d, (void)unused;
	if (!e)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	if (e == this_cpu()->current)
		return -E_STATE;
	if (e->account == e && (e->environments > 1 || e->frames_held))
		return -E_BUSY; /* an account that still holds something */
	if (e->state != ENV_STOPPED) {
		slice_runnable(e, false);
		alarm_clear(e);
		env_set_state(e, ENV_STOPPED);
	}
	if (!bind_take_apart(e))
		return -E_AGAIN;
	slice_free_all(e);
	e->account->environments--;
	frame_table[e->object_frame].state = FRAME_OWNED;
	frame_table[e->root_frame].state = FRAME_OWNED;
	frame_table[e->upcall_frame].state = FRAME_OWNED;
	env_set_state(e, ENV_FREE);
	env_table[env_slot(e->id)] = NULL;
	free_slots[free_slot_count++] = env_slot(e->id);
	clean_frames(e);
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
