/* Accounts: what a tenant may hold. The kernel only counts; sizes are whose business it is that made the account.
 *
 * Limits are conserved: what an account is given its maker gives up, and has again when the account is gone. */
#include <kernel/call.h>
#include <kernel/env.h>

static bool fits(uint32_t more, uint32_t held, uint32_t limit) { return more == 0 || (held <= limit && more <= limit - held); }

bool account_split(struct env *from, const struct aegis_limits *limits)
{
	if (!fits(limits->frames, from->held.frames, from->limits.frames) || !fits(limits->slices, from->held.slices, from->limits.slices) ||
		!fits(limits->environments, from->held.environments, from->limits.environments) || !fits(limits->filters, from->held.filters, from->limits.filters))
		return false;
	from->limits.frames -= limits->frames;
	from->limits.slices -= limits->slices;
	from->limits.environments -= limits->environments;
	from->limits.filters -= limits->filters;
	from->info->limits = from->limits;
	return true;
}

void account_join(struct env *to, const struct aegis_limits *limits)
{
	to->limits.frames += limits->frames;
	to->limits.slices += limits->slices;
	to->limits.environments += limits->environments;
	to->limits.filters += limits->filters;
	to->info->limits = to->limits;
}

/* What more is wanted, field by field, is split off the maker's; what less, joined to it. */
int64_t call_account_resize(uint64_t env, uint64_t user, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env), *maker;
	struct aegis_limits wanted, more = { 0 }, less = { 0 };
	int64_t error;

	(void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&wanted, user, sizeof(wanted))))
		return error;
	if (!e || e->account != e)
		return -E_NOENV;
	maker = current_env()->account;
	if (!e->account_creator || e->account_creator != maker->id)
		return -E_DENIED; /* only the maker: out of his own limits it comes */
#define RESIZE(field) \
	(wanted.field > e->limits.field ? (more.field = wanted.field - e->limits.field) : (less.field = e->limits.field - wanted.field))
	RESIZE(frames), RESIZE(slices), RESIZE(environments), RESIZE(filters);
#undef RESIZE
	if (!account_split(maker, &more))
		return -E_LIMIT;
	account_join(maker, &less);
	e->limits = wanted;
	e->info->limits = wanted;
	return 0;
}
