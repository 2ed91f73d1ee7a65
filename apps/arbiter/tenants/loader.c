/* The first instructions of the tenant that is ExOS: it does for it what the kernel does for a first environment (kernel/module.c), with frames
 * of the tenant's own account, and disappears. Until then it runs on pages of the arbiter's. */
#include <aegis/x86_64/stubs.h>
#include <apps/arbiter/lib.h>
#include <apps/arbiter/tenants/start.h>
#include <apps/arbiter/x86_64/places.h>

_Static_assert(BIND_CALL == CALL_bind, "places.h");
#define LEAVE_VA (AEGIS_START_VA + 3 * FRAME_SIZE) /* the one page that stays: the last instructions run there */

struct loader {
	frame_t next, end; /* of the run: neighbours */
};

static _Noreturn void give_up(void) { __builtin_trap(); } /* the environment stops, and the arbiter is told */

static int64_t bind_one(uint64_t va, uint64_t entry)
{
	struct aegis_binding page = { va, entry };

	return aegis_bind(0, &page, 1, NULL);
}

static void bind_page(struct loader *l, uint64_t va, frame_t f, uint64_t flags)
{
	int64_t result;

	while ((result = bind_one(va, BIND_ENTRY(f, flags | BIND_READ))) == -E_NOTABLE) {
		uint32_t level = 3;

		if (l->next + 2 > l->end)
			give_up();
		while (level > 0 && bind_one(va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(l->next, BIND_READ | BIND_LEVEL(level))) != 1)
			level--; /* there is one already */
		if (level == 0)
			give_up();
		l->next += 2;
	}
	if (result != 1)
		give_up();
}

static frame_t take_frame(void)
{
	frame_t f = FRAME_ANY;

	if (aegis_frame_alloc(&f, 1) != 1)
		give_up();
	return f;
}

static void take_run(frame_t first, uint32_t count)
{
	frame_t list[AEGIS_BATCH_MAX];

	while (count) {
		uint32_t n = count < AEGIS_BATCH_MAX ? count : AEGIS_BATCH_MAX;

		for (uint32_t i = 0; i < n; i++)
			list[i] = first + i;
		if (aegis_frame_alloc(list, n) != n)
			give_up();
		first += n;
		count -= n;
	}
}

static void copy_module(struct loader *l, const struct aegis_boot *boot, const uint8_t *from)
{
	uint64_t end = boot->module_va + (uint64_t)boot->module_frames * FRAME_SIZE;
	frame_t f = boot->module_first;

	for (uint64_t va = boot->module_va; va < end; va += FRAME_SIZE, f++) {
		bind_page(l, va, f, BIND_WRITE);
		memcpy((void *)va, from + (va - boot->module_va), FRAME_SIZE);
	}
}

static void bind_segment(struct loader *l, const struct elf_segment *s, const struct aegis_boot *boot)
{
	uint64_t flags = (s->flags & ELF_WRITE ? BIND_WRITE : 0) | (s->flags & ELF_EXECUTE ? BIND_EXEC : 0);
	uint64_t file_end = s->va + s->file_size;

	for (uint64_t va = s->va; va < s->va + s->memory_size; va += FRAME_SIZE) {
		uint64_t at = s->offset + (va - s->va);

		if (va >= file_end) {
			bind_page(l, va, take_frame(), flags);
			memset((void *)va, 0, FRAME_SIZE);
			continue;
		}
		if (file_end - va < FRAME_SIZE && s->memory_size > s->file_size)
			memset((uint8_t *)boot->module_va + at + (file_end - va), 0, FRAME_SIZE - (file_end - va));
		bind_page(l, va, boot->module_first + (frame_t)(at / FRAME_SIZE), flags);
	}
}

static uint64_t bind_image(struct loader *l, const struct aegis_boot *boot)
{
	const struct elf_header *header = (const void *)boot->module_va;
	const struct elf_segment *segments = (const void *)(boot->module_va + header->segments);

	for (uint32_t i = 0; i < header->segment_count; i++)
		if (segments[i].type == ELF_LOAD)
			bind_segment(l, &segments[i], boot);
	return header->entry;
}

static void protect_module(struct loader *l, const struct aegis_boot *boot)
{
	for (uint32_t i = 0; i < boot->module_frames; i++)
		bind_page(l, boot->module_va + i * FRAME_SIZE, boot->module_first + i, 0);
}

static void bind_start_pages(struct loader *l, const struct aegis_boot *boot)
{
	bind_page(l, AEGIS_START_VA, take_frame(), BIND_WRITE);
	memset((void *)AEGIS_START_VA, 0, FRAME_SIZE);
	memcpy((void *)AEGIS_START_VA, boot, sizeof(*boot));
	bind_page(l, AEGIS_START_VA + FRAME_SIZE, boot->upcall, BIND_WRITE);
	bind_page(l, AEGIS_START_VA + 2 * FRAME_SIZE, boot->info, 0);
}

static void give_back(const struct loader *l)
{
	for (frame_t f = l->next; f < l->end; f++)
		if (aegis_frame_free(&f, 1) != 1)
			give_up();
}

/* Everything of the arbiter's that is bound here, tables last: the module, the image, the start pages. */
static _Noreturn void leave(struct loader *l, uint64_t entry)
{
	const struct aegis_binding list[] = {
		{ TENANT_MODULE_VA, BIND_LEVEL(2) },
		{ IMAGE_VA, BIND_LEVEL(1) },
		{ TENANT_START_VA, BIND_LEVEL(1) },
		{ 0, BIND_LEVEL(2) },
		{ 0, BIND_LEVEL(3) },
	};
	uint64_t code = (uint64_t)(loader_leave_end - loader_leave), list_at = LEAVE_VA + ((code + 15) & ~15ul);
	frame_t f = take_frame();

	bind_page(l, LEAVE_VA, f, BIND_WRITE);
	memcpy((void *)LEAVE_VA, loader_leave, code);
	memcpy((void *)list_at, list, sizeof(list));
	bind_page(l, LEAVE_VA, f, BIND_EXEC);
	give_back(l);
	__asm__ volatile("mov %0, %%r12\n\tmov %1, %%r13\n\tjmp *%2"
			 : : "r"(entry), "r"(AEGIS_START_VA), "r"(LEAVE_VA), "S"(list_at), "d"(sizeof(list) / sizeof(*list))
			 : "r12", "r13", "memory");
	__builtin_unreachable();
}

_Noreturn void loader_main(struct tenant_start *start)
{
	struct aegis_boot *boot = &start->boot;
	struct loader l = { start->run_first + boot->module_frames, start->run_first + start->run_count };
	uint64_t entry;

	take_run(start->run_first, start->run_count);
	boot->module_first = start->run_first;
	copy_module(&l, boot, (const uint8_t *)start->module_at);
	entry = bind_image(&l, boot);
	protect_module(&l, boot);
	bind_start_pages(&l, boot);
	leave(&l, entry);
}
