/* Spaces (exos/lib/vm/space.h): they work, they refuse, they do not leak, whatever the structure. On Linux there are none, and nothing to test.
 * Random operations have a seed, which is printed and may be given as SEED. */
#include "lib.h"

#include <aegis/x86_64/stubs.h>
#include <exos/lib/vm/space.h>
#include <exos/lib/x86_64/calls.h>

#define PAGE 4096ul
#define LEAF (2ul << 20)
#define RO BIND_READ
#define RW (BIND_READ | BIND_WRITE)

static struct space s;
static volatile uint8_t *bytes; /* of s */

static void make(const struct page_table_ops *structure, uint64_t length, space_fault_handler *fault)
{
	IS(space_create(&s, structure, 0, length, fault), 0);
	bytes = (volatile uint8_t *)s.start;
}

static const struct page_table_ops *const no_page_tables[] = { NULL };
#define EACH_STRUCTURE(structure) \
	for (const struct page_table_ops *const *structure = exos_here() ? page_tables : no_page_tables; *structure; structure++)

static void first_touch_gives_zeroed_pages(void)
{
	EACH_STRUCTURE(structure) {
		make(*structure, 4 * LEAF, NULL);
		for (uint64_t i = 0; i < 4 * LEAF / PAGE; i += 7) {
			for (uint64_t j = 0; j < PAGE; j += 128)
				IS(bytes[i * PAGE + j], 0);
			memset((void *)(bytes + i * PAGE), 0xa5, PAGE); /* given back so, and to be zero again in the next space */
		}
		IS(s.table->present, (4 * LEAF / PAGE + 6) / 7);
		space_destroy(&s);
	}
}

/* A child does this: what signal does it get? */
static int signal_of(void (*what)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		what();
		_exit(0);
	}
	IS(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool refuse(struct space *of, uint64_t address, uint64_t error)
{
	(void)of, (void)address, (void)error;
	return false;
}

static void touch_outside(void)
{
	make(&page_table_radix2, LEAF, NULL);
	bytes[0] = 1;
	bytes[LEAF] = 1;
}

static void touch_what_the_handler_refuses(void)
{
	make(&page_table_radix2, LEAF, refuse);
	bytes[0] = 1;
}

static void write_what_is_protected(void)
{
	make(&page_table_radix2, LEAF, NULL);
	bytes[0] = 1;
	IS(space_protect(&s, s.start, 1, RO), 0);
	bytes[0] = 2;
}

static void read_what_has_no_rights(void)
{
	make(&page_table_radix2, LEAF, NULL);
	bytes[0] = 1;
	IS(space_protect(&s, s.start, 1, 0), 0);
	bytes[1] = bytes[0];
}

static void run_what_is_data(void)
{
	make(&page_table_radix2, LEAF, NULL);
	bytes[0] = 0xc3; /* ret */
	((void (*)(void))s.start)();
}

static void wild_accesses_are_signals(void)
{
	if (!exos_here())
		return;
	IS(signal_of(touch_outside), SIGSEGV);
	IS(signal_of(touch_what_the_handler_refuses), SIGSEGV);
	IS(signal_of(write_what_is_protected), SIGSEGV);
	IS(signal_of(read_what_has_no_rights), SIGSEGV);
	IS(signal_of(run_what_is_data), SIGSEGV);
}

/* The first frame in a state, from the table that everybody may read. */
static frame_t frame_in_state(uint32_t state)
{
	const struct aegis_frame_info *table = (const void *)exos_info(EXOS_INFO_FRAMES);
	frame_t f = 1; /* 0 is nobody's */

	while (table[f].state != state)
		f++;
	return f;
}

static void what_cannot_be_is_refused(void)
{
	struct space other;
	frame_t mine, list[2];
	const struct aegis_info *machine;

	if (!exos_here())
		return;
	IS(space_create(&s, &page_table_radix2, 0, PAGE, NULL), -EINVAL);
	IS(space_create(&s, &page_table_radix2, 0, 0, NULL), -EINVAL);
	IS(space_create(&s, &page_table_radix2, PAGE, LEAF, NULL), -EINVAL);
	make(&page_table_radix2, LEAF, NULL);
	IS(space_create(&other, &page_table_radix2, s.start, LEAF, NULL), -EEXIST);
	mine = pool_get();
	IS(space_map(&s, s.start - PAGE, mine, RW), -EINVAL);
	IS(space_map(&s, s.start + LEAF, mine, RW), -EINVAL);
	IS(space_map(&s, s.start + 8, mine, RW), -EINVAL);
	IS(space_map(&s, s.start, mine, BIND_WRITE), -EINVAL);
	IS(space_map(&s, s.start, mine, RW | 8), -EINVAL);
	IS(space_map(&s, s.start, NO_FRAME, RW), -EINVAL);
	machine = (const void *)exos_info(EXOS_INFO_MACHINE);
	IS(space_map(&s, s.start, machine->frames, RW), -EINVAL);
	IS(space_map(&s, s.start, frame_in_state(FRAME_KERNEL), RO), -EPERM);
	IS(space_map(&s, s.start, frame_in_state(FRAME_OBJECT), RO), -EPERM);
	IS(space_map(&s, s.start, (frame_t)exos_leaf(s.start), RW), -EPERM);
	IS(s.table->present, 0);
	list[0] = mine;
	list[1] = frame_in_state(FRAME_KERNEL);
	IS(space_map_run(&s, s.start, list, 2, RW), 1);
	IS(space_entry(&s, s.start), BIND_ENTRY(mine, RW));
	IS(space_entry(&s, s.start + PAGE), 0);
	IS(space_protect(&s, s.start, 513, RO), -EINVAL);
	IS(space_protect(&s, s.start + LEAF - PAGE, 2, RO), -EINVAL);
	IS(space_protect(&s, s.start, ~0ul, RO), -EINVAL);
	IS(space_protect(&s, s.start, 0, RO), -EINVAL);
	IS(space_unmap(&s, s.start - PAGE, 1, NULL), -EINVAL);
	IS(space_forget(&s, s.start, 1, BIND_WRITE), -EINVAL);
	IS(exos_frames_put(&list[1], 1), -EINVAL);
	IS(exos_frames_put(&mine, 1), -EBUSY); /* it is mapped */
	space_destroy(&s);
}

static void a_frame_at_two_pages_is_one(void)
{
	EACH_STRUCTURE(structure) {
		frame_t f = pool_get_zeroed();

		make(*structure, 2 * LEAF, NULL);
		IS(space_map(&s, s.start + 5 * PAGE, f, RW), 0);
		IS(space_map(&s, s.start + LEAF, f, RO), 0);
		bytes[5 * PAGE + 9] = 77;
		IS(bytes[LEAF + 9], 77);
		CHECK(space_dirty(&s, s.start + 5 * PAGE));
		CHECK(!space_dirty(&s, s.start + LEAF));
		IS(space_unmap(&s, s.start + LEAF, 1, &f), 1);
		space_destroy(&s);
	}
}

static void the_hardwares_bits_are_seen_and_kept(void)
{
	EACH_STRUCTURE(structure) {
		make(*structure, 2 * LEAF, NULL);
		for (uint64_t va = s.start; va < s.start + 2 * LEAF; va += PAGE)
			*(volatile uint8_t *)va = 1;
		IS(space_forget(&s, s.start, 2 * LEAF / PAGE, ENTRY_NOTED), 0);
		for (uint64_t va = s.start; va < s.start + 2 * LEAF; va += PAGE)
			IS(space_noted(&s, va), 0);
		bytes[3 * PAGE] = 2;
		IS(bytes[4 * PAGE], 1);
		IS(space_noted(&s, s.start + 3 * PAGE), ENTRY_NOTED);
		IS(space_noted(&s, s.start + 4 * PAGE), ENTRY_ACCESSED);
		IS(space_noted(&s, s.start + 5 * PAGE), 0);
		IS(space_protect(&s, s.start, 100, RO), 0); /* clears them in the hardware */
		IS(space_protect(&s, s.start + 3 * PAGE, 1, RW), 0);
		IS(space_noted(&s, s.start + 3 * PAGE), ENTRY_NOTED);
		IS(space_noted(&s, s.start + 4 * PAGE), ENTRY_ACCESSED);
		IS(space_forget(&s, s.start, 100, ENTRY_ACCESSED), 0);
		IS(space_noted(&s, s.start + 3 * PAGE), ENTRY_DIRTY);
		bytes[3 * PAGE] = 3;
		IS(space_forget(&s, s.start, 100, ENTRY_DIRTY), 0);
		IS(space_noted(&s, s.start + 3 * PAGE), ENTRY_ACCESSED);
		space_destroy(&s);
	}
}

/* The program breaks bindings behind the library's back, as the kernel may. */
static void what_the_hardware_has_lost_is_made_good(void)
{
	EACH_STRUCTURE(structure) {
		make(*structure, LEAF, NULL);
		for (uint64_t i = 0; i < 300; i++)
			bytes[i * PAGE] = (uint8_t)i;
		for (uint64_t i = 0; i < 300; i++) {
			struct aegis_binding b = { s.start + i * PAGE, 0 };

			IS(aegis_bind(0, &b, 1, NULL), 1);
		}
		IS(space_protect(&s, s.start, 150, RO), 0);
		for (uint64_t i = 0; i < 300; i++)
			IS(bytes[i * PAGE], (uint8_t)i);
		IS(space_entry(&s, s.start) & ENTRY_RIGHTS, RO);
		space_destroy(&s);
	}
}

static void rights_of_none_and_back(void)
{
	EACH_STRUCTURE(structure) {
		make(*structure, 2 * LEAF, NULL);
		for (uint64_t i = 400; i < 700; i++)
			bytes[i * PAGE] = (uint8_t)i;
		IS(space_protect(&s, s.start, 1024, 0), 0);
		IS(s.hardware[500] & BIND_READ, 0);
		IS(space_protect(&s, s.start, 1024, RW), 0);
		for (uint64_t i = 400; i < 700; i++)
			IS(bytes[i * PAGE], (uint8_t)i);
		space_destroy(&s);
	}
}

/* A handler of one space that touches another, of which it touches the first page only. */
static struct space below;
static bool touch_below(struct space *of, uint64_t address, uint64_t error)
{
	volatile uint64_t *p = (volatile uint64_t *)(below.start + (address - of->start) / PAGE * PAGE);

	*p = address;
	return space_touch(of, address, error);
}

static void handlers_nest(void)
{
	if (!exos_here())
		return;
	IS(space_create(&below, &page_table_btree, 0, LEAF, NULL), 0);
	make(&page_table_inverted, LEAF, touch_below);
	for (uint64_t i = 0; i < LEAF / PAGE; i++)
		bytes[i * PAGE + 5] = 1;
	for (uint64_t i = 0; i < LEAF / PAGE; i++)
		IS(((uint64_t *)below.start)[i * PAGE / 8], s.start + i * PAGE + 5);
	space_destroy(&below);
	space_destroy(&s);
}

/* A handler that gives its space another structure, at every fault. */
static bool switch_and_touch(struct space *of, uint64_t address, uint64_t error)
{
	return !space_switch(of, page_tables[address / PAGE % 5]) && space_touch(of, address, error);
}

static void handlers_may_switch(void)
{
	if (!exos_here())
		return;
	make(&page_table_inverted, LEAF, switch_and_touch);
	for (uint64_t i = 0; i < 100; i++)
		bytes[i * PAGE] = (uint8_t)i;
	for (uint64_t i = 0; i < 100; i++)
		IS(bytes[i * PAGE], (uint8_t)i);
	space_destroy(&s);
}

/* A structure that the library does not know: another's, and it counts its lookups. */
static struct page_table_ops own_structure;
static uint64_t lookups;
static uint64_t *counting_find(struct page_table *t, uint64_t page)
{
	lookups++;
	return page_table_linear.find(t, page);
}

static void a_programs_own_structure_stands_behind_it(void)
{
	if (!exos_here())
		return;
	own_structure = page_table_linear;
	own_structure.name = "own";
	own_structure.find = counting_find;
	make(&own_structure, 4ul << 20, NULL);
	for (uint64_t i = 0; i < 1024; i++)
		bytes[i * 37 % 1024 * PAGE] = (uint8_t)i;
	CHECK(lookups >= 1024);
	IS(space_protect(&s, s.start, 1024, RO), 0);
	IS(space_switch(&s, &page_table_radix2), 0);
	IS(space_switch(&s, &own_structure), 0);
	for (uint64_t i = 0; i < 1024; i++)
		IS(bytes[i * 37 % 1024 * PAGE], (uint8_t)i);
	lookups = 0;
	CHECK(space_dirty(&s, s.start));
	IS(lookups, 1);
	space_destroy(&s);
}

static void system_calls_reach_into_it(void)
{
	int fd[2];

	if (!exos_here())
		return;
	make(&page_table_radix4, LEAF, NULL);
	IS(pipe(fd), 0);
	IS(write(fd[1], "through a page that is not there yet", 36), 36);
	IS(read(fd[0], (void *)(s.start + 2 * PAGE - 10), 36), 36);
	CHECK(!memcmp((void *)(s.start + 2 * PAGE - 10), "through a page that is not there yet", 36));
	space_destroy(&s);
}

static void touch_parents(void) { bytes[0] = 1; }
static void make_own(void)
{
	struct space own;

	IS(space_create(&own, &page_table_btree, s.start, LEAF, NULL), 0); /* where the parent's is */
	IS(*(volatile uint8_t *)own.start, 0);
	*(volatile uint8_t *)own.start = 5;
	space_destroy(&own);
}

static void a_forks_child_has_none_and_may_make_its_own(void)
{
	if (!exos_here())
		return;
	make(&page_table_radix2, LEAF, NULL);
	bytes[0] = 9;
	CHECK(pool_prepare(20)); /* which are not the child's */
	IS(signal_of(touch_parents), SIGSEGV);
	IS(signal_of(make_own), 0);
	IS(bytes[0], 9);
	for (uint64_t i = 1; i < 100; i++)
		IS(bytes[i * PAGE], 0);
	space_destroy(&s);
}

/* At each end of a slice the pool is emptied, if that can be, while the program takes from it and puts into it. */
static volatile uint64_t ends, emptied;
static void empty_the_pool(void)
{
	ends++;
	if (space_busy())
		return;
	emptied++;
	pool_give(~0ul);
}

static void the_pool_may_be_emptied_between_changes(void)
{
	pid_t spinner;

	if (!exos_here())
		return;
	IS(space_start(&(struct exos_handlers){ .slice_end = empty_the_pool }), 0);
	make(&page_table_inverted, LEAF, NULL);
	spinner = fork();
	if (!spinner)
		for (;;)
			ends++;
	for (int64_t end = now_ms() + 10000; emptied < 30 && now_ms() < end;) {
		for (uint64_t i = 0; i < 300; i++) {
			IS(bytes[i * PAGE + 7], 0);
			bytes[i * PAGE + 7] = 1;
		}
		IS(space_unmap(&s, s.start, 300, NULL), 300);
	}
	kill(spinner, SIGKILL);
	ENDS(spinner, SIGKILL);
	CHECK(emptied >= 30);
	CHECK(ends > emptied); /* and in the middle of a change not */
	space_destroy(&s);
}

static long mem_free(void)
{
	static char text[4096];
	int fd = open("/proc/meminfo", O_RDONLY);
	long kib = -1;

	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	sscanf(strstr(text, "MemFree:"), "MemFree: %ld", &kib);
	return kib;
}

/* A handler that does not come back: it says so, and waits. */
static int tell[2];
static bool wait_forever(struct space *of, uint64_t address, uint64_t error)
{
	if (address - of->start < LEAF)
		return space_touch(of, address, error);
	pool_get();
	write(tell[1], "x", 1);
	for (;;)
		pause();
}

static void die_in_a_handler(void)
{
	char c;
	pid_t pid = fork();

	if (!pid) {
		make(&page_table_radix4, 2 * LEAF, wait_forever);
		for (uint64_t i = 0; i < LEAF / PAGE; i++)
			bytes[i * PAGE] = 1;
		bytes[LEAF] = 1;
		_exit(1);
	}
	IS(read(tell[0], &c, 1), 1);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void death_in_a_handler_costs_nothing(void)
{
	long before;

	if (!exos_here())
		return;
	IS(pipe(tell), 0);
	die_in_a_handler();
	mem_free(); /* has its pages from here on */
	before = mem_free();
	for (int i = 0; i < 5; i++)
		die_in_a_handler();
	IS(mem_free(), before);
}

static void a_space_that_ends_leaves_nothing(void)
{
	long before = 0;

	for (int round = 0; round < 3; round++) {
		EACH_STRUCTURE(structure) {
			make(*structure, 8 * LEAF, NULL);
			for (uint64_t i = 0; i < 8 * LEAF / PAGE; i += 3)
				bytes[i * PAGE] = 1;
			space_destroy(&s);
			pool_give(~0ul);
		}
		if (round == 1)
			before = mem_free();
	}
	IS(pool_idle(), 0);
	IS(mem_free(), before);
}

/* Random operations against a model, with contents. */
#define PLACES 1500ul
static struct {
	uint8_t value; /* in the first byte of the page */
	uint8_t rights;
	bool mapped, dirty;
} model[PLACES];
static uint64_t seed;
static volatile bool allowing; /* the fault that is expected on a protected page */

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static bool model_fault(struct space *of, uint64_t address, uint64_t error)
{
	uint64_t i = (address - of->start) / PAGE;

	IS(space_entry(of, address) != 0, model[i].mapped);
	if (!model[i].mapped) {
		model[i].mapped = true;
		model[i].value = 0;
		model[i].dirty = false;
		model[i].rights = RW;
		return space_touch(of, address, error);
	}
	CHECK(allowing && !(model[i].rights & (error & FAULT_WRITE ? BIND_WRITE : BIND_READ)));
	model[i].rights = RW;
	return !space_protect(of, of->start + i * PAGE, 1, RW);
}

static void write_page(uint64_t i)
{
	uint8_t value = (uint8_t)random_below(256);

	allowing = true;
	bytes[i * PAGE] = value;
	allowing = false;
	model[i].value = value;
	model[i].dirty = true;
}

static void read_page(uint64_t i)
{
	uint8_t value;

	allowing = true;
	value = bytes[i * PAGE];
	allowing = false;
	IS(value, model[i].value);
}

static void protect_pages(uint64_t i, uint64_t n)
{
	static const uint64_t rights[] = { 0, RO, RW };
	uint64_t chosen = rights[random_below(3)];

	IS(space_protect(&s, s.start + i * PAGE, n, chosen), 0);
	for (uint64_t j = i; j < i + n; j++)
		model[j].rights = (uint8_t)chosen;
}

static void unmap_pages(uint64_t i, uint64_t n)
{
	uint64_t mapped = 0;

	for (uint64_t j = i; j < i + n; j++) {
		mapped += model[j].mapped;
		model[j].mapped = false;
	}
	IS(space_unmap(&s, s.start + i * PAGE, n, NULL), mapped);
}

static void forget_pages(uint64_t i, uint64_t n)
{
	IS(space_forget(&s, s.start + i * PAGE, n, random_below(2) ? ENTRY_DIRTY : ENTRY_NOTED), 0);
	for (uint64_t j = i; j < i + n; j++)
		model[j].dirty = false;
}

static void replace_page(uint64_t i)
{
	uint64_t old = space_entry(&s, s.start + i * PAGE);

	IS(old != 0, model[i].mapped);
	IS(space_map(&s, s.start + i * PAGE, pool_get_zeroed(), RW), 0);
	if (old)
		pool_put((frame_t)(old >> FRAME_SHIFT));
	model[i].mapped = true;
	model[i].value = 0;
	model[i].rights = RW;
	model[i].dirty = false;
}

static void step(void)
{
	uint64_t i = random_below(PLACES), n = 1 + random_below(PLACES - i < 150 ? PLACES - i : 150);

	switch (random_below(40)) {
	case 0 ... 14:
		write_page(i);
		break;
	case 15 ... 24:
		read_page(i);
		break;
	case 25 ... 27:
		protect_pages(i, n);
		break;
	case 28 ... 30:
		protect_pages(i, 1);
		break;
	case 31:
		unmap_pages(i, n);
		break;
	case 32:
		forget_pages(i, n);
		break;
	case 33:
		replace_page(i);
		break;
	case 34:
		if (random_below(10) == 0)
			IS(space_switch(&s, page_tables[random_below(5)]), 0);
		break;
	default:
		IS(space_dirty(&s, s.start + i * PAGE), model[i].mapped && model[i].dirty);
	}
}

static void random_operations_agree_with_a_model(void)
{
	const char *wanted = getenv("SEED");

	seed = wanted ? strtoul(wanted, NULL, 0) : (uint64_t)time(NULL);
	printf("# SEED=%lu\n", seed);
	seed = seed * 2 + 1;
	EACH_STRUCTURE(structure) {
		memset(model, 0, sizeof(model));
		make(*structure, 4 * LEAF, model_fault);
		for (int i = 0; i < 20000; i++)
			step();
		for (uint64_t i = 0; i < PLACES; i++)
			read_page(i);
		space_destroy(&s);
	}
}

TESTS(T(first_touch_gives_zeroed_pages), T(wild_accesses_are_signals), T(what_cannot_be_is_refused), T(a_frame_at_two_pages_is_one),
	T(the_hardwares_bits_are_seen_and_kept), T(what_the_hardware_has_lost_is_made_good), T(rights_of_none_and_back), T(handlers_nest),
	T(handlers_may_switch), T(a_programs_own_structure_stands_behind_it), T(system_calls_reach_into_it),
	T(a_forks_child_has_none_and_may_make_its_own), T(the_pool_may_be_emptied_between_changes), T(death_in_a_handler_costs_nothing),
	T(a_space_that_ends_leaves_nothing), T(random_operations_agree_with_a_model))
