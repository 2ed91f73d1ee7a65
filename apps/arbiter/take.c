/* Revocation as a policy wants it done: asked first, with a time until when; what is then still too much is taken, by name. */
#include <apps/arbiter/arbiter.h>

/* Collects up to n frames of the account that are in this state, from where the last search ended. Those that its rings are made of go with the rings. */
static uint32_t find_frames(struct tenant *t, uint32_t state, uint64_t *names, uint32_t n)
{
	uint32_t found = 0;

	for (uint32_t looked = 0; looked < info->frames && found < n; looked++) {
		frame_t f = t->taken_from;

		t->taken_from = f + 1 < info->frames ? f + 1 : 0;
		if (frame_table[f].owner == t->env && frame_table[f].state == state && !(frame_table[f].pins & PIN_HELD))
			names[found++] = f;
	}
	return found;
}

/* Takes up to n frames: data first, then page tables from the leaves on. Returns how many; *first: the first of them. */
static uint32_t take_frames(struct tenant *t, uint32_t n, frame_t *first)
{
	uint64_t names[AEGIS_BATCH_MAX];
	uint32_t taken = 0;

	for (uint32_t state = FRAME_OWNED; state <= FRAME_TABLE3 && taken < n;) {
		uint32_t most = n - taken < AEGIS_BATCH_MAX ? n - taken : AEGIS_BATCH_MAX, found = find_frames(t, state, names, most), done = 0;

		while (done < found) {
			int64_t result = aegis_repossess(t->env, REVOKE_FRAMES, names + done, found - done);

			if (result == -E_STATE || result == -E_NOENV)
				return taken; /* nothing is owed any more */
			if (result > 0) {
				if (!taken)
					*first = (frame_t)names[0];
				taken += (uint32_t)result;
				done += (uint32_t)result;
			} else if (result != -E_AGAIN) {
				done++; /* not the tenant's any more, or a table that is not empty yet */
			}
		}
		if (found < most)
			state++;
	}
	return taken;
}

static uint32_t excess(const struct tenant *t)
{
	uint32_t holds = tenant_holds(t);

	return holds > t->limit ? holds - t->limit : 0;
}

void take(struct tenant *from, uint32_t n)
{
	uint64_t asked = ticks(), time = info->tsc_hz / 1000000 * policy.deadline_us, until;
	struct aegis_demand demand = { .kind = REVOKE_FRAMES, .count = n, .deadline = asked + time };
	const char *name = from->policy->name;
	uint32_t owed = n, over, forced;
	frame_t first = 0;

	tenant_resize(from, from->limit - n);
	if (aegis_revoke(from->env, &demand) < 0)
		return; /* it has been stopped meanwhile */
	while (owed && ticks() < demand.deadline)
		owed = wait(EVENT_RETURNED, demand.deadline, from->env) & EVENT_RETURNED ? 0 : owed;
	until = ticks();
	if (!owed) {
		say("asked %s for %u frames by %t: %u returned after %t", name, n, time, n, until - asked);
		return;
	}
	owed = from->words->demands[REVOKE_FRAMES].count;
	if (owed > n)
		owed = n;
	over = excess(from);
	forced = over ? take_frames(from, over, &first) : 0;
	if (forced)
		say("asked %s for %u frames by %t: %u returned; took %u by force in %t (frames 0x%x..)", name, n, time, n - owed, forced,
			ticks() - until, first);
	else
		say("asked %s for %u frames by %t: %u returned; it may keep the others", name, n, time, n - owed);
	demand.count = 0;
	aegis_revoke(from->env, &demand);
}

void take_all(struct tenant *dead)
{
	uint64_t since = ticks();
	frame_t first = 0;
	uint32_t taken = 0;

	for (uint32_t round = 0; round < 4 && tenant_holds(dead); round++) /* of a table's pair the second is free to be taken when the first is gone */
		taken += take_frames(dead, tenant_holds(dead), &first);
	say("took %u frames of %s by force in %t (frames 0x%x..)", taken, dead->policy->name, ticks() - since, first);
}
