/* Timers: a pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986). Setting one is a comparison, clearing and expiring take O(log n) amortised. */
#include <exos/net/internal.h>

/* A heap is a tree whose nodes' children are lists; `place` is the pointer that points to a node, so that one in the middle can be cut out. */
static struct net_timer *meld(struct net_timer *a, struct net_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->due < a->due) {
		struct net_timer *t = a;

		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->place = &b->next;
	b->place = &a->child;
	a->child = b;
	return a;
}

static struct net_timer *meld_children(struct net_timer *first)
{
	struct net_timer *pairs = NULL, *all = NULL;

	while (first) { /* in pairs, from the left; */
		struct net_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) { /* then all into one, from the right */
		struct net_timer *next = pairs->next;

		pairs->next = NULL;
		all = meld(all, pairs);
		pairs = next;
	}
	return all;
}

static void set_root(struct net_stack *s, struct net_timer *root)
{
	s->timers = root;
	if (root) {
		root->place = &s->timers;
		root->next = NULL;
	}
}

void net_timer_clear(struct net_stack *s, struct net_timer *t)
{
	struct net_timer *below;

	if (!t->due)
		return;
	t->due = 0;
	*t->place = t->next;
	if (t->next)
		t->next->place = t->place;
	below = meld_children(t->child);
	t->child = t->next = NULL;
	set_root(s, meld(s->timers, below));
}

void net_timer_set(struct net_stack *s, struct net_timer *t, uint64_t due)
{
	net_timer_clear(s, t);
	t->due = due ? due : 1;
	t->child = t->next = NULL;
	set_root(s, meld(s->timers, t));
}

void net_timers_run(struct net_stack *s)
{
	while (s->timers && s->timers->due <= s->now) {
		struct net_timer *t = s->timers;

		net_timer_clear(s, t);
		t->expired(t);
	}
}
