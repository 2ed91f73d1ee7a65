/* Reverse links: added and removed in any order they name exactly the bindings that there are; breaking all leaves none. */
#include <kernel/links.h>
#include <kernel/table.h>

#include "machine.h"

#define LIST USER_BASE
#define BINDINGS 400u
#define PAIR 300u

/* The list of frame f's bindings holds exactly those that are marked. */
static bool exact(frame_t f, const bool *there)
{
	uint32_t n = 0, expected = 0, before = NO_BINDING;

	for (uint32_t i = 0; i < 512; i++)
		expected += there[i];
	for (uint32_t b = frame_table[f].first; b != NO_BINDING && n <= 512; before = b, b = binding_link(b)->next, n++)
		if (binding_table(b) != PAIR || !there[b % 512] || binding_link(b)->previous != before)
			return false;
	return n == expected && frame_table[f].bindings == expected;
}

static void test_add_remove(void)
{
	uint64_t *table = frame_pointer(PAIR);
	bool there[512] = { false };
	bool good = true;

	for (uint32_t round = 0; round < 4000 && good; round++) {
		uint32_t i = (uint32_t)random_below(BINDINGS);

		if (there[i])
			link_remove(310, binding_of(&table[i]));
		else
			link_add(310, binding_of(&table[i]));
		there[i] = !there[i];
		good = exact(310, there);
	}
	ok(good, "links added and removed in any order");
	for (uint32_t i = 0; i < BINDINGS; i++)
		if (there[i])
			link_remove(310, binding_of(&table[i]));
	ok(frame_table[310].first == NO_BINDING && frame_table[310].bindings == 0, "and all removed");
	ok(binding_entry(binding_of(&table[7])) == &table[7] && binding_table(binding_of(&table[511])) == PAIR, "a binding's name is its place");
}

static int64_t bind(uint64_t va, frame_t f, uint64_t flags)
{
	*(struct aegis_binding *)user(LIST) = (struct aegis_binding){ va, BIND_ENTRY(f, flags) };
	return call_bind(0, LIST, 1, 0, 0);
}

static void take(frame_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		((frame_t *)user(LIST))[i] = first + i;
	ok(call_frame_alloc(LIST, n, 0, 0, 0) == n, "%u frames are taken", n);
}

static void test_break_all(const struct env *e)
{
	bool there[512] = { false };
	uint32_t budget = 10;
	bool good = true;

	ok(bind(0, 302, BIND_READ | BIND_LEVEL(3)) == 1 && bind(0, 304, BIND_READ | BIND_LEVEL(2)) == 1 &&
			bind(0, PAIR, BIND_READ | BIND_LEVEL(1)) == 1, "the way to a page");
	for (uint32_t i = 0; i < 64; i++) {
		good &= bind(i * FRAME_SIZE, 310, BIND_READ | BIND_WRITE) == 1;
		there[i] = true;
	}
	ok(good && exact(310, there) && table_entries(PAIR) == 64, "a frame bound at 64 places");
	for (uint32_t i = 1; i < 64; i += 3) {
		good &= bind(i * FRAME_SIZE, 311, BIND_READ) == 1;
		there[i] = false;
	}
	ok(good && exact(310, there) && table_entries(PAIR) == 64, "another bound over some of them");
	ok(bind_break_all(310, &budget) == -E_AGAIN && budget == 0 && frame_table[310].bindings == 33, "breaking all, as far as the budget goes");
	budget = 1000;
	ok(bind_break_all(310, &budget) == 0 && budget == 967 && frame_table[310].bindings == 0 && frame_table[310].first == NO_BINDING, "breaking the rest");
	ok(table_entries(PAIR) == 21 && frame_table[311].bindings == 21, "what another frame has stays");
	budget = 600;
	ok(bind_break_all(PAIR, &budget) == 0 && frame_table[311].bindings == 0 && table_entries(304) == 0, "a leaf table goes with what is in it");
	ok(frame_table[PAIR].state == FRAME_OWNED && frame_table[PAIR + 1].state == FRAME_OWNED && frame_table[PAIR].clean, "and is two frames again, the first clean");
	ok(bind_break_all(302, &budget) == -E_BUSY && table_uses(302) == 1, "a table of tables that holds some is busy");
	ok(bind_break_all(304, &budget) == 0 && bind_break_all(302, &budget) == 0 && table_entries(e->root_frame) == 0, "from below it can be done");
}

static void test_bounds(void)
{
	ok(bind(AEGIS_USER_TOP, 310, BIND_READ) == -E_INVALID && bind(0xffff800000000000, 310, BIND_READ) == -E_INVALID, "no address past the last is bound");
	ok(call_bind(0, AEGIS_USER_TOP, 1, 0, 0) == -E_FAULT && call_bind(0, UINT64_MAX - 7, 1, 0, 0) == -E_FAULT &&
			call_bind(0, PHYSICAL_MAP, 1, 0, 0) == -E_FAULT, "no list is read where user memory is not");
	ok(bind(0x1000, MACHINE_FRAMES, BIND_READ) == -E_INVALID && bind(0x1001, 310, BIND_READ) == -E_INVALID, "nor a frame that is none, nor beside a page");
}

int main(void)
{
	const struct env *e = machine_boot();

	take(PAIR, 12);
	test_add_remove();
	test_break_all(e);
	test_bounds();
	return done_testing();
}
