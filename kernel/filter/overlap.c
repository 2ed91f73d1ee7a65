/* May a packet that a new filter accepts be another account's? Filters are compared as the sets of packets that they accept, by a walk of the trie that leaves out what cannot have a packet in common with the new one:
 * what compares a bit that this one compares too, with another value, and what is the same owner's anyway. What cannot be told apart counts as in common. */
#include <kernel/filter/trie.h>

struct walk {
	const struct filters *fs;
	const struct filter_request *request;
	uint32_t looks;
};

#define APART (-1) /* a context: shifts were passed that are not the new filter's, so fields behind them are at other places than its own */

/* What the new filter says about a field behind its first `context` shifts, in *value: returns the bits of the mask that it compares. */
static uint32_t said(const struct walk *w, int context, const struct node *field, uint32_t *value)
{
	uint32_t mask = 0;
	int at = 0;

	*value = 0;
	for (uint32_t i = 0; i < w->request->atom_count; i++) {
		const struct aegis_atom *a = &w->request->atoms[i];

		if (a->kind == ATOM_SHIFT) {
			at++;
			continue;
		}
		/* both as 64-bit numbers, moved so that the same bits of the packet are at the same places */
		if (at != context || a->offset + a->size <= field->offset || field->offset + field->size <= a->offset)
			continue;
		{
			int move = 8 * ((field->offset + field->size) - (a->offset + a->size));
			uint32_t m = move < 0 ? (uint32_t)((uint64_t)a->mask >> -move) : (uint32_t)((uint64_t)a->mask << move);
			uint32_t v = move < 0 ? (uint32_t)((uint64_t)a->value >> -move) : (uint32_t)((uint64_t)a->value << move);

			m &= field->mask & ~mask; /* a bit that is compared twice: the first time counts */
			mask |= m;
			*value |= v & m;
		}
	}
	return mask;
}

/* Of the context behind a shift of the trie's. */
static int shifted(const struct walk *w, int context, const struct node *n)
{
	int at = 0;

	for (uint32_t i = 0; i < w->request->atom_count; i++) {
		const struct aegis_atom *a = &w->request->atoms[i];

		if (a->kind == ATOM_SHIFT && at++ == context)
			return a->offset == n->offset && a->size == n->size && a->mask == n->mask && a->value == n->shift ? context + 1 : APART;
	}
	return APART;
}

static bool place_meets(struct walk *w, const struct edge *place, int context);

static bool compare_meets(struct walk *w, uint32_t number, int context)
{
	const struct filters *fs = w->fs;
	const struct node *n = &fs->nodes[number];
	uint32_t value, mask = said(w, context, n, &value);

	if (mask == n->mask) {
		struct edge *e = edge_find(fs, number, value);

		return e && place_meets(w, e, context);
	}
	mask = as_loaded(mask, n->size);
	value = as_loaded(value, n->size);
	for (uint32_t e = n->first; e; e = fs->edges[e].next) {
		if (++w->looks > LOOK_MAX)
			return true;
		if (((uint32_t)fs->edges[e].key & mask) == value && place_meets(w, &fs->edges[e], context))
			return true;
	}
	return false;
}

/* Its depth of recursion is that of the trie: a filter's atoms. */
static bool place_meets(struct walk *w, const struct edge *place, int context)
{
	const struct filters *fs = w->fs;

	for (uint32_t i = place->head; i; i = fs->nodes[i].next) {
		const struct node *n = &fs->nodes[i];

		if (++w->looks > LOOK_MAX)
			return true;
		if (n->owner == w->request->owner && !n->others)
			continue;
		if (n->kind == NODE_ACCEPT) {
			if (n->first != w->request->scope)
				return true;
		} else if (n->kind == NODE_SHIFT) {
			if (place_meets(w, &fs->edges[n->first], shifted(w, context, n)))
				return true;
		} else if (compare_meets(w, i, context)) {
			return true;
		}
	}
	return false;
}

int64_t overlap_check(const struct filters *fs, const struct filter_request *request)
{
	struct walk w = {.fs = fs, .request = request};

	return place_meets(&w, &fs->edges[fs->nodes[request->root].first], 0) ? -E_BUSY : 0;
}
