/* The policy's decisions: who is short, who gives, how much. What is done about it is take.c's. */
#include <apps/arbiter/arbiter.h>

static uint32_t alive(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < policy.count; i++)
		n += tenants[i].env != 0;
	return n;
}

static uint32_t reserve(void) { return policy_frames(&policy.reserve, pool); }

/* What no tenant may have just now. */
static uint32_t spare(void)
{
	uint32_t given = 0;

	for (uint32_t i = 0; i < policy.count; i++)
		given += tenants[i].limit;
	return given < pool ? pool - given : 0;
}

static uint32_t size_or(const struct policy_size *size, uint32_t otherwise) { return size->given ? policy_frames(size, pool) : otherwise; }

/* Between these the policy moves a tenant's limit. */
static uint32_t floor_of(const struct tenant *t)
{
	uint32_t share = (pool - reserve()) / alive(), least = size_or(&t->policy->least, 0);

	if (policy.share == SHARE_EVEN)
		return least > share ? least : share;
	return size_or(&t->policy->least, policy_frames(&t->policy->frames, pool));
}

static uint32_t ceiling_of(const struct tenant *t)
{
	if (policy.share == SHARE_EVEN)
		return size_or(&t->policy->most, (pool - reserve()) / alive());
	return size_or(&t->policy->most, policy_frames(&t->policy->frames, pool));
}

static uint32_t above(const struct tenant *t)
{
	uint32_t least = floor_of(t);

	return t->limit > least ? t->limit - least : 0;
}

static uint32_t below(const struct tenant *t)
{
	uint32_t most = ceiling_of(t);

	return t->limit < most ? most - t->limit : 0;
}

static bool is_short(const struct tenant *t)
{
	uint64_t left = t->limit - (uint64_t)tenant_holds(t);

	return t->env && below(t) && (tenant_holds(t) >= t->limit || left * 100 <= (uint64_t)t->limit * policy.tell);
}

/* Of the short ones the most important, or who is farthest below his share. */
static struct tenant *find_short(void)
{
	struct tenant *found = NULL;

	for (uint32_t i = 0; i < policy.count; i++) {
		struct tenant *t = &tenants[i];

		if (is_short(t) && (!found || (policy.share == SHARE_EVEN ? below(t) > below(found) : t->policy->priority > found->policy->priority)))
			found = t;
	}
	return found;
}

/* Who has most above his share; or the least important of those who are less so than t. */
static struct tenant *find_giver(const struct tenant *t)
{
	struct tenant *found = NULL;

	for (uint32_t i = 0; i < policy.count; i++) {
		struct tenant *g = &tenants[i];

		if (g == t || !g->env || !above(g) || (policy.share == SHARE_PRIORITY && g->policy->priority >= t->policy->priority))
			continue;
		if (!found || (policy.share == SHARE_EVEN ? above(g) > above(found) : g->policy->priority < found->policy->priority))
			found = g;
	}
	return found;
}

static uint32_t least_of(uint32_t a, uint32_t b) { return a < b ? a : b; }

bool balance(void)
{
	struct tenant *t = find_short(), *giver;
	uint32_t n, free;

	if (!t)
		return false;
	n = least_of(policy_frames(&policy.step, pool), below(t));
	free = spare();
	if (n && free >= n + reserve()) {
		say("%s is short: gets %u frames that nobody has, %u in all", t->policy->name, n, t->limit + n);
		tenant_resize(t, t->limit + n);
		return true;
	}
	giver = find_giver(t);
	n = giver ? least_of(n, above(giver)) : 0;
	if (!n)
		return false;
	say("%s is short: gets %u frames of %s's, %u in all", t->policy->name, n, giver->policy->name, t->limit + n);
	if (free >= n) { /* out of the reserve, which is filled up again */
		tenant_resize(t, t->limit + n);
		take(giver, n);
	} else {
		take(giver, n);
		tenant_resize(t, t->limit + n);
	}
	return true;
}

void balance_check(void)
{
	uint64_t wanted = reserve();

	for (uint32_t i = 0; i < policy.count; i++)
		wanted += policy_frames(&policy.tenants[i].frames, pool);
	if (wanted > pool)
		give_up("%s: tenants and reserve have %u frames, the machine %u", policy_name, (uint32_t)wanted, pool);
}
