/* Arrays that grow in pieces of what the port has: bytes up to 2,048, and pages. */
#include <exos/ext2/internal.h>

#define PAGE       4096u
#define PIECE_LEAST 64u
#define PIECE_MOST  2048u
#define PER_PAGE   (PAGE / (uint32_t)sizeof(void *))

void *e2_page(struct ext2 *v)
{
	void *page = v->port.page(v->port.data);

	if (page)
		memset(page, 0, PAGE);
	return page;
}

/* One piece of twice the size, or a first page. */
static int grow_piece(struct ext2 *v, struct array *a)
{
	uint32_t bytes = a->room << a->shift, more = bytes ? 2 * bytes : PIECE_LEAST;
	void **root, *piece;

	if (more <= PIECE_MOST) {
		piece = e2_memory(v, more);
		if (!piece)
			return -ENOMEM;
		if (a->root) {
			memcpy(piece, a->root, bytes);
			e2_memory_free(v, a->root);
		}
		a->root = piece;
		a->room = more >> a->shift;
		return 0;
	}
	root = e2_page(v);
	piece = e2_page(v);
	if (!root || !piece) {
		if (root)
			v->port.page_free(v->port.data, root);
		if (piece)
			v->port.page_free(v->port.data, piece);
		return -ENOMEM;
	}
	memcpy(piece, a->root, bytes);
	e2_memory_free(v, a->root);
	root[0] = piece;
	a->root = root;
	a->level = 1;
	a->room = PAGE >> a->shift;
	return 0;
}

static int grow_pages(struct ext2 *v, struct array *a)
{
	uint32_t page = a->room >> (12 - a->shift);
	void **pages = a->root, *piece;

	if (a->level == 1 && page == PER_PAGE) {
		pages = e2_page(v);
		if (!pages)
			return -ENOMEM;
		pages[0] = a->root;
		a->root = pages;
		a->level = 2;
	}
	if (a->level == 2) {
		void **inner = a->root;

		if (page / PER_PAGE >= PER_PAGE)
			return -ENOMEM;
		if (!inner[page / PER_PAGE]) {
			inner[page / PER_PAGE] = e2_page(v);
			if (!inner[page / PER_PAGE])
				return -ENOMEM;
		}
		pages = inner[page / PER_PAGE];
	}
	piece = e2_page(v);
	if (!piece)
		return -ENOMEM;
	pages[page % PER_PAGE] = piece;
	a->room += PAGE >> a->shift;
	return 0;
}

int e2_array_grow(struct ext2 *v, struct array *a, uint32_t n)
{
	int error = 0;

	while (!error && a->room < n)
		error = a->level ? grow_pages(v, a) : grow_piece(v, a);
	return error;
}

static void pages_free(struct ext2 *v, void **pages, unsigned level)
{
	for (uint32_t i = 0; i < PER_PAGE && level; i++)
		if (pages[i])
			pages_free(v, pages[i], level - 1);
	v->port.page_free(v->port.data, pages);
}

void e2_array_free(struct ext2 *v, struct array *a)
{
	if (a->root && a->level)
		pages_free(v, a->root, a->level);
	else if (a->root)
		e2_memory_free(v, a->root);
	a->root = NULL;
	a->room = a->level = 0;
}
