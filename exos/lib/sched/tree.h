/* Those who may have a turn from some time on and want it by another: who, of all that may have it by now, wants it first?
 *
 * Called by the policies (stride: times are passes; EDF: ticks). A search tree ordered by start whose nodes know the earliest deadline below them, as in Linux's scheduler after
 * "Earliest Eligible Virtual Deadline First" (Stoica, Abdel-Wahab 1995). A treap: balanced by random priorities, O(log n) expected in every call. Times are compared by
 * their difference, so they may wrap as long as all that are in the tree are less than 2^63 apart. The nodes are part of the clients: no memory is taken. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tree_node {
	struct tree_node *left, *right;
	uint64_t start, deadline; /* set before it is put in */
	uint64_t earliest;        /* deadline in this subtree */
	uint32_t priority;        /* no lower than those below */
};

struct tree {
	struct tree_node *root;
	uint32_t random;
	uint64_t compared; /* comparisons of times so far: what a decision costs, beside the clock */
};

static inline bool time_before(uint64_t a, uint64_t b) { return (int64_t)(a - b) < 0; }

void tree_put(struct tree *, struct tree_node *);
void tree_take(struct tree *, struct tree_node *); /* one that is in it */
/* Of those whose start is before `limit` the one with the earliest deadline; null: there is none. */
struct tree_node *tree_earliest(struct tree *, uint64_t limit);
/* The one that starts first; null: the tree is empty. */
struct tree_node *tree_first(const struct tree *);
