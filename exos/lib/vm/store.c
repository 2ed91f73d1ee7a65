/* See store.h. A frame is cut into cells, the first of which says how many of the others are in use. A piece is a chain of cells, wherever they are. */
#include <string.h>

#include <exos/lib/vm/pool.h>
#include <exos/lib/vm/store.h>

#define CELL_BYTES 120
#define CELLS 31

struct store_cell {
	struct store_cell *next;
	uint8_t bytes[CELL_BYTES];
};

struct store_frame {
	struct store_frame *next, *previous; /* of those with free cells */
	struct store_cell *free;
	frame_t frame;
	uint32_t used;
	char rest[sizeof(struct store_cell) - 32];
	struct store_cell cells[CELLS];
};
_Static_assert(sizeof(struct store_frame) == FRAME_SIZE, "a frame");

static struct store_frame *frame_of(struct store_cell *c) { return (struct store_frame *)((uintptr_t)c & ~(FRAME_SIZE - 1)); }

static void list_add(struct store *s, struct store_frame *f)
{
	f->previous = NULL;
	f->next = s->room;
	if (f->next)
		f->next->previous = f;
	s->room = f;
}

static void list_remove(struct store *s, struct store_frame *f)
{
	if (f->next)
		f->next->previous = f->previous;
	if (f->previous)
		f->previous->next = f->next;
	else
		s->room = f->next;
}

static bool add_frame(struct store *s)
{
	frame_t frame = pool_get();
	struct store_frame *f;

	if (frame == NO_FRAME)
		return false;
	f = exos_frame_bytes(frame);
	f->frame = frame;
	f->used = 0;
	f->free = NULL;
	for (int i = CELLS; i--;) {
		f->cells[i].next = f->free;
		f->free = &f->cells[i];
	}
	s->frames++;
	list_add(s, f);
	return true;
}

static struct store_cell *take_cell(struct store *s)
{
	struct store_frame *f;
	struct store_cell *c;

	if (!s->room && !add_frame(s))
		return NULL;
	f = s->room;
	c = f->free;
	f->free = c->next;
	if (++f->used == CELLS)
		list_remove(s, f);
	c->next = NULL;
	return c;
}

static void put_cell(struct store *s, struct store_cell *c)
{
	struct store_frame *f = frame_of(c);

	if (f->used == CELLS)
		list_add(s, f);
	c->next = f->free;
	f->free = c;
	if (--f->used)
		return;
	list_remove(s, f);
	s->frames--;
	pool_put(f->frame);
}

struct store_cell *store_put(struct store *s, const void *bytes, size_t n)
{
	struct store_cell *first = NULL, **link = &first;

	for (size_t done = 0, some; done < n; done += some) {
		some = n - done < CELL_BYTES ? n - done : CELL_BYTES;
		*link = take_cell(s);
		if (!*link) {
			store_drop(s, first);
			return NULL;
		}
		memcpy((*link)->bytes, (const char *)bytes + done, some);
		link = &(*link)->next;
	}
	return first;
}

void store_get(const struct store_cell *c, void *bytes, size_t n)
{
	for (size_t done = 0, some; done < n; done += some, c = c->next) {
		some = n - done < CELL_BYTES ? n - done : CELL_BYTES;
		memcpy((char *)bytes + done, c->bytes, some);
	}
}

void store_drop(struct store *s, struct store_cell *c)
{
	while (c) {
		struct store_cell *next = c->next;

		put_cell(s, c);
		c = next;
	}
}
