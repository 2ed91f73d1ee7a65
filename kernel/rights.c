/* Other rights for pages that are bound, which keep their frames: what a list entry with BIND_SAME comes to (include/aegis/bind.h). Paper 5.4: protection is the
 * application's to change, many pages at once. */
#include <kernel/bind.h>
#include <kernel/table.h>

/* Other rights for the pages of a leaf table from *slot on, with the frames that they have. Whoever may bind a frame so may keep it so; rights that a page has
 * already need no check. All are checked before any is changed. First: how many from the beginning are the account's own, or not there. */
#define SAME_AT_ONCE 4 /* the loops' own instructions are paid once for so many pages */
static inline bool same_may(uint64_t entry, const uint64_t *frames, uint64_t owned)
{
	return frames[3 * ((entry & ENTRY_FRAME) >> FRAME_SHIFT)] == owned || !(entry & ENTRY_PRESENT); /* where nothing is bound: frame 0, the kernel's */
}

static RUN const uint64_t *same_owned(const uint64_t *slot, const uint64_t *end, uint64_t owned)
{
	const uint64_t *frames = (const uint64_t *)frame_table;

	while (end - slot >= SAME_AT_ONCE && same_may(slot[0], frames, owned) && same_may(slot[1], frames, owned) && same_may(slot[2], frames, owned) &&
		same_may(slot[3], frames, owned))
		slot += SAME_AT_ONCE;
	while (slot < end && same_may(*slot, frames, owned))
		slot++;
	return slot;
}

static inline void same_set(uint64_t *slot, uint64_t rights)
{
	if (*slot & ENTRY_PRESENT)
		*slot = (*slot & (ENTRY_FRAME | ENTRY_LENT)) + rights;
}

static RUN void same_write(uint64_t *slot, uint64_t *end, uint64_t rights)
{
	for (; end - slot >= SAME_AT_ONCE; slot += SAME_AT_ONCE) {
		same_set(slot, rights);
		same_set(slot + 1, rights);
		same_set(slot + 2, rights);
		same_set(slot + 3, rights);
	}
	for (; slot < end; slot++)
		same_set(slot, rights);
}

/* The others, or exactly those that gain a right. *dirtied: some were known to be zero, and may be written now. */
static int64_t same_check(const struct env *account, const uint64_t *slot, const uint64_t *end, uint64_t flags, const struct aegis_cap *cap, bool *dirtied)
{
	uint64_t gained = flags & BIND_WRITE, lost = flags & BIND_EXEC ? ENTRY_NO_EXECUTE : 0;
	int64_t error = 0;

	*dirtied = false;
	if (!gained && !lost)
		return 0;
	for (slot = same_owned(slot, end, account->owned); slot < end && !error; slot++) {
		if (!(*slot & ENTRY_PRESENT) || (!(gained & ~*slot) && !(lost & *slot)))
			continue;
		error = bind_check_page(account, entry_frame(*slot), flags, cap);
		*dirtied |= gained != 0;
	}
	return error;
}

int64_t rights_change(const struct env *account, uint64_t *slot, uint64_t *end, uint64_t flags, const struct aegis_cap *cap)
{
	bool dirtied;
	int64_t error = same_check(account, slot, end, flags, cap, &dirtied);

	if (error)
		return error;
	for (uint64_t *at = slot; dirtied && at < end; at++)
		if (*at & ENTRY_PRESENT)
			frame_table[entry_frame(*at)].clean = 0;
	same_write(slot, end, entry_make(0, flags));
	return 0;
}
