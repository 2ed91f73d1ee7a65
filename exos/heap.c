/* The heap of ExOS: every object that is smaller than a frame and outlives a call.
 *
 * A frame is cut into pieces of one size class, with a header in front: pieces freed are chained in it, those never
 * used yet lie behind `fresh`. A frame whose last piece is freed goes back to the pool at once, so that what the heap
 * holds is what is in use. The sizes are those that fill a frame best: n of them and the header are just under 4,096
 * bytes. Domain lock held. */
#include <exos/frames.h>
#include <exos/heap.h>

struct piece {
	struct piece *next;
};

struct slab {
	struct list link; /* in its class's list while it has room */
	struct piece *free;
	uint16_t kind, used, fresh; /* fresh: pieces cut so far */
} __attribute__((aligned(16)));

#define SLAB_BYTES (FRAME_SIZE - sizeof(struct slab))

static const uint16_t sizes[] = {16, 32, 48, 64, 96, 128, 192, 256, 368, 576, 800, 1344, 2016, HEAP_MAX};
#define CLASSES ARRAY_LENGTH(sizes)
static struct list with_room[CLASSES]; /* zero until the class is first used */

static uint32_t class_of(size_t n)
{
	uint32_t kind = n <= 64 ? 0 : n <= 256 ? 4 : 8;

	while (sizes[kind] < n)
		kind++;
	return kind;
}

static uint32_t pieces(uint32_t kind) { return (uint32_t)(SLAB_BYTES / sizes[kind]); }

static struct slab *slab_new(uint32_t kind)
{
	frame_t f = frame_get();
	struct slab *slab = frame_address(f);

	if (f == NO_FRAME)
		return NULL;
	*slab = (struct slab){.kind = (uint16_t)kind};
	list_append(&with_room[kind], &slab->link);
	return slab;
}

void *heap_alloc(size_t n)
{
	uint32_t kind;
	struct slab *slab;
	struct piece *piece;

	ASSERT(n <= HEAP_MAX);
	kind = class_of(n);
	if (!with_room[kind].next)
		list_init(&with_room[kind]);
	if (!list_empty(&with_room[kind]))
		slab = CONTAINER_OF(with_room[kind].next, struct slab, link);
	else if (!(slab = slab_new(kind)))
		return NULL;
	piece = slab->free;
	if (piece)
		slab->free = piece->next;
	else
		piece = (struct piece *)((char *)(slab + 1) + (size_t)slab->fresh++ * sizes[kind]);
	if (++slab->used == pieces(kind))
		list_remove(&slab->link);
	return memset(piece, 0, n);
}

void heap_free(void *p)
{
	struct slab *slab = (struct slab *)ROUND_DOWN((uintptr_t)p, FRAME_SIZE);
	struct piece *piece = p;

	if (!p)
		return;
	ASSERT(slab->kind < CLASSES && slab->used);
	if (slab->used == pieces(slab->kind))
		list_append(&with_room[slab->kind], &slab->link);
	piece->next = slab->free;
	slab->free = piece;
	if (--slab->used == 0) {
		list_remove(&slab->link);
		frame_put(address_frame(slab));
	}
}
