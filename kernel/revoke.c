/* Revocation: the demand is shown in the account's upcall page and counted off as it is met; past its deadline whoever made it may take what is
 * still owed, naming what: the kernel never chooses a victim. Each loss is written into the loser's repossession vector. */
#include <kernel/call.h>
#include <kernel/disk/disk.h>
#include <kernel/event.h>
#include <kernel/revoke.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/table.h>

static struct aegis_repossessed *repossessed(const struct env *account)
{
	return (struct aegis_repossessed *)((uint8_t *)env_upcall(account) + REPOSSESSED_OFFSET);
}

static void count_off(struct env *account, uint32_t kind, uint32_t n)
{
	struct demand *demand = &account->demands[kind];
	struct env *from;

	if (demand->count == 0)
		return;
	demand->count -= n < demand->count ? n : demand->count;
	env_upcall(account)->demands[kind].count = demand->count;
	from = demand->count ? NULL : env_find(demand->from);
	if (from && demand->from)
		event_raise(from, EVENT_RETURNED);
}

void revoke_given(struct env *account, uint32_t kind, uint32_t n) { count_off(account, kind, n); }

void revoke_lost(env_id account, uint32_t kind, uint64_t name)
{
	struct env *e = account ? env_find(account) : NULL;
	struct aegis_repossessed *vector;
	uint64_t count;

	if (!e)
		return;
	vector = repossessed(e);
	count = vector->count; /* the loser's own word: a lie hurts only him */
	vector->entries[count % REPOSSESSED_ENTRIES] = (struct aegis_loss){ kind, 1, name };
	vector->count = count + 1;
	event_raise_once(e, EVENT_REPOSSESSED);
}

/* To ask for one's own frames back needs no command of who has bound them; but nobody takes another's demand off the page. */
static bool may_ask_range(const struct env *account, const struct aegis_demand *demand)
{
	const struct demand *before = &account->demands[REVOKE_RANGE];
	env_id mine = current_env()->account->id;

	if (!demand->count && before->from != current_env()->id)
		return false;
	if (demand->count > AEGIS_BATCH_MAX || demand->first >= frame_count || demand->count > frame_count - demand->first)
		return false;
	for (uint64_t f = demand->first; f < demand->first + demand->count; f++)
		if (frame_table[f].owner != mine)
			return false;
	return true;
}

int64_t call_revoke(uint64_t env, uint64_t user, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env), *account;
	struct aegis_demand demand;
	int64_t error;

	(void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&demand, user, sizeof(demand))))
		return error;
	if (demand.kind >= REVOKE_KINDS)
		return -E_INVALID;
	if (!e || e->stopping)
		return -E_NOENV;
	account = e->account;
	if (demand.kind != REVOKE_RANGE ? !env_below(e) : !may_ask_range(account, &demand))
		return -E_DENIED;
	account->demands[demand.kind] = (struct demand){ demand.deadline, demand.count, this_cpu()->current->id };
	env_upcall(account)->demands[demand.kind] = demand;
	if (demand.count)
		event_raise(account, EVENT_REVOKE);
	return 0;
}

/* It is its account's only because a ring, a queue, a handler or a filter needs it. In the block table it may be. */
static bool held(frame_t f)
{
	const struct aegis_frame_info *info = &frame_table[f];

	return info->state == FRAME_RING || info->state == FRAME_QUEUE || info->state == FRAME_CODE || (info->pins & PIN_HELD && info->next > block_registered(f));
}

/* Takes one frame: its bindings go, what it holds of a disk is written there, and it is free. */
static int64_t take_frame(struct env *account, uint64_t name, uint32_t *budget)
{
	frame_t f = (frame_t)name;
	int64_t error;

	if (name >= frame_count || frame_table[f].owner != account->id)
		return -E_DENIED;
	if (held(f))
		return -E_BUSY; /* ring_destroy, queue_destroy and filter_remove are for who is above, too */
	if (frame_table[f].state == FRAME_TAKEN && frame_table[f].pins & ~PIN_HELD)
		return -E_AGAIN; /* the device is done with it in a moment */
	if ((frame_table[f].state < FRAME_OWNED || frame_table[f].state > FRAME_TABLE3) && frame_table[f].state != FRAME_TAKEN)
		return -E_DENIED; /* what an environment stands on goes with the environment */
	if (frame_table[f].state > FRAME_TABLE1 && frame_table[f].state <= FRAME_TABLE3 && table_entries(f))
		return -E_BUSY; /* before its first binding goes: a refusal changes nothing */
	if ((error = bind_break_all(f, budget)))
		return error;
	if (frame_table[f].pins & ~PIN_HELD) { /* its account could else hand it over again for ever */
		frame_table[f].state = FRAME_TAKEN;
		return -E_AGAIN;
	}
	if (block_registered(f) && (error = block_take(f)))
		return error;
	frame_release(f, account);
	return 0;
}

static int64_t take(struct env *account, uint32_t kind, uint64_t name, uint32_t *budget)
{
	return kind == REVOKE_FRAMES ? take_frame(account, name, budget) : slice_repossess(account, name);
}

/* A frame that was taken while it was owed, and that a device has had since: that is brought to its end. */
static bool begun(const struct env *account, uint32_t kind, uint64_t name)
{
	return kind == REVOKE_FRAMES && name < frame_count && frame_table[name].state == FRAME_TAKEN && frame_table[name].owner == account->id;
}

int64_t call_repossess(uint64_t env, uint64_t kind, uint64_t names, uint64_t n, uint64_t unused)
{
	struct env *e = env_find((env_id)env), *account;
	uint64_t list[AEGIS_BATCH_MAX];
	uint32_t budget = BREAK_BUDGET;
	const struct demand *demand;
	uint64_t done = 0;
	int64_t error;
	bool dead;

	(void)unused;
	if (n - 1 >= AEGIS_BATCH_MAX || kind > REVOKE_SLICES)
		return -E_INVALID;
	if ((error = copy_from_user(list, names, n * sizeof(*list))))
		return error;
	if (!e)
		return -E_NOENV;
	if (!env_below(e))
		return -E_DENIED;
	account = e->account;
	demand = &account->demands[kind];
	dead = account->stopping; /* nobody is left who could give: no demand is needed */
	if (!dead && (demand->count == 0 || demand->deadline > read_tsc()) && !begun(account, (uint32_t)kind, list[0]))
		return -E_STATE;
	for (; done < n && (dead || demand->count || begun(account, (uint32_t)kind, list[done])); done++) {
		if ((error = take(account, (uint32_t)kind, list[done], &budget)))
			break;
		revoke_lost(account->id, (uint32_t)kind, list[done]);
		count_off(account, (uint32_t)kind, 1);
	}
	account_show(account);
	forget_everywhere();
	return done ? (int64_t)done : error;
}
