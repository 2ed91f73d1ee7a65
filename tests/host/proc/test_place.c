/* Where programs and interpreters are put, whatever their headers say: in the program's part of the address space, aligned, apart. Arguments: seed, rounds. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/layout.h>
#include <exos/proc/image.h>
#include <exos/random.h>

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The library's source of chance, replaced by ours. */
void random_bytes(void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)next();
}

static uint64_t page_below(uint64_t limit) { return ROUND_DOWN(next() % limit, ELF_PAGE); }

/* As elf_parse and elf_parse_table leave it. */
static void draw(struct elf_image *elf)
{
	uint64_t limit = next() % 4 ? 1ul << (21 + next() % 20) : ELF_ADDRESS_TOP;

	memset(elf, 0, sizeof(*elf));
	elf->movable = next() % 4;
	elf->alignment = next() % 8 ? ELF_PAGE : ELF_PAGE << next() % 36;
	elf->low = next() % 3 ? page_below(1ul << 23) : page_below(ELF_ADDRESS_TOP - ELF_PAGE);
	elf->high = elf->low + ELF_PAGE + page_below(MIN(limit, ELF_ADDRESS_TOP - elf->low - ELF_PAGE) + 1);
	elf->entry = next() % 8 ? elf->low + next() % (elf->high - elf->low) : next() % ELF_ADDRESS_TOP;
}

static bool placed_well(const struct elf_image *elf, uint64_t bias)
{
	uint64_t low = bias + elf->low, high = bias + elf->high;

	return low >= PROGRAM_BOTTOM && low < high && high <= STACK_ROOM_BOTTOM && bias + elf->entry < PROGRAM_TOP && (elf->movable ? bias % elf->alignment == 0 : !bias);
}

static bool round_holds(bool *accepted)
{
	static struct image image;
	static struct interpreter interpreter;
	int error;

	draw(&image.elf);
	draw(&interpreter.elf);
	image.interpreter = next() % 2 ? &interpreter : NULL;
	error = image_place(&image, next() % 2);
	*accepted = !error;
	if (error)
		return error == -ENOEXEC || error == -ELIBBAD;
	if (!placed_well(&image.elf, image.bias) || image.mmap_top > STACK_ROOM_BOTTOM || image.mmap_top % FRAME_SIZE || image.brk > PROGRAM_TOP)
		return false;
	if (!image.interpreter)
		return true;
	return placed_well(&interpreter.elf, interpreter.bias) &&
	       (interpreter.bias + interpreter.elf.high <= image.bias + image.elf.low || image.bias + image.elf.high <= interpreter.bias + interpreter.elf.low);
}

static void place(struct image *image, struct interpreter *interpreter, bool fixed)
{
	image->elf = (struct elf_image){.movable = true, .alignment = ELF_PAGE, .high = 0x5000, .entry = 0x1000};
	if (interpreter)
		interpreter->elf = image->elf;
	image->interpreter = interpreter;
	if (image_place(image, fixed))
		abort();
}

static bool chance_is_used(void)
{
	static struct image one, other;
	static struct interpreter a, b;

	place(&one, &a, false);
	place(&other, &b, false);
	if (one.bias == other.bias || a.bias == b.bias || one.bias % (2ul << 20) != other.bias % (2ul << 20))
		return false;
	place(&one, &a, true);
	place(&other, &b, true);
	return one.bias == other.bias && a.bias == b.bias;
}

static bool linker_run_by_name_leaves_room(void)
{
	static struct image image;

	place(&image, NULL, false);
	return image.brk < image.bias && image.bias - image.brk > 1ul << 40;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 300000;
	uint64_t accepted = 0, wrong = 0;
	bool chance, room;

	state = seed * 0x9e3779b97f4a7c15u | 1;
	for (uint64_t n = 0; n < rounds; n++) {
		bool good;

		if (!round_holds(&good) && !wrong++)
			printf("# seed %lu: round %lu\n", seed, n);
		accepted += good;
	}
	printf("# seed %lu: %lu of %lu placed\n", seed, accepted, rounds);
	printf("%sok 1 - what is placed is in the program's part, aligned, and apart from its interpreter\n", wrong ? "not " : "");
	printf("%sok 2 - some has a place and some has none\n", accepted && accepted < rounds ? "" : "not ");
	chance = chance_is_used();
	printf("%sok 3 - addresses differ, by whole leaves of the page table, unless they are to be fixed\n", chance ? "" : "not ");
	room = linker_run_by_name_leaves_room();
	printf("%sok 4 - a movable program without interpreter leaves the room above the break free\n", room ? "" : "not ");
	printf("1..4\n");
	return wrong || !chance || !room;
}
