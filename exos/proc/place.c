/* Where a program and its interpreter are put in an empty address space, and with that where its break and its mappings begin.
 *
 * Called by image.c. As on Linux: a movable program that has an interpreter is put low, with its break behind it; one that has none (the dynamic linker run
 * by name, static-pie) is put where mappings go, so that the break is free for what it may load. An image that is not movable is where it says.
 *
 * Movable programs are put at random, so that an attacker who knows the program does not know its addresses. The steps are those of a leaf of
 * the page table: any place costs as many tables as any other, and counted instructions do not depend on chance. A program that is
 * bound to its address anyway finds its mappings at the same ones every time. */
#include <exos/layout.h>
#include <exos/proc/image.h>
#include <exos/random.h>

#define MOVABLE_BASE 0x555555554000ul
#define CHANCE_STEP  (2ul << 20)
#define CHANCE_STEPS (1ul << 17) /* 256 GiB */

static uint64_t chance(bool fixed)
{
	uint64_t draw;

	if (fixed)
		return 0;
	random_bytes(&draw, sizeof(draw));
	return draw % CHANCE_STEPS * CHANCE_STEP;
}

/* Whether an image can be moved to anywhere in a range that large. */
static bool fits(const struct elf_image *elf, uint64_t room)
{
	uint64_t span = elf->high - elf->low;

	return span <= room && elf->alignment <= room - span;
}

/* As high below `top` as its alignment allows. Addresses wrap: what is added to high ones may be "negative". */
static bool place_below(const struct elf_image *elf, uint64_t top, uint64_t *bias)
{
	*bias = ROUND_DOWN(top - elf->high, elf->alignment);
	return fits(elf, top - PROGRAM_BOTTOM);
}

static bool place_above(const struct elf_image *elf, uint64_t bottom, uint64_t *bias)
{
	*bias = ROUND_UP(bottom - elf->low, elf->alignment);
	return fits(elf, STACK_ROOM_BOTTOM - bottom);
}

static bool place_fixed(const struct elf_image *elf, uint64_t *bias)
{
	*bias = 0;
	return elf->low >= PROGRAM_BOTTOM && elf->high <= STACK_ROOM_BOTTOM;
}

static bool overlap(const struct image *image)
{
	const struct interpreter *i = image->interpreter;

	return i->bias + i->elf.low < image->bias + image->elf.high && image->bias + image->elf.low < i->bias + i->elf.high;
}

static int place_interpreter(struct image *image)
{
	struct interpreter *i = image->interpreter;
	bool placed = i->elf.movable ? place_below(&i->elf, image->mmap_top, &i->bias) : place_fixed(&i->elf, &i->bias);

	return placed && !overlap(image) && i->bias + i->elf.entry < PROGRAM_TOP ? 0 : -ELIBBAD;
}

int image_place(struct image *image, bool fixed)
{
	struct elf_image *elf = &image->elf;
	uint64_t low_base = MOVABLE_BASE;
	bool placed;

	fixed = fixed || (!elf->movable && !image->interpreter);
	image->mmap_top = STACK_ROOM_BOTTOM - chance(fixed);
	if (elf->movable)
		low_base += chance(fixed);
	if (!elf->movable)
		placed = place_fixed(elf, &image->bias);
	else if (image->interpreter)
		placed = place_above(elf, low_base, &image->bias);
	else
		placed = place_below(elf, image->mmap_top, &image->bias);
	if (!placed || image->bias + elf->entry >= PROGRAM_TOP)
		return -ENOEXEC;
	image->brk = elf->movable && !image->interpreter ? low_base : image->bias + elf->high;
	return image->interpreter ? place_interpreter(image) : 0;
}
