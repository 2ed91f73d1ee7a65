/* The tree against a list: random nodes put in and taken out, the questions answered by looking at all; times that wrap; the depth. */
#include <exos/lib/sched/tree.h>

#include "check.h"

#define NODES 500
static struct tree_node nodes[NODES];
static bool in[NODES];

static struct tree_node *earliest(uint64_t limit)
{
	struct tree_node *best = NULL;

	for (int i = 0; i < NODES; i++)
		if (in[i] && time_before(nodes[i].start, limit) && (!best || time_before(nodes[i].deadline, best->deadline)))
			best = &nodes[i];
	return best;
}

static bool first_is_right(const struct tree *t)
{
	struct tree_node *first = tree_first(t);

	for (int i = 0; i < NODES; i++)
		if (in[i] && (!first || time_before(nodes[i].start, first->start)))
			return false;
	return !first || in[first - nodes];
}

static bool answers(struct tree *t, uint64_t limit)
{
	struct tree_node *right = earliest(limit), *got = tree_earliest(t, limit);

	if (!right || !got)
		return right == got;
	return in[got - nodes] && time_before(got->start, limit) && got->deadline == right->deadline;
}

/* Times within `spread` of a moment that moves over the wrap. */
static bool random_use(uint64_t spread)
{
	struct tree t = { 0 };
	uint64_t now = -(100000 * spread / 2);
	bool good = true;

	for (int round = 0; round < 100000 && good; round++, now += spread) {
		int i = (int)random_below(NODES);

		if (in[i]) {
			tree_take(&t, &nodes[i]);
		} else {
			nodes[i].start = now + random_below(600 * spread);
			nodes[i].deadline = nodes[i].start + random_below(50 * spread);
			tree_put(&t, &nodes[i]);
		}
		in[i] = !in[i];
		good = answers(&t, now + random_below(700 * spread)) && (round % 16 || first_is_right(&t));
		if (round % 400 == 399) /* none may stay until it is more than half of all times away */
			for (int n = 0; n < NODES; n++)
				if (in[n] && time_before(nodes[n].start + 1000 * spread, now)) {
					tree_take(&t, &nodes[n]);
					in[n] = false;
				}
	}
	for (int i = 0; i < NODES; i++)
		if (in[i])
			tree_take(&t, &nodes[i]);
	for (int i = 0; i < NODES; i++)
		in[i] = false;
	return good && !t.root;
}

static int depth(const struct tree_node *n)
{
	int left = n ? depth(n->left) : 0, right = n ? depth(n->right) : 0;

	return n ? 1 + (left > right ? left : right) : 0;
}

static void depths(void)
{
	enum { MANY = 100000 };
	struct tree_node *many = calloc(MANY, sizeof(*many));
	struct tree t = { 0 };

	for (int i = 0; i < MANY; i++) { /* in order, the worst that can happen to a tree without balance */
		many[i].start = many[i].deadline = (uint64_t)i;
		tree_put(&t, &many[i]);
	}
	ok(depth(t.root) <= 60, "100,000 nodes put in in order are %d deep", depth(t.root));
	free(many);
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	ok(random_use(1), "as a list says, many times being equal");
	ok(random_use(1ul << 40), "as a list says, with times far apart, which wrap");
	ok(random_use(1ul << 51), "and so far apart that nearly half of all times are in the tree");
	depths();
	return done_testing();
}
