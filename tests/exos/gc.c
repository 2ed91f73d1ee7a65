/* The collector of exos/lib/vm, with each way to know what was written, against a model: a graph that is changed at random, of which the test keeps a copy outside of the heap. */
#include "lib.h"

#include <exos/lib/vm/collector.h>
#include <exos/lib/x86_64/calls.h>

#define HEAP_PAGES 512ul
#define ROOTS 32
#define CHILDREN 3
#define MOST 60000

struct object {
	struct object *child[CHILDREN];
	uint64_t name; /* index in the model */
	uint64_t filler[];
};
static struct model {
	struct object *at; /* null: freed */
	uint32_t child[CHILDREN]; /* index + 1 */
	bool reached;
} model[MOST];
static uint32_t made, root_names[ROOTS];
static void *roots[ROOTS];
static struct written heap;
static struct collector collector;
static struct collector_root root;
static uint64_t seed;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

/* Seeds are printed by whoever fails; SEED replays one. */
static void seed_from(uint64_t fixed)
{
	const char *given = getenv("SEED");

	seed = given ? strtoull(given, NULL, 0) : fixed;
	printf("# SEED=%lu\n", seed);
	fflush(stdout);
}

static bool begin(const struct written_ops *way)
{
	int error = written_create(&heap, way, HEAP_PAGES);

	if (error == -ENOSYS)
		return false;
	IS(error, 0);
	IS(collector_create(&collector, &heap), 0);
	collector_root(&collector, &root, roots, ROOTS);
	return true;
}

static void reach(uint32_t name)
{
	if (!name || model[name - 1].reached)
		return;
	model[name - 1].reached = true;
	for (int i = 0; i < CHILDREN; i++)
		reach(model[name - 1].child[i]);
}

/* All that is reached in the model is there, as it was, and nothing else after a whole collection. */
static void compare(bool whole)
{
	uint64_t reached = 0;

	for (uint32_t i = 0; i < made; i++)
		model[i].reached = false;
	for (int i = 0; i < ROOTS; i++)
		reach(root_names[i]);
	for (uint32_t i = 0; i < made; i++) {
		const struct object *o = model[i].at;

		if (!model[i].reached) {
			model[i].at = NULL;
			continue;
		}
		reached++;
		CHECK(o);
		IS(o->name, i);
		for (int k = 0; k < CHILDREN; k++)
			CHECK(o->child[k] == (model[i].child[k] ? model[model[i].child[k] - 1].at : NULL));
	}
	CHECK(collector.objects >= reached);
	if (whole)
		IS(collector.objects, reached);
}

/* An object is made, or not if the heap is full, and hung below a root or below what is below it. */
static void change(void)
{
	uint32_t at = (uint32_t)random_below(ROOTS), child = (uint32_t)random_below(CHILDREN), name = root_names[at], other = root_names[random_below(ROOTS)];
	uint64_t words = random_below(8) ? random_below(12) : random_below(400);
	struct object *o;

	if (random_below(4)) {
		if (made == MOST || !(o = collector_alloc(&collector, CHILDREN, sizeof(*o) + words * 8)))
			return;
		for (int i = 0; i < CHILDREN; i++)
			CHECK(!o->child[i]);
		for (uint64_t i = 0; i < words; i++) {
			IS(o->filler[i], 0);
			o->filler[i] = ~i;
		}
		o->name = made;
		model[made] = (struct model){ .at = o };
		other = ++made;
	}
	while (name && random_below(5)) {
		uint32_t next = model[name - 1].child[child];

		if (!next)
			break;
		name = next;
	}
	if (!name || !random_below(20)) {
		root_names[at] = other;
		roots[at] = other ? model[other - 1].at : NULL;
	} else {
		model[name - 1].child[child] = other;
		model[name - 1].at->child[child] = other ? model[other - 1].at : NULL;
	}
}

static void agrees_with_a_model(const struct written_ops *way)
{
	bool begun = false;

	if (!begin(way))
		return;
	seed_from(88172645463325252ul);
	for (int i = 0; i < 60000; i++) {
		change();
		if (begun)
			begun = collect_some(&collector, 3) || random_below(4);
		if (!random_below(400)) {
			collect_minor(&collector);
			begun = false;
			compare(false);
		} else if (!random_below(2000)) {
			collect_begin(&collector);
			begun = true;
		} else if (!random_below(3000)) {
			collect_full(&collector);
			begun = false;
			compare(true);
		}
	}
	collect_full(&collector);
	compare(true);
	CHECK(made > 20000);
	if (way == &written_dirty)
		IS(heap.faults, 0);
	collector_destroy(&collector);
	written_destroy(&heap);
}
static void agrees_by_dirty_bits(void) { agrees_with_a_model(&written_dirty); }
static void agrees_by_protection(void) { agrees_with_a_model(&written_protect); }
static void agrees_by_signals(void) { agrees_with_a_model(&written_signal); }
static void agrees_by_soft_dirty_bits(void) { agrees_with_a_model(&written_soft); }

static void refuses(void)
{
	uint64_t objects = 0;

	IS(written_create(&heap, &written_signal, 0), -EINVAL);
	IS(written_create(&heap, &written_signal, 513), -EINVAL);
	CHECK(begin(&written_signal));
	CHECK(!collector_alloc(&collector, 0, 0));
	CHECK(!collector_alloc(&collector, 0, COLLECTOR_LARGEST + 1));
	CHECK(!collector_alloc(&collector, 3, 16));
	while (collector_alloc(&collector, 0, COLLECTOR_LARGEST)) /* until it is full */
		objects++;
	IS(objects, HEAP_PAGES);
	CHECK(!collector_alloc(&collector, 0, 1));
	IS(collect_minor(&collector), objects);
	CHECK(collector_alloc(&collector, 1, 8));
}

/* Pages of one class that have become empty serve another. */
static void empty_pages_change_their_class(void)
{
	CHECK(begin(&written_signal));
	for (int round = 0; round < 20; round++) {
		uint64_t bytes = 16ul + (uint64_t)round * 100, objects = 0;

		while (collector_alloc(&collector, 0, bytes))
			objects++;
		IS(objects, HEAP_PAGES * (4096 / ((bytes + 7) / 8 * 8)));
		IS(collect_full(&collector), objects);
	}
}

/* Each death leaves 2 MiB of frames, 600 in all: they must come back, as the machine has 512. */
static void dying_half_way_leaves_nothing(void)
{
	const struct written_ops *way = exos_here() ? &written_protect : &written_signal;

	for (int i = 0; i < 300; i++) {
		pid_t child = fork();

		if (!child) {
			seed = (uint64_t)i + 1;
			if (!begin(way))
				_exit(1);
			for (int k = 0; k < 2000; k++) {
				change();
				if (k % 500 == 499)
					collect_minor(&collector);
			}
			while (collector_alloc(&collector, 0, COLLECTOR_LARGEST))
				;
			kill(getpid(), SIGKILL);
		}
		ENDS(child, SIGKILL);
	}
}

TESTS(T(agrees_by_dirty_bits), T(agrees_by_protection), T(agrees_by_signals), T(agrees_by_soft_dirty_bits), T(refuses), T(empty_pages_change_their_class),
      T(dying_half_way_leaves_nothing))
