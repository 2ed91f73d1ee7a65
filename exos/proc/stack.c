/* The stack that a program finds at its first instruction: argument count, arguments, environment, auxiliary vector, and the strings
 * that these point at.
 *
 * Called by exec.c and spawn.c. Written through the window, so that it does not matter whose address space it is. */
#include <exos/proc/image.h>
#include <exos/proc/memory.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/random.h>

#define PLATFORM "x86_64"
#define RANDOM_BYTES 16
#define ARGUMENTS_ALWAYS (128ul << 10) /* bytes of arguments that every program may have, however small its stack limit */
#define ARGUMENTS_MAX (2ul << 20)
#define STACK_FIRST (128ul << 10)      /* mapped below the arguments from the start; the rest comes as the stack grows */

enum auxiliary { AUX_END = 0, AUX_TABLE = 3, AUX_TABLE_ENTRY = 4, AUX_TABLE_ENTRIES = 5, AUX_PAGE_SIZE = 6, AUX_BASE = 7, AUX_FLAGS = 8,
	AUX_ENTRY = 9, AUX_UID = 11, AUX_EUID = 12, AUX_GID = 13, AUX_EGID = 14, AUX_PLATFORM = 15, AUX_FEATURES = 16, AUX_CLOCK_TICKS = 17,
	AUX_SECURE = 23, AUX_RANDOM = 25, AUX_FEATURES_2 = 26, AUX_PATH = 31, AUX_SIGNAL_STACK = 51 };
#define FEATURE_BASES 2 /* programs may write their FS and GS bases themselves */
#define AUX_COUNT 20

/* Addresses, from the bottom to the top. */
struct plan {
	uint64_t rsp;                               /* argument count, pointers, auxiliary vector */
	uint64_t random, platform, strings, path, top; /* top: the end of the path */
	uint32_t skipped;                           /* bytes of the packed strings that do not count */
	uint32_t argc;
};

/* Bytes of the packed string at `at`, with its end; it may go over from one frame to the next. */
static uint32_t packed_length(const struct exec_strings *s, uint32_t at)
{
	uint32_t n = 0;

	for (;;) {
		uint32_t offset = (at + n) % FRAME_SIZE, room = MIN((uint32_t)FRAME_SIZE - offset, s->length - at - n);
		uint32_t part = (uint32_t)strnlen((char *)frame_address(s->frames[(at + n) / FRAME_SIZE]) + offset, room);

		n += part;
		if (part < room)
			return n + 1;
		ASSERT(room);
	}
}

static void make_plan(const struct image *image, struct plan *plan)
{
	const struct exec_strings *s = image->strings;
	uint64_t prefix = 0, words;

	for (uint32_t n = 0; n < image->prefix_count; n++)
		prefix += strlen(image->prefix[n]) + 1;
	plan->skipped = image->dropped ? packed_length(s, 0) : 0;
	plan->argc = image->prefix_count + s->argc - image->dropped;
	/* One word of zeros ends the stack, as programs that look for its top expect. */
	plan->top = PROGRAM_TOP - sizeof(uint64_t);
	plan->path = plan->top - (strlen(image->path) + 1);
	plan->strings = plan->path - (prefix + s->length - plan->skipped);
	plan->platform = plan->strings - sizeof(PLATFORM);
	plan->random = plan->platform - RANDOM_BYTES;
	words = 1 + plan->argc + 1 + s->envc + 1 + 2 * AUX_COUNT;
	plan->rsp = ROUND_DOWN(ROUND_DOWN(plan->random, 16) - words * sizeof(uint64_t), 16);
}

int stack_check(const struct image *image, uint64_t limit)
{
	uint64_t allowed = MIN(MAX(limit / 4, ARGUMENTS_ALWAYS), ARGUMENTS_MAX);
	struct plan plan;

	make_plan(image, &plan);
	return PROGRAM_TOP - plan.rsp <= allowed ? 0 : -E2BIG;
}

static int put_word(struct memory_writer *w, uint64_t word) { return memory_put(w, &word, sizeof(word)); }

static int put_auxiliary(struct memory_writer *w, enum auxiliary type, uint64_t value)
{
	uint64_t pair[2] = {type, value};

	return memory_put(w, pair, sizeof(pair));
}

static int put_pointers(struct memory_writer *w, const struct image *image, const struct plan *plan)
{
	const struct exec_strings *s = image->strings;
	uint32_t at = plan->skipped, own = s->argc - image->dropped;
	uint64_t address = plan->strings;
	int error = put_word(w, plan->argc);

	for (uint32_t n = 0; n < image->prefix_count; n++) {
		error |= put_word(w, address);
		address += strlen(image->prefix[n]) + 1;
	}
	for (uint32_t n = 0; n < own + s->envc; n++) {
		if (n == own)
			error |= put_word(w, 0);
		error |= put_word(w, address + (at - plan->skipped));
		at += packed_length(s, at);
	}
	if (!s->envc)
		error |= put_word(w, 0);
	return error | put_word(w, 0);
}

static int put_vector(struct memory_writer *w, const struct image *image, const struct plan *plan, const struct proc *p)
{
	const struct elf_image *elf = &image->elf;
	int error = 0;

	error |= put_auxiliary(w, AUX_FEATURES, processor_features());
	error |= put_auxiliary(w, AUX_PAGE_SIZE, FRAME_SIZE);
	error |= put_auxiliary(w, AUX_CLOCK_TICKS, 100);
	error |= put_auxiliary(w, AUX_TABLE, elf->table_address ? image->bias + elf->table_address : 0);
	error |= put_auxiliary(w, AUX_TABLE_ENTRY, ELF_ENTRY_SIZE);
	error |= put_auxiliary(w, AUX_TABLE_ENTRIES, elf->table_entries);
	error |= put_auxiliary(w, AUX_BASE, image->interpreter ? image->interpreter->bias : 0);
	error |= put_auxiliary(w, AUX_FLAGS, 0);
	error |= put_auxiliary(w, AUX_ENTRY, image->bias + elf->entry);
	error |= put_auxiliary(w, AUX_UID, p->uid);
	error |= put_auxiliary(w, AUX_EUID, image->euid);
	error |= put_auxiliary(w, AUX_GID, p->gid);
	error |= put_auxiliary(w, AUX_EGID, image->egid);
	error |= put_auxiliary(w, AUX_SECURE, p->uid != image->euid || p->gid != image->egid);
	error |= put_auxiliary(w, AUX_RANDOM, plan->random);
	error |= put_auxiliary(w, AUX_FEATURES_2, FEATURE_BASES);
	error |= put_auxiliary(w, AUX_PATH, plan->path);
	error |= put_auxiliary(w, AUX_PLATFORM, plan->platform);
	error |= put_auxiliary(w, AUX_SIGNAL_STACK, processor_signal_frame_size());
	return error | put_auxiliary(w, AUX_END, 0);
}

static int put_packed(struct memory_writer *w, const struct exec_strings *s, uint32_t at)
{
	int error = 0;

	while (at < s->length && !error) {
		uint32_t offset = at % FRAME_SIZE, part = MIN((uint32_t)FRAME_SIZE - offset, s->length - at);

		error = memory_put(w, (uint8_t *)frame_address(s->frames[at / FRAME_SIZE]) + offset, part);
		at += part;
	}
	return error;
}

static int put_strings(struct memory_writer *w, const struct image *image, const struct plan *plan)
{
	uint8_t random[RANDOM_BYTES];
	int error;

	random_bytes(random, sizeof(random));
	error = memory_put(w, random, sizeof(random));
	error |= memory_put(w, PLATFORM, sizeof(PLATFORM));
	for (uint32_t n = 0; n < image->prefix_count; n++)
		error |= memory_put(w, image->prefix[n], strlen(image->prefix[n]) + 1);
	error |= put_packed(w, image->strings, plan->skipped);
	return error | memory_put(w, image->path, strlen(image->path) + 1);
}

/* argv for /proc/PID/cmdline; what does not fit into a frame is left out. Nobody misses it much when there is no frame for it. */
static void keep_arguments(struct proc *p, const struct image *image, const struct plan *plan)
{
	const struct exec_strings *s = image->strings;
	frame_t f = frame_get();
	uint32_t n = 0, at = plan->skipped;
	char *to = frame_address(f);

	if (p->arguments)
		frame_put(address_frame(p->arguments));
	p->arguments = f == NO_FRAME ? NULL : to;
	p->arguments_length = 0;
	if (f == NO_FRAME)
		return;
	for (uint32_t i = 0; i < image->prefix_count; i++) {
		size_t length = strlen(image->prefix[i]) + 1, part = MIN(length, FRAME_SIZE - n);

		memcpy(to + n, image->prefix[i], part);
		n += (uint32_t)part;
	}
	for (uint32_t i = image->dropped; i < s->argc && n < FRAME_SIZE; i++) {
		uint32_t end = at + packed_length(s, at);

		while (at < end && n < FRAME_SIZE) {
			uint32_t offset = at % FRAME_SIZE;
			uint32_t part = MIN(MIN((uint32_t)FRAME_SIZE - offset, end - at), (uint32_t)FRAME_SIZE - n);

			memcpy(to + n, (char *)frame_address(s->frames[at / FRAME_SIZE]) + offset, part);
			n += part;
			at += part;
		}
	}
	p->arguments_length = n;
}

int stack_build(const struct image *image, struct vm *vm, struct proc *p, uint64_t *rsp)
{
	uint32_t flags = VM_READ | VM_WRITE | VM_GROWS_DOWN | (image->elf.executable_stack ? VM_EXEC : 0);
	struct plan plan;
	struct memory_writer w = {.vm = vm};
	uint64_t bottom;
	int error;

	make_plan(image, &plan);
	bottom = ROUND_DOWN(plan.rsp, FRAME_SIZE) - STACK_FIRST;
	vm->stack_limit = MIN(p->limits[LIMIT_STACK][0], STACK_ROOM);
	if (vm_map(vm, bottom, PROGRAM_TOP - bottom, flags, NULL, 0, 0) < 0)
		return -ENOMEM;
	w.address = plan.rsp;
	error = put_pointers(&w, image, &plan);
	error |= put_vector(&w, image, &plan, p);
	w = (struct memory_writer){.vm = vm, .address = plan.random};
	error |= put_strings(&w, image, &plan);
	if (error)
		return -ENOMEM;
	keep_arguments(p, image, &plan);
	*rsp = plan.rsp;
	return 0;
}
