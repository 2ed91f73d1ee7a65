/* The B+-tree: keys in order, no bit of memory for what is not mapped, 20 to 28 bytes a page however far apart pages lie; it pays with a search in
 * each node.
 *
 * Nodes of 512 bytes, eight a page. Going down to insert, a full node is split before it is entered, so that no way back is needed and a failure
 * leaves a whole tree. A leaf that is full and is to be extended at its end is left full, so that ascending inserts fill their nodes. A node is freed
 * when it is empty and not merged when it is half (Johnson and Shasha, 1993: that costs little memory). Freed nodes are used again; pages go back
 * when the table is destroyed. */
#include <exos/lib/vm/page_table.h>

#define KEYS 31u

/* A leaf has an entry a key. Another node has the addresses of its children, one more than keys: word i leads to what is below keys[i], the last one
 * to the rest. */
struct node {
	union {
		uint64_t count;	   /* keys */
		struct node *next; /* of a free one */
	};
	uint64_t keys[KEYS];
	uint64_t words[KEYS + 1];
};
_Static_assert(PAGE_SIZE % sizeof(struct node) == 0, "nodes fill a page");

static struct node *child(const struct node *n, uint64_t i) { return (struct node *)n->words[i]; }

struct btree {
	struct page_table head;
	struct node *root, *free;
	uint32_t height; /* 0: the root is a leaf */
};

static void node_put(struct btree *b, struct node *n)
{
	n->next = b->free;
	b->free = n;
}

static struct node *node_get(struct btree *b)
{
	struct node *n = b->free;

	if (!n) {
		n = page_table_get(&b->head, 1);
		if (!n)
			return NULL;
		for (uint32_t i = PAGE_SIZE / sizeof(*n); i--;)
			node_put(b, &n[i]);
	}
	b->free = n->next;
	n->count = 0;
	return n;
}

static bool create(struct page_table *t)
{
	struct btree *b = (struct btree *)t;

	b->root = node_get(b);
	return b->root;
}

/* How many keys are not above this page. */
static inline uint64_t keys_upto(const struct node *n, uint64_t page)
{
	uint64_t low = 0, high = n->count;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (n->keys[middle] <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The leaf where this page is, or would be; *i: its place, or that of the first page above it. */
static inline struct node *leaf_of(struct page_table *t, uint64_t page, uint64_t *i)
{
	struct btree *b = (struct btree *)t;
	struct node *n = b->root;

	for (uint32_t height = b->height; height; height--)
		n = child(n, keys_upto(n, page));
	*i = keys_upto(n, page);
	*i -= *i && n->keys[*i - 1] == page;
	return n;
}

static uint64_t *find(struct page_table *t, uint64_t page)
{
	uint64_t i;
	struct node *leaf = leaf_of(t, page, &i);

	return i < leaf->count && leaf->keys[i] == page ? &leaf->words[i] : NULL;
}

/* Makes room at i: words from there on move one further. */
static void shift_up(uint64_t *words, uint64_t i, uint64_t count)
{
	for (uint64_t j = count; j > i; j--)
		words[j] = words[j - 1];
}

static void shift_down(uint64_t *words, uint64_t i, uint64_t count)
{
	for (uint64_t j = i + 1; j < count; j++)
		words[j - 1] = words[j];
}

/* Moves the upper part of a full node into a new one; returns the key between them. */
static uint64_t divide(struct node *n, struct node *right, bool leaf, uint64_t page)
{
	uint64_t at = leaf && page > n->keys[KEYS - 1] ? KEYS : KEYS / 2, from = leaf ? at : at + 1; /* the middle key of an inner node moves up */

	right->count = KEYS - from;
	for (uint64_t i = from; i < KEYS; i++) {
		right->keys[i - from] = n->keys[i];
		right->words[i - from] = n->words[i];
	}
	if (!leaf)
		right->words[right->count] = n->words[KEYS];
	n->count = at;
	return at == KEYS ? page : n->keys[at];
}

/* Splits the full child i of a node that is not full. False: no memory. */
static bool split(struct btree *b, struct node *above, uint64_t i, bool leaf, uint64_t page)
{
	struct node *right = node_get(b);
	uint64_t key;

	if (!right)
		return false;
	key = divide(child(above, i), right, leaf, page);
	shift_up(above->keys, i, above->count);
	shift_up(above->words, i + 1, above->count + 1);
	above->keys[i] = key;
	above->words[i + 1] = (uintptr_t)right;
	above->count++;
	return true;
}

/* A new root above one that is full. */
static bool grow(struct btree *b)
{
	struct node *root = node_get(b);

	if (!root)
		return false;
	root->words[0] = (uintptr_t)b->root;
	b->root = root;
	b->height++;
	return true;
}

static uint64_t *insert(struct page_table *t, uint64_t page, uint64_t entry)
{
	struct btree *b = (struct btree *)t;
	uint64_t *at = find(t, page), i;
	struct node *n;

	if (at) {
		*at = entry;
		return at;
	}
	if (b->root->count == KEYS && !grow(b))
		return NULL;
	n = b->root;
	for (uint32_t height = b->height; height; height--) {
		i = keys_upto(n, page);
		if (child(n, i)->count == KEYS) {
			if (!split(b, n, i, height == 1, page))
				return NULL;
			i += page >= n->keys[i];
		}
		n = child(n, i);
	}
	i = keys_upto(n, page);
	shift_up(n->keys, i, n->count);
	shift_up(n->words, i, n->count);
	n->count++;
	n->keys[i] = page;
	n->words[i] = entry;
	t->present++;
	return &n->words[i];
}

/* Takes a page out below a node; true: the node has nothing left. */
static bool take_below(struct btree *b, struct node *n, uint32_t height, uint64_t page)
{
	uint64_t i = keys_upto(n, page);

	if (!height) {
		shift_down(n->keys, i - 1, n->count);
		shift_down(n->words, i - 1, n->count);
		return --n->count == 0;
	}
	if (!take_below(b, child(n, i), height - 1, page))
		return false;
	node_put(b, child(n, i));
	if (!n->count)
		return true;
	shift_down(n->keys, i ? i - 1 : 0, n->count);
	shift_down(n->words, i, n->count + 1);
	n->count--;
	return false;
}

static uint64_t take(struct page_table *t, uint64_t page)
{
	struct btree *b = (struct btree *)t;
	uint64_t *at = find(t, page), entry;
	struct node *root;

	if (!at)
		return 0;
	entry = *at;
	t->present--;
	if (take_below(b, b->root, b->height, page))
		b->height = 0; /* the empty root is a leaf again */
	while (b->height && !b->root->count) {
		root = b->root;
		b->root = child(root, 0);
		node_put(b, root);
		b->height--;
	}
	return entry;
}

static uint64_t *run(struct page_table *t, uint64_t page, uint64_t *count)
{
	uint64_t i, n = *count;
	struct node *leaf = leaf_of(t, page, &i);

	if (i == leaf->count || leaf->keys[i] != page) {
		*count = i == leaf->count ? 1 : n < leaf->keys[i] - page ? n : leaf->keys[i] - page;
		return NULL;
	}
	n = n < leaf->count - i ? n : leaf->count - i;
	while (leaf->keys[i + n - 1] != page + n - 1)
		n--;
	*count = n;
	return &leaf->words[i];
}

static void walk_below(struct node *n, uint32_t height, page_visitor *visit, void *context)
{
	for (uint64_t i = 0; height && i <= n->count; i++)
		walk_below(child(n, i), height - 1, visit, context);
	for (uint64_t i = 0; !height && i < n->count; i++)
		visit(context, n->keys[i], &n->words[i]);
}

static void walk(struct page_table *t, page_visitor *visit, void *context)
{
	struct btree *b = (struct btree *)t;

	walk_below(b->root, b->height, visit, context);
}

static void put_below(struct btree *b, struct node *n, uint32_t height)
{
	for (uint64_t i = 0; height && i <= n->count; i++)
		put_below(b, child(n, i), height - 1);
	node_put(b, n);
}

/* When all nodes are free, those that begin a page stand for the page. */
static void destroy(struct page_table *t)
{
	struct btree *b = (struct btree *)t;
	struct node *pages = NULL, *n;

	put_below(b, b->root, b->height);
	while ((n = b->free)) {
		b->free = n->next;
		if ((uintptr_t)n % PAGE_SIZE)
			continue;
		n->next = pages;
		pages = n;
	}
	while ((n = pages)) {
		pages = n->next;
		page_table_put(t, n, 1);
	}
}

const struct page_table_ops page_table_btree = { "btree", sizeof(struct btree), create, find, insert, take, run, walk, destroy };
