/* See memory.h. Free pieces are chained through their own first words. */
#include <exos/lib/net/memory.h>
#include <exos/lib/vm/pool.h>

#define SMALLEST 5 /* 1 << 5 bytes */
#define CLASSES 8
_Static_assert(MEMORY_MAX == 1 << (SMALLEST + CLASSES - 1), "the largest class");

struct piece {
	struct piece *next;
};
static struct piece *free_pieces[CLASSES];
static uint64_t frames;

static inline unsigned class_of(size_t n) { return n <= 1u << SMALLEST ? 0 : 64 - SMALLEST - (unsigned)__builtin_clzll(n - 1); }

static __attribute__((noinline)) bool refill(unsigned class)
{
	size_t size = 1ul << (SMALLEST + class);
	frame_t f = pool_get();

	if (f == NO_FRAME)
		return false;
	frames++;
	for (size_t at = FRAME_SIZE; at >= size; at -= size) {
		struct piece *p = (struct piece *)((uint8_t *)exos_frame_bytes(f) + at - size);

		p->next = free_pieces[class];
		free_pieces[class] = p;
	}
	return true;
}

void *memory_get_dirty(size_t n)
{
	unsigned class = class_of(n);
	struct piece *p;

	if (class >= CLASSES || (!free_pieces[class] && !refill(class)))
		return NULL;
	p = free_pieces[class];
	free_pieces[class] = p->next;
	return p;
}

void *memory_get(size_t n)
{
	void *p = memory_get_dirty(n);

	return p ? memset(p, 0, n) : NULL;
}

void memory_put(void *p, size_t n)
{
	struct piece *piece = p;
	unsigned class = class_of(n);

	piece->next = free_pieces[class];
	free_pieces[class] = piece;
}

/* The size is kept in front, in what alignment costs anyway. */
void *memory_get_sized(size_t n)
{
	uint8_t *p = memory_get(n + 16);

	if (!p)
		return NULL;
	*(size_t *)p = n + 16;
	return p + 16;
}

void memory_put_sized(void *p)
{
	uint8_t *start;

	if (!p)
		return;
	start = (uint8_t *)p - 16;
	memory_put(start, *(size_t *)start);
}

uint64_t memory_frames(void) { return frames; }
