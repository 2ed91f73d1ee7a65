/* Packets that end before the headers do which filters are mostly about: they go through the trie node by node, so that the compiled code need not ask whether a longer one has the bytes at its beginning. */
#include <kernel/filter/trie.h>

struct packet {
	const uint8_t *bytes;
	uint64_t length;
};

/* The best key at a place and behind it, if it is better than `best`. Recursion as deep as a filter has atoms. */
static uint32_t best_at(const struct filters *fs, const struct edge *place, const struct packet *p, uint64_t base, uint32_t best)
{
	for (uint32_t i = place->head; i && fs->nodes[i].most > best; i = fs->nodes[i].next) {
		const struct node *n = &fs->nodes[i];
		uint64_t at = base + n->offset, step = 0;
		const struct edge *to;

		if (n->kind == NODE_ACCEPT) {
			const struct filter *f = &fs->filters[n->first];

			if (f->key > best && (!f->program || ((bpf_code *)(uintptr_t)f->program)(p->bytes, p->length)))
				best = f->key;
			continue;
		}
		if (at + n->size > p->length)
			continue;
		if (n->kind == NODE_SHIFT) {
			step = (field_at(p->bytes, at, n->size) & n->mask) << n->shift;
			to = &fs->edges[n->first];
		} else {
			to = edge_find(fs, i, field_at(p->bytes, at, n->size) & n->mask);
		}
		if (to)
			best = best_at(fs, to, p, base + step, best);
	}
	return best;
}

__attribute__((noinline)) uint32_t short_demultiplex(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length)
{
	const struct packet p = {packet, length};

	return -best_at(fs, &fs->edges[fs->nodes[root].first], &p, 0, 0) & NUMBER_MASK;
}
