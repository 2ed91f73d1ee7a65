/* Virtual memory as Appel and Li measure it (ASPLOS'91; the paper's 6.2 and 7.2): by exos/lib/vm on ExOS, with each structure of page table, and by
 * mprotect and SIGSEGV on Linux. Prints `row value` lines, values in guest instructions. `vm sparsity` prints, on either system, what the structures
 * cost against how far pages are apart: columns under a header line.
 *
 * Protected is: may be read. Pages and their order are picked beforehand. Loops run once to warm up; their own three or four instructions are in it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <exos/lib/vm/space.h>
#include <exos/lib/x86_64/calls.h>

#define PAGE 4096ul
#define PAGES 100
#define ROUNDS 40
#define TRAPS 1000
#define TOUCHED 256

/* The handlers of this program are compiled so, and ExOS saves no vector registers for them. */
#define HANDLER __attribute__((target("general-regs-only")))

static bool here; /* on ExOS */
static struct space space;
static char *memory; /* PAGES pages, mapped and touched; on ExOS the beginning of the space */
static char *order[PAGES]; /* these pages at random */
static volatile uint64_t sink;

static uint64_t started;
static void start(void) { started = __rdtsc(); }
static uint64_t each(uint64_t n) { return (__rdtsc() - started) / n; }

static void row(const char *structure, const char *name, uint64_t value)
{
	if (structure)
		printf("vm.%s.%s %lu\n", structure, name, value);
	else
		printf("vm.%s %lu\n", name, value);
}

static uint64_t random_below(uint64_t n)
{
	static uint64_t state = 88172645463325252ul;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void shuffle(uint32_t *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)random_below(i + 1);

		list[i] = list[j];
		list[j] = i;
	}
}

#define WRITABLE (BIND_READ | BIND_WRITE)
#define PROTECTED BIND_READ
HANDLER static inline __attribute__((always_inline)) void protect(char *p, uint64_t n, uint64_t rights)
{
	if (here)
		space_protect(&space, (uintptr_t)p, n, rights);
	else
		mprotect(p, n * PAGE, rights == WRITABLE ? PROT_READ | PROT_WRITE : PROT_READ);
}

/* What is done at a fault on a protected page: true, as a space's handler wants it. */
HANDLER static bool unprotect(char *p)
{
	protect(p, 1, WRITABLE);
	return true;
}

static uint32_t traps_left;
HANDLER static bool trap(char *p) { return --traps_left ? true : unprotect(p); }

static char *last; /* the page that may be written */
HANDLER static bool unprotect_and_protect_last(char *p)
{
	protect(p, 1, WRITABLE);
	protect(last, 1, PROTECTED);
	last = p;
	return true;
}

/* As a space calls them; on Linux a signal does. Bytes are written at the beginning of a page only. */
#define HANDLES(name, action) \
	HANDLER static bool name(struct space *s, uint64_t address, uint64_t error) \
	{ \
		(void)s, (void)error; \
		return action((char *)address); \
	}
HANDLES(fault_unprotect, unprotect)
HANDLES(fault_trap, trap)
HANDLES(fault_both, unprotect_and_protect_last)

static bool (*at_fault)(char *page);
static void on_fault(space_fault_handler *handler, bool (*action)(char *))
{
	space.fault = handler;
	at_fault = action;
}

static void segv(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	at_fault(info->si_addr);
}

/* A page that was written, one not, in turns; the answers are checked. */
static void dirty(const char *structure)
{
	uint64_t value = 0, found = 0;

	space_forget(&space, space.start, PAGES, ENTRY_NOTED);
	for (int i = 0; i < PAGES; i += 2)
		memory[(uint64_t)i * PAGE] = 1;
	for (int round = 0; round < ROUNDS; round++) {
		found = 0;
		start();
		for (int i = 0; i < PAGES; i++)
			found += space_dirty(&space, (uintptr_t)order[i]);
		value = each(PAGES);
	}
	if (found != PAGES / 2)
		fail("dirty pages");
	row(structure, "dirty", value);
}

static void protection(const char *structure)
{
	uint64_t one = 0, hundred = 0, back = 0;

	for (int round = 0; round < ROUNDS; round++) {
		start();
		for (int i = 0; i < PAGES; i++)
			protect(order[i], 1, PROTECTED);
		one = each(PAGES);
		protect(memory, PAGES, WRITABLE);
		for (int i = 0; i < PAGES; i++)
			memory[(uint64_t)i * PAGE] = 1;
		start();
		protect(memory, PAGES, PROTECTED);
		hundred = each(1);
		start();
		protect(memory, PAGES, WRITABLE);
		back = each(1);
	}
	row(structure, "prot1", one);
	row(structure, "prot100", hundred);
	row(structure, "unprot100", back);
}

/* The handler leaves the page as it is, and the access faults again, TRAPS times; then it unprotects it. */
static void traps(const char *structure)
{
	uint64_t value = 0;

	on_fault(fault_trap, trap);
	for (int round = 0; round < 2; round++) {
		protect(memory, 1, PROTECTED);
		traps_left = TRAPS;
		start();
		*(volatile char *)memory = 1;
		value = each(TRAPS);
	}
	row(structure, "trap", value);
}

static void appel1(const char *structure)
{
	uint64_t value = 0;

	on_fault(fault_both, unprotect_and_protect_last);
	for (int round = 0; round < ROUNDS; round++) {
		protect(memory, PAGES, PROTECTED);
		last = order[PAGES - 1];
		protect(last, 1, WRITABLE);
		start();
		for (int i = 0; i < PAGES; i++)
			*(volatile char *)order[i] = 1;
		value = each(PAGES);
	}
	row(structure, "appel1", value);
	protect(memory, PAGES, WRITABLE);
}

static void appel2(const char *structure)
{
	uint64_t value = 0;

	on_fault(fault_unprotect, unprotect);
	for (int round = 0; round < ROUNDS; round++) {
		start();
		protect(memory, PAGES, PROTECTED);
		for (int i = 0; i < PAGES; i++)
			*(volatile char *)order[i] = 1;
		value = each(PAGES);
	}
	row(structure, "appel2", value);
}

/* The first touch of a page; on ExOS of frames that have been cleared before, Linux clears in it. */
static void touch(const char *structure)
{
	uint64_t value = 0;
	char *fresh = memory + PAGES * PAGE;

	on_fault(space_touch, NULL);
	for (int round = 0; round < 2; round++) {
		if (!here) {
			fresh = mmap(NULL, TOUCHED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		} else {
			space_unmap(&space, (uintptr_t)fresh, TOUCHED, NULL);
			if (!pool_prepare(TOUCHED))
				fail("frames");
		}
		start();
		for (uint64_t i = 0; i < TOUCHED; i++)
			*(volatile char *)(fresh + i * PAGE) = 1;
		value = each(TOUCHED);
	}
	row(structure, "touch", value);
}

static void rows(const char *structure)
{
	uint32_t shuffled[PAGES];

	shuffle(shuffled, PAGES);
	for (int i = 0; i < PAGES; i++)
		order[i] = memory + shuffled[i] * PAGE;
	for (int i = 0; i < PAGES; i++)
		memory[(uint64_t)i * PAGE] = 1;
	if (here)
		dirty(structure);
	protection(structure);
	traps(structure);
	appel1(structure);
	appel2(structure);
	touch(structure);
}

static void all_rows(void)
{
	if (!here) {
		struct sigaction action = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO };

		sigaction(SIGSEGV, &action, NULL);
		memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		rows(NULL);
		return;
	}
	if (space_start(&(struct exos_handlers){ .flags = EXOS_HANDLERS_GENERAL }))
		fail("handlers");
	for (const struct page_table_ops *const *structure = page_tables; *structure; structure++) {
		if (space_create(&space, *structure, 0, 1ul << 30, NULL))
			fail("space");
		memory = (char *)space.start;
		rows(*structure == &page_table_radix2 ? NULL : (*structure)->name);
		space_destroy(&space);
	}
}

/* The structures by themselves. Memory that they take comes from pages that were used before, as in a program that has run for a while. */
#define SPARSE_PAGES 2048ul
#define SPARSE_LOOKUPS 4096ul

struct sparse {
	uint64_t finding, inserting;
	double bytes; /* a page */
};

static uint64_t lookups(struct page_table *t, const uint64_t *pages)
{
	uint64_t sum = 0;

	start();
	for (uint64_t i = 0; i < SPARSE_LOOKUPS; i++)
		sum += *page_find(t, pages[i]);
	sink = sum;
	return each(SPARSE_LOOKUPS);
}

static struct sparse fill_and_find(const struct page_table_ops *structure, uint64_t apart, const uint64_t *pages, const uint64_t *wanted)
{
	struct page_table *t = page_table_create(structure, NULL, SPARSE_PAGES * apart);
	struct sparse result;

	start();
	for (uint64_t i = 0; i < SPARSE_PAGES; i++)
		if (!t || !page_insert(t, pages[i], BIND_ENTRY(1 + i, BIND_READ)))
			fail("page table");
	result.inserting = each(SPARSE_PAGES);
	result.finding = lookups(t, wanted);
	result.bytes = (double)t->bytes / SPARSE_PAGES;
	page_table_destroy(t);
	return result;
}

/* One of so many pages is mapped, at a random place among them, in the order of addresses or at random. */
static struct sparse sparse(const struct page_table_ops *structure, uint64_t apart, bool ascending)
{
	static uint64_t pages[SPARSE_PAGES], wanted[SPARSE_LOOKUPS];
	static uint32_t shuffled[SPARSE_PAGES];

	shuffle(shuffled, SPARSE_PAGES);
	for (uint64_t i = 0; i < SPARSE_PAGES; i++)
		pages[ascending ? i : shuffled[i]] = i * apart + random_below(apart);
	for (uint64_t i = 0; i < SPARSE_LOOKUPS; i++)
		wanted[i] = pages[random_below(SPARSE_PAGES)];
	fill_and_find(structure, apart, pages, wanted);
	return fill_and_find(structure, apart, pages, wanted);
}

/* The linear table is left out: an insert at random moves half of it. */
#define EACH_SPARSE(structure) for (const struct page_table_ops *const *structure = page_tables; *structure != &page_table_linear; structure++)

static void sparsity(void)
{
	printf("one_page_in");
	EACH_SPARSE(structure)
		printf(" %s_find %s_insert %s_insert_ascending %s_bytes", (*structure)->name, (*structure)->name, (*structure)->name, (*structure)->name);
	printf("\n");
	for (uint64_t apart = 1; apart <= 4096; apart *= 2) {
		printf("%lu", apart);
		EACH_SPARSE(structure) {
			struct sparse ascending = sparse(*structure, apart, true), random = sparse(*structure, apart, false);

			printf(" %lu %lu %lu %.1f", random.finding, random.inserting, ascending.inserting, random.bytes);
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	here = exos_here();
	if (argc > 1 && !strcmp(argv[1], "sparsity"))
		sparsity();
	else
		all_rows();
	return 0;
}
