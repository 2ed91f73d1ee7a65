/* A generational collector (exos/lib/vm/collector.h) that learns what has been written in different ways. Prints `row value` lines: what a round costs, program and collector together, in guest
 * instructions, and in faults.
 *
 * gc.dirty reads the hardware's dirty bits (on Linux: the kernel's soft-dirty ones); gc.barrier protects pages by exos/lib (on Linux: by mprotect and SIGSEGV, as there is nothing else);
 * gc.signal is the default on both, mprotect and SIGSEGV; gc.full has no generations and no barrier. In a round of `none` it only makes what it drops, beside a large tree; in one of `few` some nodes of that are written, in one of `all` every one. gc.pause is the
 * longest that the collector stops the program in a collection of everything, in one piece (full) or while the program goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#include <exos/lib/vm/collector.h>
#include <exos/lib/x86_64/calls.h>

#define DEPTH 16 /* of the tree: 65,535 nodes, 512 pages */
#define HEAP_PAGES 2048
#define ROUNDS 16
#define FEW 32
#define TEMPORARIES 2000
#define STEP 500 /* objects marked at a time */

struct node {
	struct node *left, *right, *note;
	uint64_t value;
};
#define NODE_POINTERS 3

static struct written heap;
static struct collector collector;
static void *tree;
static struct collector_root root;

static uint64_t random_below(uint64_t n)
{
	static uint64_t state = 88172645463325252ul;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

static struct node *make(void)
{
	struct node *n = collector_alloc(&collector, NODE_POINTERS, sizeof(*n));

	if (!n) {
		fprintf(stderr, "gc: the heap is full\n");
		exit(1);
	}
	return n;
}

static struct node *make_tree(int depth)
{
	struct node *n = make();

	n->value = 1;
	if (depth > 1) {
		n->left = make_tree(depth - 1);
		n->right = make_tree(depth - 1);
	}
	return n;
}

static uint64_t count(const struct node *n) { return n ? 1 + count(n->left) + count(n->right) : 0; }

static struct node *random_node(void)
{
	struct node *n = tree;

	for (uint64_t path = random_below(1ul << (DEPTH - 1)); n->left && path > 1; path >>= 1)
		n = path & 1 ? n->left : n->right;
	return n;
}

static void write_few(void)
{
	for (int i = 0; i < FEW; i++)
		random_node()->note = make();
}

static void write_none(void) {}

static void add_to(struct node *n)
{
	for (; n; n = n->right) {
		n->value++;
		add_to(n->left);
	}
}
static void write_all(void) { add_to(tree); }

/* Lists that nobody keeps. */
static void make_temporaries(void)
{
	struct node *list = NULL;

	for (int i = 0; i < TEMPORARIES; i++) {
		struct node *n = make();

		n->right = i % 50 ? list : NULL;
		list = n;
	}
}

static void rounds(const char *name, const char *load, void (*change)(void), uint64_t (*collect)(struct collector *))
{
	uint64_t started = 0, faults = 0;

	for (int i = -2; i < ROUNDS; i++) { /* two to warm up */
		if (!i) {
			started = __rdtsc();
			faults = heap.faults;
		}
		change();
		make_temporaries();
		collect(&collector);
	}
	printf("gc.%s.%s %lu\n", name, load, (uint64_t)(__rdtsc() - started) / ROUNDS);
	if (collect == collect_minor)
		printf("gc.%s.%s.faults %lu\n", name, load, (heap.faults - faults) / ROUNDS);
}

static uint64_t longest;
#define PAUSE(call) \
	({ \
		uint64_t pause_started = __rdtsc(); \
		__auto_type pause_result = (call); \
		uint64_t pause_length = __rdtsc() - pause_started; \
		longest = pause_length > longest ? pause_length : longest; \
		pause_result; \
	})

static bool begun(void)
{
	collect_begin(&collector);
	return true;
}

static void pauses(const char *name)
{
	for (int i = 0; i < 2; i++) {
		longest = 0;
		PAUSE(begun());
		while (PAUSE(collect_some(&collector, STEP)))
			random_node()->note = make();
		PAUSE(collect_minor(&collector));
	}
	printf("gc.pause.%s %lu\n", name, longest);
}

static bool start(const struct written_ops *way)
{
	if (written_create(&heap, way, HEAP_PAGES))
		return false;
	if (collector_create(&collector, &heap))
		exit(1);
	collector_root(&collector, &root, &tree, 1);
	tree = make_tree(DEPTH);
	return true;
}

static void end(void)
{
	if (count(tree) != (1ul << DEPTH) - 1) {
		fprintf(stderr, "gc: the tree has lost nodes\n");
		exit(1);
	}
	collector_destroy(&collector);
	written_destroy(&heap);
}

static void measure(const char *name, const struct written_ops *way)
{
	if (!start(way)) {
		printf("# %s is not there\n", way->name);
		return;
	}
	rounds(name, "none", write_none, collect_minor);
	rounds(name, "few", write_few, collect_minor);
	rounds(name, "all", write_all, collect_minor);
	pauses(name);
	end();
}

int main(void)
{
	bool here = exos_here();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (here && space_start(&(struct exos_handlers){ .flags = EXOS_HANDLERS_GENERAL }))
		return 1;
	measure("signal", &written_signal);
	measure("barrier", here ? &written_protect : &written_signal);
	measure("dirty", here ? &written_dirty : &written_soft);

	start(&written_signal); /* which protects nothing as long as nobody asks */
	rounds("full", "none", write_none, collect_full);
	rounds("full", "few", write_few, collect_full);
	rounds("full", "all", write_all, collect_full);
	PAUSE(collect_full(&collector));
	longest = 0;
	PAUSE(collect_full(&collector));
	printf("gc.pause.full %lu\n", longest);
	end();
	return 0;
}
