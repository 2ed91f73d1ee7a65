/* Contents of files in memory: a tree from page numbers to frames, as deep as the file is long. Holes take no frames.
 *
 * Called by ramfs_file.c and, through inode_ops.page, by vm. The tree holds one reference to each frame; who maps a
 * page takes another. */
#include <exos/file/ramfs.h>

#define NODE_SHIFT 10
#define NODE_SLOTS (1u << NODE_SHIFT)
_Static_assert(NODE_SLOTS * sizeof(frame_t) == FRAME_SIZE, "a node fills its frame");

uint64_t ramfs_frames;

static frame_t *node_slots(frame_t node) { return frame_address(node); }

/* How many pages a tree of that many levels spans. */
static uint64_t tree_span(uint32_t levels) { return 1ul << NODE_SHIFT * levels; }

/* Puts levels on top until the tree spans the page. */
static bool tree_raise(struct ramfs_node *n, uint64_t index)
{
	while (index >= tree_span(n->tree.levels)) {
		if (n->tree.root != NO_FRAME) {
			frame_t top = frame_get_zeroed();

			if (top == NO_FRAME)
				return false;
			node_slots(top)[0] = n->tree.root;
			n->tree.root = top;
		}
		n->tree.levels++;
	}
	return true;
}

frame_t *tree_slot(struct ramfs_node *n, uint64_t index, bool make)
{
	frame_t *slot = &n->tree.root;

	if (index >= tree_span(n->tree.levels) && (!make || !tree_raise(n, index)))
		return NULL;
	for (uint32_t level = n->tree.levels; level--;) {
		if (*slot == NO_FRAME) {
			if (!make || (*slot = frame_get_zeroed()) == NO_FRAME)
				return NULL;
		}
		slot = &node_slots(*slot)[index >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
	}
	return slot;
}

frame_t ramfs_page(struct inode *i, uint64_t index, bool make)
{
	frame_t *slot = tree_slot(ramfs_node(i), index, make);

	if (!slot)
		return NO_FRAME;
	if (*slot == NO_FRAME && make) {
		*slot = frame_get_zeroed();
		if (*slot != NO_FRAME)
			ramfs_count_page(i, 1);
	}
	return *slot;
}

/* Gives back the pages from `first` on, of the part of the tree below `node`, and nodes that are empty then. The depth
 * is that of the tree: three for the largest file. */
static void tree_cut(struct ramfs_node *n, frame_t *node, uint32_t level, uint64_t first)
{
	uint64_t span;
	uint32_t from;

	if (*node == NO_FRAME)
		return;
	if (level) {
		span = tree_span(level - 1);
		from = (uint32_t)(first / span);
		for (uint32_t s = from; s < NODE_SLOTS; s++)
			tree_cut(n, &node_slots(*node)[s], level - 1, s == from ? first % span : 0);
	}
	if (first)
		return;
	if (!level)
		ramfs_count_page(&n->inode, -1);
	frame_put(*node);
	*node = NO_FRAME;
}

void tree_free(struct ramfs_node *n)
{
	tree_cut(n, &n->tree.root, n->tree.levels, 0);
	n->tree.levels = 0;
}

void ramfs_clear_tail(struct inode *i, uint64_t end)
{
	frame_t f = end % FRAME_SIZE ? ramfs_page(i, end / FRAME_SIZE, false) : NO_FRAME;

	if (f != NO_FRAME)
		memset((char *)frame_address(f) + end % FRAME_SIZE, 0, FRAME_SIZE - end % FRAME_SIZE);
}

int ramfs_truncate(struct inode *i, uint64_t size)
{
	struct ramfs_node *n = ramfs_node(i);
	uint64_t first = ROUND_UP(size, FRAME_SIZE) / FRAME_SIZE;

	if (size > RAMFS_SIZE_MAX)
		return -EFBIG;
	if (!size)
		tree_free(n);
	else if (size < i->size && first < tree_span(n->tree.levels))
		tree_cut(n, &n->tree.root, n->tree.levels, first);
	ramfs_clear_tail(i, MIN(size, i->size));
	i->size = size;
	i->modified = i->changed = time_calendar();
	return 0;
}
