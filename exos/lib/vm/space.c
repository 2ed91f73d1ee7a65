/* Spaces as wholes: made, found by a fault, given another structure, ended. See space.h; what is done with pages is in pages.c. */
#include <sys/mman.h>

#include <exos/lib/vm/bind.h>
#include <exos/lib/vm/space.h>
#include <exos/lib/x86_64/calls.h>

#define STACK_SIZE 65536 /* the handlers nest on it: a fault handler that touches a page of another space */

static char stack[STACK_SIZE] __attribute__((aligned(64)));
static struct space nowhere; /* what no address is in */
static struct space *spaces = &nowhere, *recent = &nowhere;
static env_id owner; /* whose all this is: a fork's child is another */
uint32_t space_changing;

bool space_busy(void) { return space_changing; }

void space_revoke(uint64_t frames, uint64_t deadline)
{
	(void)deadline;
	if (!space_busy())
		pool_give(frames);
}

int space_start(const struct exos_handlers *more)
{
	struct exos_handlers h = more ? *more : (struct exos_handlers){ 0 };
	env_id me = (env_id)exos_environment(0);

	if (owner != me) {
		spaces = recent = &nowhere;
		pool_forget();
	}
	h.fault = space_fault;
	h.revoke = h.revoke ? h.revoke : space_revoke;
	if (!h.stack) {
		h.stack = stack;
		h.stack_size = STACK_SIZE;
		for (size_t at = 0; at < STACK_SIZE; at += FRAME_SIZE) /* there when memory is short, which is when handlers are needed */
			*(volatile char *)&stack[at] = 0;
	}
	owner = me;
	return (int)exos_handlers(&h);
}

/* The region in which the hardware's entries will show, eight bytes a page. */
static uint64_t hardware_bytes(uint64_t length) { return (length / FRAME_SIZE * sizeof(uint64_t) + LEAF_SPAN - 1) & ~(LEAF_SPAN - 1); }

static int make_regions(struct space *s, uint64_t start, uint64_t length)
{
	int64_t at = exos_region(start, length), hardware;

	if (at < 0)
		return (int)at;
	hardware = exos_region(0, hardware_bytes(length));
	if (hardware < 0) {
		munmap((void *)at, length);
		return (int)hardware;
	}
	s->start = (uint64_t)at;
	s->length = length;
	s->pages = length / FRAME_SIZE;
	s->hardware = (const uint64_t *)hardware;
	return 0;
}

int space_create(struct space *s, const struct page_table_ops *structure, uint64_t start, uint64_t length, space_fault_handler *fault)
{
	int error = owner == (env_id)exos_environment(0) ? 0 : space_start(NULL);

	if (error)
		return error;
	*s = (struct space){ .fault = fault ? fault : space_touch, .next = spaces };
	error = make_regions(s, start, length);
	if (error)
		return error;
	s->table = page_table_create(structure, NULL, s->pages);
	if (!s->table) {
		munmap((void *)s->start, s->length);
		munmap((void *)s->hardware, hardware_bytes(s->length));
		return -ENOMEM;
	}
	spaces = s;
	return 0;
}

static void put_frame(void *context, uint64_t page, uint64_t *entry)
{
	(void)context, (void)page;
	pool_put((frame_t)(*entry >> FRAME_SHIFT));
}

void space_destroy(struct space *s)
{
	struct space **link = &spaces;

	space_change_begin();
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	recent = spaces;
	munmap((void *)s->start, s->length); /* before the frames go: they are bound nowhere then */
	munmap((void *)s->hardware, hardware_bytes(s->length));
	page_walk(s->table, put_frame, NULL);
	page_table_destroy(s->table);
	space_change_end();
}

int space_switch(struct space *s, const struct page_table_ops *structure)
{
	struct page_table *old = s->table, *new;

	space_change_begin();
	new = page_table_create(structure, old->source, old->pages);
	if (new && page_table_copy(new, old)) {
		s->table = new;
		new = old;
	}
	if (new)
		page_table_destroy(new);
	space_change_end();
	return s->table == old ? -ENOMEM : 0;
}

/* A page of some space's `hardware`: the leaf table that shows there is bound, and made if it was missing. */
static __attribute__((noinline)) bool show_leaf(uint64_t address)
{
	for (struct space *s = spaces; s != &nowhere; s = s->next) {
		uint64_t at = address - (uintptr_t)s->hardware;
		int64_t leaf;

		if (at >= s->pages * sizeof(uint64_t))
			continue;
		leaf = exos_leaf(s->start + at / FRAME_SIZE * LEAF_SPAN);
		return leaf > 0 && !bind_page(address & ~(FRAME_SIZE - 1), BIND_ENTRY(leaf, BIND_READ));
	}
	return false;
}

/* recent becomes the space of this address, if there is one. */
static __attribute__((noinline)) bool find_space(uint64_t address)
{
	for (struct space *s = spaces; s != &nowhere; s = s->next) {
		if (address - s->start < s->length) {
			recent = s;
			return true;
		}
	}
	return false;
}

/* The error's bits are those of the rights, but for a fetch's place. */
_Static_assert(FAULT_WRITE == BIND_WRITE && FAULT_FETCH == BIND_EXEC << 2, "right_wanted");
static inline uint64_t right_wanted(uint64_t error) { return BIND_READ | (error & BIND_WRITE) | (error >> 2 & BIND_EXEC); }

/* Nothing was bound: the kernel has dropped what the table has, or the application decides. */
static bool fault_unbound(struct space *s, uint64_t address, uint64_t error)
{
	uint64_t page = space_page(s, address), *at = page_find(s->table, page), entry = at ? *at : 0;

	if (right_wanted(error) & ~entry)
		return s->fault(s, address, error);
	*at = entry |= s->hardware[page] & ENTRY_NOTED;
	return !bind_page(address & ~(FRAME_SIZE - 1), entry & ~ENTRY_NOTED);
}

/* Every instruction here is paid in each fault: it ends in jumps, and what the hardware has answered is not looked up again. Nothing of the program's
 * interrupts a fault handler (exos/program.h), so no change is announced. */
bool space_fault(uint64_t address, uint64_t error)
{
	struct space *s = recent;

	if (address - s->start >= s->length) {
		if (!find_space(address))
			return show_leaf(address);
		s = recent;
	}
	return error & FAULT_BOUND ? s->fault(s, address, error) : fault_unbound(s, address, error);
}

bool space_touch(struct space *s, uint64_t address, uint64_t error)
{
	frame_t frame;

	if (error & FAULT_BOUND || space_entry(s, address))
		return false;
	frame = pool_get_zeroed();
	if (frame == NO_FRAME)
		return false;
	if (!space_map(s, address & ~(FRAME_SIZE - 1), frame, BIND_READ | BIND_WRITE))
		return true;
	pool_put(frame);
	return false;
}
