/* The frame_break call: a frame's owner takes it out of every address space (paper 3.2: breaking a binding). */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/smp.h>
#include <kernel/table.h>
#include <kernel/x86_64/user.h>

/* Breaks f of the account's. Bindings as pages in page tables of its own are broken here, others by bind_break_all. */
static inline int64_t break_frame(frame_t f, uint64_t owned, uint32_t *budget)
{
	struct aegis_frame_info *frames = frame_table, *info = &frames[f], *table;
	uint32_t left = *budget, binding;

	if (f >= frame_count || (info->identity & ~(FRAME_CLEAN_BIT | FRAME_PIN_BITS)) != owned)
		return -E_DENIED;
	epoch_bump(&info->epoch);
	for (binding = info->first; binding != NO_BINDING && left; left--) {
		table = &frames[binding_table(binding)];
		if (table->identity != owned + TABLE1_IDENTITY)
			break;
		binding = binding_break_first(info, table, binding);
	}
	*budget = left;
	return binding == NO_BINDING ? 0 : bind_break_all(f, budget);
}

static __attribute__((noinline)) int64_t break_list(uint64_t frames, uint64_t n)
{
	uint64_t done = 0, owned = current_env()->owned;
	uint32_t budget = BREAK_BUDGET;
	frame_t list[AEGIS_BATCH_MAX];
	int64_t error;

	if (n - 1 >= AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(list, frames, n * sizeof(*list))))
		return error;
	while (done < n && !(error = break_frame(list[done], owned, &budget)))
		done++;
	if (budget != BREAK_BUDGET)
		forget_everywhere();
	return done ? (int64_t)done : error;
}

/* Mostly it is one. */
RUN int64_t call_frame_break(uint64_t frames, uint64_t n, uint64_t c, uint64_t d, uint64_t e)
{
	uint32_t budget = BREAK_BUDGET;
	int64_t error;
	frame_t f;

	(void)c, (void)d, (void)e;
	if (n != 1 || frames >= AEGIS_USER_TOP - sizeof(f) || cpu_features.smap || !user_load32(frames, &f))
		return break_list(frames, n);
	error = break_frame(f, current_env()->owned, &budget);
	if (budget != BREAK_BUDGET)
		forget_everywhere();
	return error ? error : 1;
}
