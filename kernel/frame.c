/* The frame table and the free list. The list runs through the table: `next` forwards, `first` (a free frame has no bindings)
 * backwards, so that a frame asked for by number is unlinked without a search. */
#include <kernel/bind.h>
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>
#include <kernel/frame.h>
#include <kernel/info.h>
#include <kernel/revoke.h>

#define END UINT32_MAX

struct aegis_frame_info *frame_table;
uint64_t frame_count;
static uint32_t first_free = END; /* owner: the kernel lock; mirrored in machine_info */

static void set_first_free(frame_t f) { machine_info->frames_first_free = first_free = f; }

static void push_free(frame_t f)
{
	struct aegis_frame_info *info = &frame_table[f];

	info->state = FRAME_FREE;
	info->next = first_free;
	info->first = END;
	if (first_free != END)
		frame_table[first_free].first = f;
	set_first_free(f);
	machine_info->frames_free++;
}

static void unlink_free(frame_t f)
{
	const struct aegis_frame_info *info = &frame_table[f];

	if (info->first == END)
		set_first_free(info->next);
	else
		frame_table[info->first].next = info->next;
	if (info->next != END)
		frame_table[info->next].first = info->first;
	machine_info->frames_free--;
}

static bool in_module(frame_t f)
{
	uint64_t address = (uint64_t)f << FRAME_SHIFT;

	return address + FRAME_SIZE > boot_memory.module.start && address < boot_memory.module.end;
}

/* The table covers memory up to the last usable byte. Everything in it is the kernel's until the ranges say otherwise. Filled from the top down, so that
 * the list begins with the lowest frame. Memory that no environment has held yet counts as last held by the first one, which therefore gets it
 * uncleared: what firmware left there is no tenant's secret. */
void frame_start(void)
{
	const struct boot_memory *m = &boot_memory;
	uint64_t top = m->usable[m->ranges - 1].end, module = (m->module.end + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);

	top = (module > top ? module : top) >> FRAME_SHIFT; /* a loader may put the module at the very end, behind which firmware has the rest of the last frame */
	frame_count = top < 1ul << 27 ? top : 1ul << 27; /* 512 GiB: what the physical map covers */
	frame_table = boot_allocate(frame_count * sizeof(*frame_table));
	for (uint32_t f = 0; f < frame_count; f++)
		frame_table[f].state = FRAME_KERNEL;
}

/* After the last boot_allocate. */
void frame_free_rest(env_id first_owner)
{
	const struct boot_memory *m = &boot_memory;

	for (uint32_t r = m->ranges; r-- > 0;)
		for (uint64_t f = m->usable[r].end >> FRAME_SHIFT; f-- > m->usable[r].start >> FRAME_SHIFT;) {
			if (f >= frame_count || f << FRAME_SHIFT < boot_allocated_end() || in_module((frame_t)f))
				continue;
			frame_table[f].owner = first_owner;
			push_free((frame_t)f);
		}
}

frame_t frame_take(struct env *account, frame_t f)
{
	struct aegis_frame_info *info;

	if (f == FRAME_ANY)
		f = first_free;
	if (f >= frame_count || frame_table[f].state != FRAME_FREE)
		return FRAME_ANY;
	unlink_free(f);
	info = &frame_table[f];
	if (info->owner != account->id && !info->clean)
		frame_clear(f);
	info->owner = account->id;
	info->state = FRAME_OWNED;
	info->first = 0;
	info->next = 0;
	account->held.frames++;
	return f;
}

void frame_release(frame_t f, struct env *account)
{
	account->held.frames--;
	epoch_bump(&frame_table[f].epoch);
	push_free(f);
}

bool frame_owned(frame_t f, const struct env *account)
{
	return f < frame_count && frame_table[f].state == FRAME_OWNED && frame_table[f].owner == account->id;
}

int64_t frame_check_unused(frame_t f, const struct env *account)
{
	return !frame_owned(f, account) ? -E_DENIED : frame_in_use(f) ? -E_BUSY : 0;
}

void frame_clear(frame_t f)
{
	memset(frame_pointer(f), 0, FRAME_SIZE);
	frame_table[f].clean = 1;
}

void frame_expose(const void *table, size_t bytes)
{
	uint64_t first = ((uint64_t)table - PHYSICAL_MAP) >> FRAME_SHIFT;

	for (uint64_t i = 0; i < (bytes + FRAME_SIZE - 1) >> FRAME_SHIFT; i++)
		frame_table[first + i].state = FRAME_INFO;
}

int64_t call_frame_alloc(uint64_t frames, uint64_t n, uint64_t c, uint64_t d, uint64_t e)
{
	struct env *account = this_cpu()->current->account;
	frame_t list[AEGIS_BATCH_MAX];
	uint64_t taken = 0;
	int64_t error;

	(void)c, (void)d, (void)e;
	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(list, frames, n * sizeof(*list))) || (error = copy_to_user(frames, list, n * sizeof(*list))))
		return error; /* both ways, so that nothing can fail once frames are taken */
	for (; taken < n && account->held.frames < account->limits.frames; taken++) {
		frame_t f = frame_take(account, list[taken]);

		if (f == FRAME_ANY)
			break;
		list[taken] = f;
	}
	if (taken == 0)
		return account->held.frames < account->limits.frames ? -E_NOFRAME : -E_LIMIT;
	account_show(account);
	copy_to_user(frames, list, taken * sizeof(*list));
	return (int64_t)taken;
}

/* Gives back what it can from the front of the list. What is registered for a block leaves the block table first. */
static uint64_t free_list(const frame_t *list, uint64_t n, struct env *account, int64_t *error)
{
	struct block_work work = BLOCK_WORK;
	uint64_t done;

	*error = 0;
	for (done = 0; done < n; done++) {
		frame_t f = list[done];

		if (frame_owned(f, account) && block_registered(f))
			*error = block_leave(f, &work);
		if (!*error)
			*error = frame_check_unused(f, account);
		if (*error)
			break;
		frame_release(f, account);
	}
	block_work_done(&work);
	return done;
}

int64_t call_frame_free(uint64_t frames, uint64_t n, uint64_t c, uint64_t d, uint64_t e)
{
	struct env *account = this_cpu()->current->account;
	frame_t list[AEGIS_BATCH_MAX];
	uint64_t done;
	int64_t error;

	(void)c, (void)d, (void)e;
	if (n == 0 || n > AEGIS_BATCH_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(list, frames, n * sizeof(*list))))
		return error;
	done = free_list(list, n, account, &error);
	account_show(account);
	revoke_given(account, REVOKE_FRAMES, (uint32_t)done);
	return done ? (int64_t)done : error;
}
