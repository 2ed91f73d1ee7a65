/* The trie: filters come and go, and the code of the nodes that this changes is written anew. */
#include <kernel/filter/trie.h>

#define NODES_MORE 128

static uint32_t node_limit(uint32_t slots) { return slots * FILTER_NODES + NODES_MORE; }
static uint32_t table_bits(uint32_t slots) { return 64 - (uint32_t)__builtin_clzl(node_limit(slots)); } /* more buckets than edges */
static size_t aligned(size_t n) { return (n + 63) & -64ul; }

/* An edge leads to a node, and a node is at one place, so there are never more edges than nodes. Number 0 of each is none. */
size_t filters_data_size(uint32_t slots)
{
	return aligned(sizeof(struct filters)) + aligned((node_limit(slots) + 1) * sizeof(struct node)) + aligned((node_limit(slots) + 1) * sizeof(struct edge)) +
		aligned((slots + 1) * sizeof(struct filter)) + aligned(sizeof(struct edge *) << table_bits(slots));
}

size_t filters_code_size(uint32_t slots) { return (size_t)(node_limit(slots) + 1) * CODE_CELL; }

struct filters *filters_start(const struct filter_memory *memory)
{
	uint32_t slots = memory->slots, nodes = node_limit(slots);
	struct filters *fs = memory->data;
	uint8_t *at = memory->data;

	fs->memory = *memory;
	fs->memory.key |= 1; /* the multiplier of the hash is odd */
	fs->nodes = (void *)(at += aligned(sizeof(*fs)));
	fs->edges = (void *)(at += aligned((nodes + 1) * sizeof(struct node)));
	fs->filters = (void *)(at += aligned((nodes + 1) * sizeof(struct edge)));
	fs->table = (void *)(at + aligned((slots + 1) * sizeof(struct filter)));
	fs->table_bits = table_bits(slots);
	for (size_t i = 0; i < 1ul << fs->table_bits; i++)
		fs->table[i] = fs->edges;
	fs->free_nodes = fs->free_edges = (struct pool){.fresh = 1, .left = nodes};
	fs->free_filters = (struct pool){.fresh = 1, .left = slots};
	code_shared(memory->code, fs->memory.key, fs->table_bits, fs->table);
	return fs;
}

/* The caller has seen that there is one. `next`: the field of a free one that has the number of the next. */
#define TAKE(pool, all, next) \
	({ \
		uint32_t taken_ = (pool)->free; \
		if (taken_) \
			(pool)->free = (all)[taken_].next; \
		else \
			taken_ = (pool)->fresh++; \
		(pool)->left--; \
		taken_; \
	})
#define GIVE(pool, all, next, which) \
	do { \
		(all)[which].next = (pool)->free; \
		(pool)->free = (which); \
		(pool)->left++; \
	} while (0)

static const uint8_t *code_of(const struct filters *fs, uint32_t node) { return node ? fs->memory.run + (size_t)node * CODE_CELL : NULL; }

/* Edges: in the hash table, and in a list of their node's. */
static struct edge **bucket(const struct filters *fs, uint64_t key) { return &fs->table[key * fs->memory.key >> (64 - fs->table_bits)]; }

static uint64_t edge_key(const struct filters *fs, uint32_t node, uint32_t value) { return (uint64_t)node << 32 | as_loaded(value, fs->nodes[node].size); }

struct edge *edge_find(const struct filters *fs, uint32_t node, uint32_t value)
{
	uint64_t key = edge_key(fs, node, value);
	struct edge *e = *bucket(fs, key);

	while (e && e->key != key)
		e = e->chain;
	return e;
}

static struct edge *edge_make(struct filters *fs, uint32_t node, uint32_t value)
{
	struct node *n = &fs->nodes[node];
	uint32_t number = TAKE(&fs->free_edges, fs->edges, next);
	struct edge *e = &fs->edges[number], **in;

	*e = (struct edge){.key = edge_key(fs, node, value), .next = n->first};
	in = bucket(fs, e->key);
	e->chain = *in == fs->edges ? NULL : *in;
	*in = e;
	if (n->first)
		fs->edges[n->first].previous = number;
	n->first = number;
	n->edges++;
	return e;
}

static void edge_end(struct filters *fs, struct edge *e)
{
	struct node *n = &fs->nodes[edge_parent(e)];
	struct edge **in = bucket(fs, e->key), **first = in;

	while (*in != e)
		in = &(*in)->chain;
	*in = e->chain;
	if (!*first)
		*first = fs->edges;
	if (e->next)
		fs->edges[e->next].previous = e->previous;
	*(e->previous ? &fs->edges[e->previous].next : &n->first) = e->next;
	n->edges--;
	e->key = 0;
	GIVE(&fs->free_edges, fs->edges, next, (uint32_t)(e - fs->edges));
}

/* The few edges of a node; those behind which filters compare more come first. */
static void list_children(const struct filters *fs, const struct node *n, const struct edge **children)
{
	uint32_t e = n->first;

	for (uint32_t i = 0, at; i < CODE_CHILDREN && e; i++, e = fs->edges[e].next) {
		for (at = i; at > 0 && fs->nodes[children[at - 1]->head].most < fs->nodes[fs->edges[e].head].most; at--)
			children[at] = children[at - 1];
		children[at] = &fs->edges[e];
	}
}

/* Writes a node's code; it depends on its field, its edges, and the next node at its place. */
static void write_code(const struct filters *fs, uint32_t number)
{
	const struct node *n = &fs->nodes[number];
	struct code_node from = {.node = n, .number = number, .next = code_of(fs, n->next), .next_most = fs->nodes[n->next].most};

	if (n->kind == NODE_ACCEPT) {
		from.key = fs->filters[n->first].key;
		from.program = fs->filters[n->first].program;
	} else if (n->edges <= CODE_CHILDREN) {
		list_children(fs, n, from.children);
	}
	code_write(&from, fs->memory.code + (size_t)number * CODE_CELL, code_of(fs, number), fs->memory.run);
}

/* A place's nodes, the one with the most first. */
static void set_head(struct filters *fs, uint32_t place, uint32_t node)
{
	fs->edges[place].head = node;
	fs->edges[place].code = code_of(fs, node);
}

static void unlink(struct filters *fs, uint32_t number)
{
	struct node *n = &fs->nodes[number];

	if (n->next)
		fs->nodes[n->next].previous = n->previous;
	if (n->previous) {
		fs->nodes[n->previous].next = n->next;
		write_code(fs, n->previous);
	} else {
		set_head(fs, n->place, n->next);
	}
}

static void link(struct filters *fs, uint32_t number)
{
	struct node *n = &fs->nodes[number];
	uint32_t before = 0, after = fs->edges[n->place].head;

	while (after && fs->nodes[after].most >= n->most) {
		before = after;
		after = fs->nodes[after].next;
	}
	n->previous = before;
	n->next = after;
	if (after)
		fs->nodes[after].previous = number;
	if (before) {
		fs->nodes[before].next = number;
		write_code(fs, before);
	} else {
		set_head(fs, n->place, number);
	}
}

static uint32_t node_make(struct filters *fs, uint32_t place, const struct node *like, uint32_t owner)
{
	uint32_t number = TAKE(&fs->free_nodes, fs->nodes, next);
	struct node *n = &fs->nodes[number];

	*n = *like;
	n->place = place;
	n->owner = owner;
	if (place) /* a root has none */
		link(fs, number);
	return number;
}

/* Of a node, and with it its place's. */
static void set_cost(struct filters *fs, uint32_t number, uint32_t cost)
{
	struct node *n = &fs->nodes[number];

	if (n->place)
		fs->edges[n->place].cost += cost - n->cost;
	n->cost = cost;
}

/* Its edges, or its `most`, have changed. */
static void settle(struct filters *fs, uint32_t number, uint32_t most)
{
	struct node *n = &fs->nodes[number];

	if (most != n->most && n->place) {
		unlink(fs, number);
		n->most = most;
		link(fs, number);
	}
	write_code(fs, number);
}

filter_root filter_root_make(struct filters *fs)
{
	uint32_t root;

	if (!fs->free_nodes.left || !fs->free_edges.left)
		return 0;
	root = node_make(fs, 0, &(struct node){.kind = NODE_ROOT}, 0);
	edge_make(fs, root, 0);
	write_code(fs, root);
	return root;
}

void filter_root_end(struct filters *fs, filter_root root)
{
	edge_end(fs, &fs->edges[fs->nodes[root].first]);
	GIVE(&fs->free_nodes, fs->nodes, next, root);
}

/* What a node must be that compares, or shifts by, this atom's field behind `place`. */
static struct node node_like(const struct filters *fs, const struct edge *place, const struct aegis_atom *a)
{
	const struct node *n = &fs->nodes[edge_parent(place)];
	struct node like = {.kind = a->kind, .size = a->size, .offset = a->offset, .mask = a->mask, .depth = n->depth, .known = n->known};
	uint32_t end = n->offset + n->size;

	if (a->kind == ATOM_SHIFT)
		like.shift = (uint8_t)a->value;
	if (n->kind == NODE_ROOT) {
		like.known = SHORT_PACKET;
	} else if (n->kind == NODE_SHIFT) {
		like.depth++;
		like.known = 0;
	} else if (n->kind == NODE_COMPARE && end > n->known) {
		like.known = (uint16_t)end;
	}
	return like;
}

static bool same_test(const struct node *n, const struct node *like)
{
	return n->kind == like->kind && n->size == like->size && n->offset == like->offset && n->mask == like->mask && n->shift == like->shift;
}

/* Follows the atoms as far as nodes and edges for them are there. */
struct found {
	struct edge *place;
	uint32_t atoms;   /* passed on the way to place */
	uint32_t node;    /* the test of the next atom, if that is at place, but has no edge for its value */
	bool far;         /* too many nodes on the way */
};
static struct found follow(struct filters *fs, const struct filter_request *request)
{
	struct found f = {.place = &fs->edges[fs->nodes[request->root].first]};
	uint32_t looks = 0;

	for (; f.atoms < request->atom_count; f.atoms++) {
		const struct aegis_atom *a = &request->atoms[f.atoms];
		struct node like = node_like(fs, f.place, a);
		struct edge *e;

		f.node = f.place->head;
		while (f.node && !same_test(&fs->nodes[f.node], &like)) {
			f.node = fs->nodes[f.node].next;
			if (++looks > LOOK_MAX) {
				f.far = true;
				return f;
			}
		}
		e = f.node ? edge_find(fs, f.node, a->kind == ATOM_SHIFT ? 0 : a->value) : NULL;
		if (!e)
			return f;
		f.place = e;
	}
	f.node = 0;
	return f;
}

/* A filter ends there that is the same as this one: it has no program, or the same. */
static bool there_already(const struct filters *fs, const struct edge *place, const uint8_t *program)
{
	for (uint32_t n = place->head; n; n = fs->nodes[n].next)
		if (fs->nodes[n].kind == NODE_ACCEPT && fs->filters[fs->nodes[n].first].program == program)
			return true;
	return false;
}

/* Its atoms are the scope's, how many is said in *n, and perhaps more. */
static bool begins_with(const struct filters *fs, const struct filter_request *request, uint32_t scope, uint32_t *n)
{
	struct aegis_atom atoms[NET_ATOMS_MAX];

	if (filter_trie(fs, scope) != request->root)
		return false;
	*n = filter_path(fs, scope, atoms);
	if (*n > request->atom_count)
		return false;
	for (uint32_t i = 0; i < *n; i++) {
		const struct aegis_atom *a = &request->atoms[i], *b = &atoms[i];

		if (a->kind != b->kind || a->size != b->size || a->offset != b->offset || a->mask != b->mask || a->value != b->value)
			return false;
	}
	return true;
}

/* Bits of the packet that the atoms compare, each once however often it is named. */
static uint32_t compared_bits(const struct aegis_atom *atoms, uint32_t n)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t byte = 0; byte < atoms[i].size && atoms[i].kind == ATOM_COMPARE; byte++) {
			uint32_t at = atoms[i].offset + byte;
			uint8_t mask = (uint8_t)(atoms[i].mask >> 8 * (atoms[i].size - 1 - byte));

			for (uint32_t j = i; j-- > 0 && atoms[j].kind != ATOM_SHIFT;)
				if (at >= atoms[j].offset && at < atoms[j].offset + atoms[j].size)
					mask &= (uint8_t)~(atoms[j].mask >> 8 * (atoms[j].offset + atoms[j].size - 1 - at));
			bits += (uint32_t)__builtin_popcount(mask);
		}
	}
	return bits;
}

/* A filter comes or goes: who owns what is below each node on its way, itself included. */
static void count_owner(struct filters *fs, uint32_t node, uint32_t owner, uint32_t by)
{
	for (;; node = edge_parent(&fs->edges[fs->nodes[node].place])) {
		struct node *n = &fs->nodes[node];

		*(n->owner == owner ? &n->own : &n->others) += by;
		if (!n->place)
			return;
	}
}

static uint32_t accept_cost(const struct filter_request *request) { return 1 + (request->program ? request->program_length / COST_INSTRUCTIONS : 0); }

/* What the place behind the first `scope` atoms would cost with the new filter, of whose atoms so many as `found` says are there. */
static uint32_t cost_with(const struct filters *fs, const struct filter_request *request, const struct found *found, uint32_t scope)
{
	uint32_t more = request->atom_count - found->atoms + accept_cost(request), with;
	const struct edge *place = found->place;

	if (found->node) /* of a node's edges a packet goes one way */
		more = more > fs->nodes[found->node].cost ? more - fs->nodes[found->node].cost : 0;
	for (uint32_t atoms = found->atoms; atoms > scope; atoms--) {
		const struct node *n = &fs->nodes[edge_parent(place)];

		with = 1 + place->cost + more;
		more = with > n->cost ? with - n->cost : 0;
		place = &fs->edges[n->place];
	}
	return place->cost + more;
}

/* Edges that are in the way of a new one. Nodes that are new get numbers that nobody chooses. */
static uint32_t chain_length(const struct filters *fs, uint32_t node, uint32_t value)
{
	uint32_t n = 0;

	for (const struct edge *e = *bucket(fs, edge_key(fs, node, value)); e; e = e->chain)
		n++;
	return n;
}

int64_t filter_insert(struct filters *fs, const struct filter_request *request)
{
	uint32_t scope = 0; /* atoms */
	uint32_t key = compared_bits(request->atoms, request->atom_count) << KEY_BITS_SHIFT | (request->program ? KEY_PROGRAM : 0), number, node;
	struct found f;

	if (request->scope && !begins_with(fs, request, request->scope, &scope))
		return -E_DENIED;
	f = follow(fs, request);
	if (f.far || overlap_check(fs, request) || (f.atoms == request->atom_count && there_already(fs, f.place, request->program)))
		return -E_BUSY;
	if (cost_with(fs, request, &f, scope) > COST_MOST * (NET_ATOMS_MAX + 1 - scope))
		return -E_FULL;
	if (f.node && chain_length(fs, f.node, request->atoms[f.atoms].value) >= CHAIN_MOST)
		return -E_FULL;
	if (!fs->free_filters.left || fs->free_nodes.left < request->atom_count - f.atoms + 1 || fs->free_edges.left < request->atom_count - f.atoms)
		return -E_FULL;

	for (uint32_t i = f.atoms; i < request->atom_count; i++) {
		const struct aegis_atom *a = &request->atoms[i];
		struct node like = node_like(fs, f.place, a);

		node = f.node ? f.node : node_make(fs, (uint32_t)(f.place - fs->edges), &like, request->owner);
		f.place = edge_make(fs, node, a->kind == ATOM_SHIFT ? 0 : a->value);
		f.node = 0;
	}
	number = TAKE(&fs->free_filters, fs->filters, next);
	key |= -number & NUMBER_MASK;
	node = node_make(fs, (uint32_t)(f.place - fs->edges), &(struct node){.kind = NODE_ACCEPT, .depth = node_like(fs, f.place, &(struct aegis_atom){.kind = ATOM_COMPARE}).depth,
		.first = number, .most = key | NUMBER_MASK}, request->owner);
	fs->filters[number] = (struct filter){.accept = node, .owner = request->owner, .key = key, .word = request->word, .program = request->program};
	fs->count++;
	count_owner(fs, node, request->owner, 1);
	set_cost(fs, node, accept_cost(request));
	write_code(fs, node);
	while (fs->nodes[node].place) {
		uint32_t most = fs->nodes[node].most, cost = 1 + fs->edges[fs->nodes[node].place].cost;

		node = edge_parent(&fs->edges[fs->nodes[node].place]);
		if (cost > fs->nodes[node].cost)
			set_cost(fs, node, cost);
		settle(fs, node, most > fs->nodes[node].most ? most : fs->nodes[node].most);
	}
	return number;
}

/* Something behind a node has gone: what is the most of its edges now, and what do they cost? Where there are many only some are looked at: then it may stay more than it need be, which costs a test more
 * and no packet. */
static uint32_t lessen(struct filters *fs, uint32_t number)
{
	const struct node *n = &fs->nodes[number];
	uint32_t most = 0, cost = 0, looks = 0;

	for (uint32_t e = n->first; e && (most < n->most || cost < n->cost); e = fs->edges[e].next) {
		uint32_t m = fs->nodes[fs->edges[e].head].most;

		if (++looks > 64)
			return n->most;
		most = m > most ? m : most;
		cost = 1 + fs->edges[e].cost > cost ? 1 + fs->edges[e].cost : cost;
	}
	set_cost(fs, number, cost);
	return most;
}

void filter_delete(struct filters *fs, uint32_t filter)
{
	uint32_t node = fs->filters[filter].accept;

	count_owner(fs, node, fs->filters[filter].owner, -1u);
	for (;;) {
		struct edge *place = &fs->edges[fs->nodes[node].place];
		uint32_t parent = edge_parent(place);

		unlink(fs, node);
		set_cost(fs, node, 0);
		GIVE(&fs->free_nodes, fs->nodes, next, node);
		node = parent;
		if (place->head || fs->nodes[node].kind == NODE_ROOT)
			break;
		edge_end(fs, place);
		if (fs->nodes[node].edges)
			break;
	}
	for (;; node = edge_parent(&fs->edges[fs->nodes[node].place])) {
		settle(fs, node, lessen(fs, node));
		if (!fs->nodes[node].place)
			break;
	}
	fs->filters[filter] = (struct filter){0};
	fs->count--;
	GIVE(&fs->free_filters, fs->filters, next, filter);
}

static bool installed(const struct filters *fs, uint32_t filter) { return filter && filter <= fs->memory.slots && fs->filters[filter].accept; }

uint64_t *filter_word(struct filters *fs, uint32_t filter) { return installed(fs, filter) ? &fs->filters[filter].word : NULL; }
uint32_t filter_owner(const struct filters *fs, uint32_t filter) { return installed(fs, filter) ? fs->filters[filter].owner : 0; }
uint32_t filter_count(const struct filters *fs) { return fs->count; }

filter_root filter_trie(const struct filters *fs, uint32_t filter)
{
	uint32_t node = installed(fs, filter) ? fs->filters[filter].accept : 0;

	while (node && fs->nodes[node].place)
		node = edge_parent(&fs->edges[fs->nodes[node].place]);
	return node;
}

filter_code *filter_root_code(const struct filters *fs, filter_root root) { return (filter_code *)(uintptr_t)code_of(fs, root); }

uint32_t filter_demultiplex(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length)
{
	if (length < SHORT_PACKET)
		return short_demultiplex(fs, root, packet, length);
	return filter_root_code(fs, root)(packet, length);
}
