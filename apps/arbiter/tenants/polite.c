/* A tenant that takes every frame it may have, and gives back at once what it is asked for. It needs no upcalls: it looks when it wakes. */
#include <aegis/x86_64/stubs.h>
#include <apps/arbiter/tenants/start.h>

/* Remembers a frame; false: it would be one range too many. */
static bool keep(struct tenant_start *s, frame_t f)
{
	struct aegis_range *last = s->ranges ? &s->held[s->ranges - 1] : NULL;

	if (last && f == last->first + last->count) {
		last->count++;
	} else if (last && f + 1 == last->first) {
		last->first--;
		last->count++;
	} else if (s->ranges < TENANT_RANGES) {
		s->held[s->ranges++] = (struct aegis_range){ f, 1 };
	} else {
		return false;
	}
	return true;
}

static void take(struct tenant_start *s)
{
	frame_t list[AEGIS_BATCH_MAX];
	int64_t taken;

	do {
		for (uint32_t i = 0; i < AEGIS_BATCH_MAX; i++)
			list[i] = FRAME_ANY;
		taken = aegis_frame_alloc(list, AEGIS_BATCH_MAX);
		for (int64_t i = 0; i < taken; i++)
			if (!keep(s, list[i])) {
				aegis_frame_free(&list[i], 1);
				return;
			}
	} while (taken > 0);
}

static void give(struct tenant_start *s, uint32_t count)
{
	while (count && s->ranges) {
		struct aegis_range *last = &s->held[s->ranges - 1];
		frame_t list[AEGIS_BATCH_MAX];
		uint32_t n = 0;

		for (; n < count && n < AEGIS_BATCH_MAX && last->count; n++)
			list[n] = last->first + --last->count;
		if (!last->count)
			s->ranges--;
		count -= n;
		for (uint32_t done = 0; done < n;) {
			int64_t freed = aegis_frame_free(list + done, n - done);

			done += freed > 0 ? (uint32_t)freed : 1; /* one that was taken by force is passed over */
		}
	}
}

_Noreturn void polite_main(struct tenant_start *start)
{
	for (;;) {
		uint64_t bits;

		take(start);
		switch_call(CALL_sleep, EVENT_REVOKE, ticks() + start->tick, 0);
		bits = __atomic_exchange_n(&tenant_upcall->pending, 0, __ATOMIC_ACQUIRE);
		if (bits & EVENT_REVOKE)
			give(start, tenant_upcall->demands[REVOKE_FRAMES].count);
	}
}
