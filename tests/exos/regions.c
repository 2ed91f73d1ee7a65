/* Regions and frames of a program's own (exos/program.h), in every wrong order: refused, or the harm is the program's. */
#include "lib.h"

#include <sched.h>

#include <aegis/x86_64/stubs.h>
#include <exos/lib/x86_64/calls.h>

#define SPAN (2ul << 20)
#define PLACE 0x200000000000ul
static const uint64_t RW = BIND_READ | BIND_WRITE;

static frame_t frames[AEGIS_BATCH_MAX];

static int64_t bind_page(uint64_t va, uint64_t entry)
{
	struct aegis_binding b = { va, entry };

	return aegis_bind(0, &b, 1, NULL);
}

static void get(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		frames[i] = FRAME_ANY;
	IS(exos_frames_get(frames, n), n);
}

static void make_region(uint64_t leaves)
{
	IS(exos_region(PLACE, leaves * SPAN), PLACE);
	for (uint64_t i = 0; i < leaves; i++)
		CHECK(exos_leaf(PLACE + i * SPAN) > 0);
}

static long free_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

/* Runs in a child, again and again; in the end nothing is missing. The first rounds fill pools. */
static void leaves_nothing(void (*run)(void))
{
	long before = free_kib(); /* the first reading takes memory itself */

	for (int round = 0; round < 8; round++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			run();
			_exit(0);
		}
		IS(waitpid(child, &status, 0), child);
		IS(status, 0);
		if (round == 5)
			before = free_kib();
	}
	IS(free_kib(), before);
}

/* Churn of the library's own: whatever frame it gets is where it thinks. */
static void use_memory(void)
{
	for (int i = 0; i < 4; i++) {
		char *m = mmap(NULL, 600 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = open("/tmp/regions", O_CREAT | O_RDWR | O_TRUNC, 0600);

		memset(m, i + 1, 600 * 4096);
		IS(write(fd, m, 600 * 4096), 600 * 4096);
		close(fd);
		munmap(m, 600 * 4096);
	}
	unlink("/tmp/regions");
}

static void break_then_put(void)
{
	make_region(1);
	get(100);
	for (int i = 0; i < 100; i++) {
		while (aegis_frame_break(&frames[i], 1) == -E_AGAIN)
			;
		if (i & 1)
			IS(bind_page(PLACE + (uint64_t)i * 4096, BIND_ENTRY(frames[i], RW)), 1);
	}
	for (int i = 0; i < 100; i++)
		IS(exos_frames_put(&frames[i], 1), i & 1 ? -EBUSY : 1);
	munmap((void *)PLACE, SPAN);
	for (int i = 1; i < 100; i += 2)
		IS(exos_frames_put(&frames[i], 1), 1);
	use_memory();
}

static void break_and_exit(void)
{
	make_region(1);
	get(100);
	for (uint64_t i = 0; i < 100; i++) {
		aegis_frame_break(&frames[i], 1);
		if (i & 1)
			IS(bind_page(PLACE + i * 4096, BIND_ENTRY(frames[i], RW)), 1);
	}
}

static void what_a_program_has_broken_is_whole_again(void)
{
	leaves_nothing(break_then_put);
	leaves_nothing(break_and_exit);
	use_memory();
}

static void free_and_exit(void)
{
	get(100);
	for (int i = 0; i < 100; i++)
		aegis_frame_break(&frames[i], 1);
	aegis_frame_free(frames, 100);
	use_memory();
}

static void free_and_put(void)
{
	get(100);
	for (int i = 0; i < 100; i++)
		aegis_frame_break(&frames[i], 1);
	aegis_frame_free(frames, 50);
	for (int i = 0; i < 100; i++)
		exos_frames_put(&frames[i], 1);
	use_memory();
}

static void what_a_program_has_freed_is_not_missed(void)
{
	leaves_nothing(free_and_exit);
	leaves_nothing(free_and_put);
	use_memory();
}

static void frames_come_back_once(void)
{
	frame_t same[3];

	get(1);
	same[0] = same[1] = same[2] = frames[0];
	IS(exos_frames_put(same, 3), 1);
	IS(exos_frames_put(same, 1), -EINVAL);
	same[0] = 0;
	same[1] = UINT32_MAX;
	IS(exos_frames_put(same, 2), -EINVAL);
	IS(exos_frames_put(same + 1, 1), -EINVAL);
	same[1] = 0;
	IS(exos_frames_get(same + 1, 1), -EBUSY);
	IS(exos_frames_put(NULL, 1), -EFAULT);
	IS(exos_frames_put(same, 0), -EINVAL);
	IS(exos_frames_get(same, 0), -EINVAL);
}

/* Another process has it bound, and outlives its owner. */
static void a_frame_is_shared_and_ends_with_its_owner(void)
{
	volatile frame_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t owner = fork();

	if (owner == 0) {
		get(1);
		shared[0] = frames[0];
		while (!shared[1])
			sched_yield();
		IS(exos_frames_put(frames, 1), -EBUSY);
		_exit(0);
	}
	while (!shared[0])
		sched_yield();
	make_region(1);
	IS(bind_page(PLACE, BIND_ENTRY(shared[0], RW)), 1);
	*(volatile int *)PLACE = 1;
	frames[0] = shared[0];
	IS(exos_frames_put(frames, 1), -EINVAL); /* not ours */
	shared[1] = 1;
	ENDS(owner, 0);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	ENDS(child, 0);
	FAILS(write(1, (void *)PLACE, 1), EFAULT); /* it is bound here no more */
	use_memory();
}

static void leaf_everywhere(void)
{
	make_region(3);
	get(2);
	for (uint64_t i = 0; i < 3; i++)
		for (uint64_t k = 0; k < 3; k++)
			IS(bind_page(PLACE + i * SPAN + k * 4096, BIND_ENTRY(exos_leaf(PLACE + k * SPAN), BIND_READ)), 1);
	IS(bind_page(PLACE + 5 * 4096, BIND_ENTRY(exos_leaf(PLACE), RW)), -E_DENIED);
	munmap((void *)(PLACE + SPAN), SPAN);
	CHECK(exos_leaf(PLACE) > 0);
}

static void leaf_in_another(void)
{
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();

	make_region(1);
	if (child == 0) {
		shared[0] = (int)exos_leaf(PLACE);
		while (!shared[1])
			sched_yield();
		_exit(0);
	}
	while (!shared[0])
		sched_yield();
	IS(bind_page(PLACE, BIND_ENTRY((frame_t)shared[0], BIND_READ)), 1);
	shared[1] = 1;
	ENDS(child, 0);
	use_memory();
}

static void leaves_may_be_bound_anywhere(void)
{
	leaves_nothing(leaf_everywhere);
	leaves_nothing(leaf_in_another);
}

/* Every call that changes memory, across the borders of a region. */
static void mapping_calls(void)
{
	char *ordinary = mmap((void *)(PLACE + 3 * SPAN), SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	uint64_t brk_end = (uint64_t)sbrk(0), above = (brk_end + 2 * SPAN) & ~(SPAN - 1);

	memset(ordinary, 1, 8192);
	make_region(3);
	get(3);
	for (uint64_t i = 0; i < 3; i++)
		IS(bind_page(PLACE + i * SPAN, BIND_ENTRY(frames[i], RW)), 1);
	*(volatile int *)PLACE = 5;
	IS(exos_region(PLACE, SPAN), -EEXIST);
	IS(exos_region(PLACE - SPAN, 2 * SPAN), -EEXIST);
	IS(exos_region(PLACE + 3 * SPAN, SPAN), -EEXIST);
	FAILS(mmap((void *)(PLACE + 4096), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0, EINVAL);
	FAILS(munmap((void *)(PLACE + SPAN - 4096), 8192), EINVAL);
	FAILS(munmap((void *)(PLACE + 2 * SPAN + 4096), 2 * SPAN), EINVAL);
	FAILS(mprotect((void *)(PLACE + 2 * SPAN), 2 * SPAN, PROT_READ), EACCES);
	FAILS(mremap((void *)PLACE, SPAN, 2 * SPAN, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, EFAULT);
	FAILS(mremap((void *)PLACE, SPAN, 4096, 0) == MAP_FAILED ? -1 : 0, EFAULT);
	CHECK(mremap(ordinary, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(PLACE + 4096)) == MAP_FAILED);
	madvise((void *)PLACE, 4 * SPAN, MADV_DONTNEED);
	mlock((void *)PLACE, SPAN);
	msync((void *)PLACE, SPAN, MS_SYNC);
	IS(*(volatile int *)PLACE, 5);
	IS(ordinary[1], 0);
	IS(exos_region(above, SPAN), above);
	CHECK(sbrk((intptr_t)(4 * SPAN)) == (void *)-1);
	CHECK(exos_leaf(above) > 0);
	IS(mmap((void *)(PLACE + SPAN), SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), PLACE + SPAN);
	IS(*(volatile int *)(PLACE + SPAN), 0);
	IS(exos_leaf(PLACE + SPAN), -EINVAL);
	IS(*(volatile int *)PLACE, 5);
	IS(mremap(ordinary, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(PLACE + SPAN)), PLACE + SPAN);
	IS(munmap((void *)PLACE, 4 * SPAN), 0);
	IS(exos_frames_put(frames, 3), 3);
	make_region(4);
}

static void all_calls_that_map_keep_out(void) { leaves_nothing(mapping_calls); }

static void regions_anywhere(void)
{
	static const uint64_t places[] = { 0, SPAN, 1ul << 30, 1ul << 39, 0x7efffe000000, 0x7effffe00000, 0x7f8000000000, 0x7fc000000000, 0x7fffffe00000,
		0x800000000000, 0xffffffffffe00000 };
	static const uint64_t lengths[] = { 0, 1, 4096, SPAN, 3 * SPAN, 1ul << 30, 1ul << 39, 1ul << 47, ~0ul & ~(SPAN - 1) };
	int made = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths); k++) {
			int64_t at = exos_region(places[i], lengths[k]);

			if (at < 0)
				continue;
			made++;
			CHECK(exos_leaf((uint64_t)at) > 0);
			CHECK(exos_leaf((uint64_t)at + lengths[k] - 1) > 0);
			IS(munmap((void *)at, lengths[k]), 0);
		}
	CHECK(made > 10);
	use_memory();
}

static void regions_are_anywhere_or_nowhere(void) { leaves_nothing(regions_anywhere); }

static void inherit(void)
{
	pid_t child;
	int status;

	make_region(2);
	get(10);
	bind_page(PLACE, BIND_ENTRY(frames[0], RW));
	child = fork();
	if (child == 0) {
		IS(exos_leaf(PLACE), -EINVAL);
		IS(exos_frames_put(frames, 1), -EINVAL);
		make_region(1);
		_exit(0);
	}
	IS(waitpid(child, &status, 0), child);
	IS(status, 0);
	child = vfork();
	if (child == 0) {
		frame_t f = FRAME_ANY;

		_exit(exos_frames_get(&f, 1) != -EINVAL || exos_frames_put(frames, 1) != -EINVAL || exos_region(0, SPAN) != -EINVAL);
	}
	IS(waitpid(child, &status, 0), child);
	IS(status, 0);
	child = vfork();
	if (child == 0) {
		execl("/bin/busybox", "true", NULL);
		_exit(1);
	}
	IS(waitpid(child, &status, 0), child);
	IS(status, 0);
	*(volatile int *)PLACE = 1;
	bind_page(PLACE, 0);
	IS(exos_frames_put(frames, 10), 10);
}

static void children_inherit_none(void) { leaves_nothing(inherit); }

/* Page tables of the program's own, which are pairs of frames (bind.h). */
static frame_t pairs[3];

static void get_pairs(void)
{
	const struct aegis_info *machine = (const void *)exos_info(EXOS_INFO_MACHINE);
	int made = 0;

	for (frame_t f = (frame_t)machine->frames - 2; made < 3 && f > 1024; f -= 2) {
		frame_t pair[2] = { f, f + 1 };

		int64_t got = exos_frames_get(pair, 2);

		if (got == 1)
			exos_frames_put(pair, 1);
		if (got < 2)
			continue;
		IS(aegis_frame_break(pair, 2), 2); /* the library sees them no more: a table must be bound nowhere else */
		pairs[made++] = f;
	}
	IS(made, 3);
}

static int64_t bind_table(uint64_t va, frame_t f, uint64_t level)
{
	return bind_page(va, BIND_ENTRY(f, RW | BIND_EXEC | BIND_LEVEL(level)));
}

static char *map_at(uint64_t va, uint64_t length)
{
	char *m = mmap((void *)va, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	IS(m, va);
	m[0] = 7;
	return m;
}

/* Where ExOS has tables above, and none of its own: these go, and then it wants them there. */
static void tables_below_its_own(void)
{
	char *ordinary = map_at(PLACE, 4096);

	get_pairs();
	get(1);
	IS(bind_table(PLACE + SPAN, pairs[0], 1), 1);
	IS(bind_page(PLACE + SPAN, BIND_ENTRY(frames[0], RW)), 1);
	*(volatile int *)(PLACE + SPAN) = 1;
	IS(bind_table(PLACE + (1ul << 30), pairs[1], 2), 1);
	IS(bind_table(PLACE + (1ul << 30), pairs[2], 1), 1);
	IS(munmap(ordinary, 4096), 0);
	ordinary = map_at(PLACE, 4096);
	IS(bind_table(PLACE + SPAN, pairs[0], 1), 1);
	IS(bind_table(PLACE + (1ul << 30), pairs[1], 2), 1);
	map_at(PLACE + SPAN, SPAN);
	map_at(PLACE + (1ul << 30), SPAN);
	IS(ordinary[0], 7);
	IS(bind_table(PLACE + (1ul << 30) + SPAN, pairs[2], 1), 1);
}

/* A whole tree, where ExOS has nothing, and gets what it wants all the same. */
static void tables_where_it_has_none(void)
{
	get_pairs();
	for (uint64_t i = 0; i < 3; i++)
		IS(bind_table(PLACE, pairs[i], 3 - i), 1);
	get(1);
	IS(bind_page(PLACE, BIND_ENTRY(frames[0], RW)), 1);
	*(volatile int *)PLACE = 5;
}
static void tables_in_its_way(void)
{
	tables_where_it_has_none();
	IS(map_at(PLACE + SPAN, 4096)[1], 0);
	IS(exos_frames_put(pairs, 3), 3);
}

/* ExOS's own, from the leaf to the root. */
static void its_tables_unbound(void)
{
	char *m = map_at(PLACE, 8192), buffer[2];
	int ends[2];

	IS(pipe(ends), 0);
	IS(write(ends[1], "ab", 2), 2);
	for (uint64_t level = 1; level <= 3; level++)
		IS(bind_page(PLACE, BIND_LEVEL(level)), 1);
	IS(read(ends[0], m, 1), 1); /* the library misses it first */
	IS(m[0], 'a');
	IS(bind_page(PLACE, BIND_LEVEL(1)), 1);
	m[4096] = 1;
	IS(m[0], 'a');
	for (uint64_t level = 1; level <= 3; level++)
		IS(bind_page(PLACE, BIND_LEVEL(level)), 1);
	IS(munmap(m, 8192), 0);
	IS(read(ends[0], buffer, 1), 1);
	m = map_at(PLACE, 4096);
	for (uint64_t level = 1; level <= 3; level++)
		IS(bind_page(PLACE, BIND_LEVEL(level)), 1);
}

/* One of them in a second place. */
static void its_leaf_twice(void)
{
	make_region(1);
	map_at(PLACE + SPAN, 4096);
	IS(bind_table(PLACE + 2 * SPAN, (frame_t)exos_leaf(PLACE), 1), 1);
	IS(munmap((void *)PLACE, 2 * SPAN), 0);
	map_at(PLACE + 2 * SPAN, 4096);
}

static void a_program_may_have_page_tables(void)
{
	leaves_nothing(tables_below_its_own);
	leaves_nothing(tables_where_it_has_none);
	leaves_nothing(tables_in_its_way);
	leaves_nothing(its_tables_unbound);
	its_leaf_twice(); /* that frame is lost */
	use_memory();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(what_a_program_has_broken_is_whole_again), T(what_a_program_has_freed_is_not_missed), T(frames_come_back_once),
		T(a_frame_is_shared_and_ends_with_its_owner), T(leaves_may_be_bound_anywhere), T(all_calls_that_map_keep_out),
		T(regions_are_anywhere_or_nowhere), T(children_inherit_none), T(a_program_may_have_page_tables), { NULL, NULL },
	};

	(void)argc;
	return run_tests(exos_here() ? tests : tests + sizeof(tests) / sizeof(*tests) - 1, argv + 1);
}
