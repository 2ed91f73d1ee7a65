/* See handler.h. */
#include <errno.h>
#include <string.h>

#include <aegis/bind.h>
#include <aegis/error.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/code.h>
#include <exos/lib/net/handler.h>
#include <exos/lib/x86_64/calls.h>

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void put_run(frame_t first, uint32_t n)
{
	frame_t list[AEGIS_BATCH_MAX];

	for (uint32_t i; n; first += i, n -= i) {
		for (i = 0; i < least(n, AEGIS_BATCH_MAX); i++)
			list[i] = first + i;
		exos_frames_put(list, i);
	}
}

static bool take_run(frame_t first, uint32_t n)
{
	frame_t list[AEGIS_BATCH_MAX];

	for (uint32_t done = 0; done < n;) {
		uint32_t wanted = least(n - done, AEGIS_BATCH_MAX);
		int64_t got;

		for (uint32_t i = 0; i < wanted; i++)
			list[i] = first + done + i;
		got = exos_frames_get(list, wanted);
		done += got > 0 ? (uint32_t)got : 0;
		if (got != wanted) {
			put_run(first, done);
			return false;
		}
	}
	return true;
}

/* From above, as kernel and ExOS started with the lowest. Somebody else of the machine may be quicker: then it is the
 * next run. */
int handler_memory(struct handler *h, uint32_t frames)
{
	const volatile struct aegis_frame_info *table = (const void *)exos_info(EXOS_INFO_FRAMES);
	uint32_t run = 0;

	if (frames - 1 >= ASH_FRAMES_MAX)
		return -EINVAL;
	for (frame_t f = ((const volatile struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->frames - 1; f; f--) {
		run = table[f].state == FRAME_FREE ? run + 1 : 0;
		if (run < frames)
			continue;
		run = 0;
		if (!take_run(f, frames))
			continue;
		*h = (struct handler){.memory = exos_frame_bytes(f), .first = f, .frames = frames};
		memset(h->memory, 0, (size_t)frames * FRAME_SIZE);
		return 0;
	}
	return -ENOMEM;
}

void handler_memory_end(struct handler *h)
{
	put_run(h->first, h->frames);
	h->memory = NULL;
	h->frames = 0;
}

static bool take_code(struct handler *h)
{
	frame_t f = code_frame();

	if (!f)
		return false;
	h->code[h->codes++] = f;
	return true;
}

static void put_code(struct handler *h)
{
	exos_frames_put(h->code, h->codes);
	h->codes = 0;
}

/* The kernel mends no faults: pages that ExOS has not brought in yet come when the program touches them. */
static void touch(const void *from, size_t bytes)
{
	const volatile uint8_t *p = from;

	for (size_t i = 0; i < bytes; i += FRAME_SIZE)
		(void)p[i];
	(void)p[bytes - 1];
}

static int64_t try(const struct handler *h, uint32_t filter, const void *program, size_t bytes)
{
	frame_t memory[ASH_FRAMES_MAX];
	struct aegis_handler_spec spec = {.filter = filter,
		.length = (uint32_t)(bytes / sizeof(struct aegis_ebpf)),
		.program = (uintptr_t)program,
		.frames = (uintptr_t)memory,
		.frame_count = h->frames,
		.code_count = h->codes};
	int64_t error;

	for (uint32_t i = 0; i < h->frames; i++)
		memory[i] = h->first + i;
	memcpy(spec.code, h->code, sizeof(spec.code));
	do {
		touch(program, bytes);
		error = aegis_handler_attach(&spec);
	} while (error == -E_FAULT);
	return error;
}

/* How much machine code it becomes only the kernel knows, and it does not say: one frame more until it fits. */
int handler_attach(struct handler *h, uint32_t filter, const void *program, size_t bytes)
{
	int64_t error = -E_INVALID;

	if (h->filter)
		return -EBUSY;
	if (!h->frames || !bytes || bytes % sizeof(struct aegis_ebpf) ||
		bytes / sizeof(struct aegis_ebpf) > ASH_LENGTH_MAX)
		return -EINVAL;
	for (h->codes = 0; h->codes < sizeof(h->code) / sizeof(h->code[0]) && error == -E_INVALID;) {
		if (!take_code(h)) {
			put_code(h);
			return -ENOMEM;
		}
		if (h->codes > 1)
			error = try(h, filter, program, bytes);
	}
	if (!error) {
		h->filter = filter;
		return 0;
	}
	put_code(h);
	return error == -E_BUSY ? -EBUSY : error == -E_LIMIT || error == -E_FULL ? -ENOMEM : -EINVAL;
}

void handler_detach(struct handler *h)
{
	struct aegis_handler_spec none = {.filter = h->filter};

	if (!h->filter)
		return;
	aegis_handler_attach(&none); /* with its filter it would have gone already */
	h->filter = 0;
	put_code(h);
}
