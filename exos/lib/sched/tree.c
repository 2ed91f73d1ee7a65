/* The treap of tree.h. Equal starts are ordered by address, so that a node can be found again by descent. */
#include <stddef.h>

#include <exos/lib/sched/tree.h>

static bool precedes(struct tree *t, const struct tree_node *a, const struct tree_node *b)
{
	t->compared++;
	return a->start == b->start ? a < b : time_before(a->start, b->start);
}

static void summarise(struct tree *t, struct tree_node *n)
{
	n->earliest = n->deadline;
	if (n->left && time_before(n->left->earliest, n->earliest))
		n->earliest = n->left->earliest;
	if (n->right && time_before(n->right->earliest, n->earliest))
		n->earliest = n->right->earliest;
	t->compared += (n->left != NULL) + (n->right != NULL);
}

/* The nodes below n that precede `at`, and the others. */
static void split(struct tree *t, struct tree_node *n, const struct tree_node *at, struct tree_node **before, struct tree_node **after)
{
	if (!n) {
		*before = *after = NULL;
		return;
	}
	if (precedes(t, n, at)) {
		split(t, n->right, at, &n->right, after);
		*before = n;
	} else {
		split(t, n->left, at, before, &n->left);
		*after = n;
	}
	summarise(t, n);
}

/* All of a precede all of b. */
static struct tree_node *merge(struct tree *t, struct tree_node *a, struct tree_node *b)
{
	struct tree_node *top;

	if (!a || !b)
		return a ? a : b;
	if (a->priority >= b->priority) {
		a->right = merge(t, a->right, b);
		top = a;
	} else {
		b->left = merge(t, a, b->left);
		top = b;
	}
	summarise(t, top);
	return top;
}

static struct tree_node *put(struct tree *t, struct tree_node *n, struct tree_node *new)
{
	if (!n || n->priority < new->priority) {
		split(t, n, new, &new->left, &new->right);
		n = new;
	} else if (precedes(t, new, n)) {
		n->left = put(t, n->left, new);
	} else {
		n->right = put(t, n->right, new);
	}
	summarise(t, n);
	return n;
}

static struct tree_node *take(struct tree *t, struct tree_node *n, const struct tree_node *old)
{
	if (n == old)
		return merge(t, n->left, n->right);
	if (precedes(t, old, n))
		n->left = take(t, n->left, old);
	else
		n->right = take(t, n->right, old);
	summarise(t, n);
	return n;
}

void tree_put(struct tree *t, struct tree_node *n)
{
	t->random = t->random * 1664525 + 1013904223;
	n->priority = t->random;
	n->left = n->right = NULL;
	t->root = put(t, t->root, n);
}

void tree_take(struct tree *t, struct tree_node *n) { t->root = take(t, t->root, n); }

/* The node that has the earliest deadline of its subtree. */
static struct tree_node *earliest_below(struct tree *t, struct tree_node *n)
{
	while (n->deadline != n->earliest) {
		t->compared++;
		n = n->left && n->left->earliest == n->earliest ? n->left : n->right;
	}
	return n;
}

struct tree_node *tree_earliest(struct tree *t, uint64_t limit)
{
	struct tree_node *n = t->root, *node = NULL, *subtree = NULL;

	while (n) {
		t->compared++;
		if (!time_before(n->start, limit)) {
			n = n->left;
			continue;
		}
		t->compared += 2;
		if (!node || time_before(n->deadline, node->deadline))
			node = n; /* all to the left of it may have the turn too */
		if (n->left && (!subtree || time_before(n->left->earliest, subtree->earliest)))
			subtree = n->left;
		n = n->right;
	}
	if (subtree && time_before(subtree->earliest, node->deadline))
		return earliest_below(t, subtree);
	return node;
}

struct tree_node *tree_first(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}
