/* Rings: made of frames that stay their account's, ended in bounded steps. */
#include <kernel/call.h>
#include <kernel/net/net.h>

#define END_BUDGET 64 /* filters removed in one call */

bool net_below(env_id account)
{
	const struct env *e = account ? env_find(account) : NULL;

	return e && (e == current_env()->account || env_below(e));
}

static struct ring *ring_named(uint64_t name) { return name < frame_count && frame_table[name].state == FRAME_RING ? ring_of((frame_t)name) : NULL; }

struct ring *ring_mine(uint64_t name)
{
	struct ring *r = ring_named(name);

	return r && r->account == env_account(current_env()) ? r : NULL;
}

struct ring *ring_below(uint64_t name)
{
	struct ring *r = ring_named(name);

	return r && net_below(r->account) ? r : NULL;
}

static int64_t check_frames(const struct aegis_ring_spec *spec, const struct env *account)
{
	for (uint32_t i = 0; i < spec->slots / 2; i++)
		if (!frame_owned(net_work->frames[i], account) || net_work->frames[i] == spec->object)
			return -E_DENIED;
	return frame_owned(spec->control, account) && spec->control != spec->object ? frame_check_unused(spec->object, account) : -E_DENIED;
}

static void link_ring(struct ring *r, frame_t name, struct env *account)
{
	r->next = account->rings;
	if (r->next)
		ring_of(r->next)->previous = name;
	account->rings = name;
}

static void make_ring(const struct aegis_ring_spec *spec, struct station *s, struct env *account)
{
	struct ring *r = ring_of(spec->object);

	if (!frame_table[spec->object].clean)
		frame_clear(spec->object);
	frame_table[spec->object].state = FRAME_RING;
	frame_table[spec->object].clean = 0;
	r->station = s;
	r->guards = no_guards;
	r->account = account->id;
	r->owner = current_env()->id;
	r->slots = spec->slots;
	r->control = spec->control;
	r->page = frame_pointer(spec->control);
	frame_hold(spec->control);
	memset(r->page, 0, sizeof(*r->page));
	for (uint32_t i = 0; i < spec->slots / 2; i++)
		frame_hold(r->frames[i] = net_work->frames[i]);
	link_ring(r, spec->object, account);
	if (!s->enabled) /* nobody wanted its packets before */
		netdev_enable(s->driver);
	s->enabled = true;
}

int64_t call_ring_create(uint64_t user, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *account = current_env()->account;
	struct aegis_ring_spec spec;
	struct station *s;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&spec, user, sizeof(spec))))
		return error;
	s = net_station(spec.device);
	if (!s || spec.slots < 2 || spec.slots > NET_SLOTS_MAX || spec.slots & (spec.slots - 1))
		return -E_INVALID;
	if ((error = copy_from_user(net_work->frames, spec.frames, spec.slots / 2 * sizeof(frame_t))))
		return error;
	if ((error = check_frames(&spec, account)))
		return error;
	make_ring(&spec, s, account);
	return spec.object;
}

/* A bounded part. False: more is left. */
static bool ring_end(frame_t name, struct env *account, uint32_t *budget)
{
	struct ring *r = ring_of(name);

	for (; r->bindings; --*budget) {
		if (!*budget)
			return false;
		filter_end(&filter_table[r->bindings]);
	}
	if (r->under_way)
		netdev_reap(r->station->driver);
	if (r->under_way)
		return false; /* the device reads from its account's frames yet */
	ring_stop_waiting(r);
	if (r->next)
		ring_of(r->next)->previous = r->previous;
	if (r->previous)
		ring_of(r->previous)->next = r->next;
	else
		account->rings = r->next;
	frame_let_go(r->control);
	for (uint32_t i = 0; i < r->slots / 2; i++)
		frame_let_go(r->frames[i]);
	frame_table[name].state = FRAME_OWNED;
	frame_clear(name);
	return true;
}

int64_t call_ring_destroy(uint64_t name, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct ring *r = ring_below(name);
	uint32_t budget = END_BUDGET;

	(void)b, (void)c, (void)d, (void)unused;
	if (!r)
		return -E_DENIED;
	return ring_end((frame_t)name, env_find(r->account), &budget) ? 0 : -E_AGAIN;
}

bool net_end_account(struct env *account)
{
	uint32_t budget = END_BUDGET;

	for (; account->filters; budget--) {
		if (!budget)
			return false;
		filter_end(&filter_table[account->filters]);
	}
	for (uint32_t rings = 0; account->rings; rings++) /* one of them is up to 513 frames to let go */
		if (rings == END_BUDGET / 8 || !ring_end(account->rings, account, &budget))
			return false;
	return true;
}
