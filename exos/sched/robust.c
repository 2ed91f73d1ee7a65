/* See robust.h. */
#include <exos/proc/proc.h>
#include <exos/sched/futex.h>
#include <exos/sched/robust.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

#define ENTRIES_MOST 2048 /* the list may be a ring that does not come back to its head; Linux's figure */
#define WORD_OWNER 0x3fffffffu
#define WORD_DIED 0x40000000u
#define WORD_WAITERS 0x80000000u
#define ENTRY_FLAG 1ul /* priority inheritance, which is not here */

struct head {
	uint64_t next, offset, pending;
};
_Static_assert(sizeof(struct head) == ROBUST_HEAD_SIZE, "Linux's layout");

static void holder_ends(uint64_t address, int tid, bool pending)
{
	uint32_t *word = futex_word(address), value;

	if (!word)
		return;
	value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	if (pending && !value) /* released, and he whose turn it was not yet woken */
		futex_wake(address, false, 1, UINT32_MAX);
	do {
		if ((value & WORD_OWNER) != (uint32_t)tid)
			return;
	} while (!__atomic_compare_exchange_n(word, &value, (value & WORD_WAITERS) | WORD_DIED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (value & WORD_WAITERS)
		futex_wake(address, false, 1, UINT32_MAX);
}

void robust_list_end(uint64_t at, int tid)
{
	struct head head;
	uint64_t entry, next;

	if (!at || copy_in(&head, (const void *)at, sizeof(head)))
		return;
	head.pending &= ~ENTRY_FLAG;
	entry = head.next & ~ENTRY_FLAG;
	for (int n = 0; entry != at && n < ENTRIES_MOST; n++) {
		bool last = copy_in(&next, (const void *)entry, sizeof(next));

		if (entry != head.pending)
			holder_ends(entry + head.offset, tid, false);
		if (last)
			return;
		entry = next & ~ENTRY_FLAG;
	}
	if (head.pending)
		holder_ends(head.pending + head.offset, tid, true);
}
