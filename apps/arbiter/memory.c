/* The arbiter's own frames and address space, and the exposed tables in it. */
#include <apps/arbiter/arbiter.h>

#define TABLES_VA 0x200000000000ul
#define ROOT_VA 0x300000000000ul /* its own root and one of its own tables, to read */
#define ENTRY_FRAME(entry) ((frame_t)((entry) >> FRAME_SHIFT & 0xffffffff))

static frame_t looked_from = 1;

frame_t own_frame(void)
{
	frame_t f = FRAME_ANY;

	if (aegis_frame_alloc(&f, 1) != 1)
		give_up("no frame is left for the arbiter itself; give the machine more memory (--mem)");
	return f;
}

void give_frame(frame_t f) { aegis_frame_free(&f, 1); }

/* Before the frame table can be read: frames that come one after the other mostly are neighbours. */
static frame_t early_pair(void)
{
	frame_t f = own_frame(), next = own_frame();

	while (next != f + 1) {
		give_frame(f);
		f = next;
		next = own_frame();
	}
	return f;
}

static bool run_is_free(frame_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (frame_table[first + i].state != FRAME_FREE)
			return false;
	return true;
}

static bool take_run(frame_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		frame_t f = first + i;

		if (aegis_frame_alloc(&f, 1) != 1) {
			while (i--)
				give_frame(first + i);
			return false;
		}
	}
	return true;
}

frame_t own_run(uint32_t n, bool take)
{
	for (uint32_t round = 0; round < 2; round++, looked_from = 1)
		for (frame_t f = looked_from; f + n <= info->frames; f++) {
			if (frame_table[f].state != FRAME_FREE || !run_is_free(f, n) || (take && !take_run(f, n)))
				continue;
			looked_from = f + (take ? n : 0);
			return f;
		}
	return FRAME_ANY;
}

frame_t own_pair(void)
{
	frame_t f = frame_table ? own_run(2, true) : early_pair();

	if (f == FRAME_ANY)
		give_up("no two neighbouring frames are left for the arbiter itself");
	return f;
}

static int64_t bind_one(uint64_t va, uint64_t entry)
{
	struct aegis_binding page = { va, entry };

	return aegis_bind(0, &page, 1, NULL);
}

void bind(uint64_t va, uint64_t entry)
{
	int64_t result;

	while ((result = bind_one(va, entry)) == -E_NOTABLE) {
		frame_t f = own_pair();
		uint32_t level = 3;

		while (level && bind_one(va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level))) != 1)
			level--;
		if (!level)
			break;
	}
	if (result != 1)
		give_up("a page of the arbiter's own cannot be bound");
}

frame_t table_of(uint64_t va, uint32_t level)
{
	frame_t f = boot->root;

	for (uint32_t l = 3; l >= level; l--) {
		bind(ROOT_VA, BIND_ENTRY(f, BIND_READ));
		f = ENTRY_FRAME(((const volatile uint64_t *)ROOT_VA)[va >> (FRAME_SHIFT + 9 * l) & 511]);
	}
	return f;
}

static const volatile void *bind_exposed(uint64_t *va, const struct aegis_range *table)
{
	const volatile void *at = (const volatile void *)*va;

	for (uint32_t i = 0; i < table->count; i++, *va += FRAME_SIZE)
		bind(*va, BIND_ENTRY(table->first + i, BIND_READ));
	return at;
}

void memory_start(void)
{
	uint64_t va = TABLES_VA;
	const volatile void *frames = bind_exposed(&va, &info->frame_table);

	env_table = bind_exposed(&va, &info->env_table);
	frame_table = frames;
}
