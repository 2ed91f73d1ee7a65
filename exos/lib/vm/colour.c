/* Frames by page colour: chosen in the frame table, had by name. */
#include <errno.h>

#include <aegis/bind.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/vm/colour.h>
#include <exos/lib/x86_64/calls.h>

#define LEAF_SPAN (FRAME_SIZE << 9)

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The next free frame below f that has its colour, or 0, which is never free. From above, as kernel and ExOS started with the lowest. */
static frame_t below(const volatile struct aegis_frame_info *table, frame_t f, uint32_t colours)
{
	do
		f = f > colours ? f - colours : 0;
	while (f && table[f].state != FRAME_FREE);
	return f;
}

static void put_back(const frame_t *list, uint64_t n)
{
	for (uint64_t done = 0; done < n; done += AEGIS_BATCH_MAX)
		exos_frames_put(list + done, least(n - done, AEGIS_BATCH_MAX));
}

/* Somebody else of the machine may be quicker: then it is the next one. */
static int take(const volatile struct aegis_frame_info *table, uint32_t colours, frame_t *list, uint64_t n)
{
	for (uint64_t done = 0; done < n;) {
		int64_t got = exos_frames_get(list + done, least(n - done, AEGIS_BATCH_MAX));

		if (got > 0) {
			done += (uint64_t)got;
		} else {
			list[done] = below(table, list[done], colours);
			if (!list[done]) {
				put_back(list, done);
				return -ENOMEM;
			}
		}
	}
	return 0;
}

int colour_frames(const struct colours *c, frame_t *list, uint64_t n)
{
	const volatile struct aegis_frame_info *table = (const void *)exos_info(EXOS_INFO_FRAMES);
	uint32_t end = ((const volatile struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->frames;

	if (!c->count || c->count > c->all || c->first > c->all - c->count || c->all & (c->all - 1))
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++) {
		/* of the first round: the first number of this colour that is no frame's any more */
		frame_t above = i < c->count ? end + ((c->first + (uint32_t)i - end) & (c->all - 1)) : list[i - c->count];

		list[i] = below(table, above, c->all);
		if (!list[i])
			return -ENOMEM;
	}
	return take(table, c->all, list, n);
}

int colour_bind(uint64_t va, const frame_t *list, uint64_t n)
{
	struct aegis_binding bindings[AEGIS_BATCH_MAX];

	for (uint64_t leaf = va & ~(LEAF_SPAN - 1); leaf < va + n * FRAME_SIZE; leaf += LEAF_SPAN) {
		int64_t made = exos_leaf(leaf);

		if (made < 0)
			return (int)made;
	}
	for (uint64_t done = 0; done < n;) {
		uint64_t some = least(n - done, AEGIS_BATCH_MAX);

		for (uint64_t i = 0; i < some; i++)
			bindings[i] = (struct aegis_binding){ va + (done + i) * FRAME_SIZE, BIND_ENTRY(list[done + i], BIND_READ | BIND_WRITE) };
		if (aegis_bind(0, bindings, some, NULL) != (int64_t)some)
			return -EINVAL;
		done += some;
	}
	return 0;
}
