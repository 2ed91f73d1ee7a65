/* Handlers (paper 6.3): attached to a filter, run when its packet comes, in the interrupt and in bounded time, whoever has the CPU. */
#include <kernel/call.h>
#include <kernel/net/net.h>
#include <kernel/x86_64/copy.h>

/* Lies in the first of its code frames. What a run needs is filled in once. */
struct handler {
	struct handler_run run;
	const uint8_t *code;  /* where it is run */
	struct ring *ring;
	uint64_t room;        /* bytes of its memory, all of it */
	uint64_t payload_most; /* of a frame that it sends: the device's */
	frame_t code_frames[1 + CODE_PAGES];
	uint32_t code_count, frame_count;
	frame_t frames[ASH_FRAMES_MAX]; /* its memory */
	uint8_t stack[ASH_STACK] __attribute__((aligned(16)));
};
_Static_assert(sizeof(struct handler) <= FRAME_SIZE, "a handler is one frame");

/* With all that it calls inlined, into the driver: an answer is to cost few instructions. */
static __attribute__((flatten)) int64_t handler_send(void *owner, const uint8_t *from, uint64_t length)
{
	struct handler *h = owner;

	if (length - 14 > h->payload_most)
		return -E_INVALID;
	return ring_send_bytes(h->ring, from, (uint32_t)length);
}

/* The Internet checksum's sum (RFC 1071) does not depend on the byte order it is taken in, but for the order of its own bytes: here as the bytes lie in memory, so that it can be written as it
 * is. */
static uint64_t add_bytes(const uint8_t *from, uint64_t length)
{
	uint64_t sum = 0, word = 0;

	for (; length >= 4; length -= 4, from += 4)
		sum += *(const uint32_t *)from;
	for (uint64_t i = 0; i < length; i++)
		word |= (uint64_t)from[i] << 8 * i;
	return sum + word;
}

static int64_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (int64_t)((sum & UINT16_MAX) + (sum >> 16));
}

static int64_t handler_sum(void *owner, const uint8_t *from, uint64_t length)
{
	(void)owner;
	return fold(add_bytes(from, length));
}

/* Its memory is frames in any order: piece by piece, each within one. */
static int64_t handler_copy(void *owner, uint64_t offset, const uint8_t *from, uint64_t length)
{
	struct handler *h = owner;
	uint64_t sum;

	if (offset > h->room || length > h->room - offset)
		return -E_INVALID;
	sum = add_bytes(from, length); /* first: it may copy over itself */
	while (length) {
		uint64_t within = offset % FRAME_SIZE, part = FRAME_SIZE - within < length ? FRAME_SIZE - within : length;

		copy_bytes((uint8_t *)frame_pointer(h->frames[offset / FRAME_SIZE]) + within, from, part);
		offset += part, from += part, length -= part;
	}
	return fold(sum);
}

static int64_t handler_time(void *owner)
{
	(void)owner;
	return (int64_t)read_tsc();
}

uint64_t handler_input(struct handler *h, uint8_t *packet, uint32_t length, uint64_t arrived)
{
	h->run.context.packet = packet;
	h->run.context.packet_end = packet + length;
	h->run.context.arrived = arrived;
	h->run.steps = ASH_STEPS;
	return handler_run(h->code, &h->run);
}

void handler_tag(struct handler *h, uint64_t tag) { h->run.context.tag = tag; }

void handler_end(struct net_filter *f)
{
	struct handler *h = f->handler;
	frame_t object = h->code_frames[0];

	f->handler = NULL;
	for (uint32_t i = 0; i < h->frame_count; i++)
		frame_let_go(h->frames[i]);
	code_give(h->code, &h->code_frames[1], h->code_count - 1);
	filter_charge(f->account, (struct filter_charge){ .codes = -1 });
	frame_table[object].state = FRAME_OWNED;
	frame_clear(object);
}

static int64_t check_memory(const struct aegis_handler_spec *spec)
{
	const struct env *account = current_env()->account;

	for (uint32_t i = 0; i < spec->frame_count; i++) {
		if (!frame_owned(net_work->frames[i], account))
			return -E_DENIED;
		for (uint32_t j = 0; j < spec->code_count; j++)
			if (spec->code[j] == net_work->frames[i])
				return -E_BUSY;
	}
	return 0;
}

/* Bytes of it that are one piece in the kernel's map of all memory. */
static uint32_t memory_run(const struct aegis_handler_spec *spec)
{
	uint32_t n = 1;

	while (n < spec->frame_count && net_work->frames[n] == net_work->frames[n - 1] + 1)
		n++;
	return n << FRAME_SHIFT;
}

static void attach(struct net_filter *f, const struct aegis_handler_spec *spec, const uint8_t *run, size_t size)
{
	struct handler *h = frame_pointer(spec->code[0]);

	frame_clear(spec->code[0]);
	frame_table[spec->code[0]].state = FRAME_CODE;
	frame_table[spec->code[0]].clean = 0;
	h->code = run;
	h->ring = ring_of(f->ring);
	h->payload_most = h->ring->station->driver->mtu;
	h->room = (uint64_t)spec->frame_count << FRAME_SHIFT;
	h->code_count = spec->code_count;
	h->frame_count = spec->frame_count;
	memcpy(h->code_frames, spec->code, sizeof(h->code_frames));
	code_put(run, net_work->code, size, &h->code_frames[1], spec->code_count - 1);
	for (uint32_t i = 0; i < spec->frame_count; i++)
		frame_hold(h->frames[i] = net_work->frames[i]);
	h->run = (struct handler_run){ .stack = h->stack, .owner = h, .send = handler_send, .copy = handler_copy, .sum = handler_sum, .time = handler_time };
	h->run.context.memory = frame_pointer(h->frames[0]);
	h->run.context.memory_end = h->run.context.memory + memory_run(spec);
	h->run.context.tag = f->tag;
	f->handler = h;
	filter_charge(f->account, (struct filter_charge){ .codes = 1 });
	net_code_changed++;
}

int64_t call_handler_attach(uint64_t user, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_handler_spec spec;
	struct net_filter *f;
	const uint8_t *run;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&spec, user, sizeof(spec))))
		return error;
	f = filter_named(spec.filter);
	if (!f || f->account != env_account(current_env()))
		return -E_DENIED;
	if (!spec.length) {
		if (f->handler)
			handler_end(f);
		return 0;
	}
	if (!f->ring || spec.length > ASH_LENGTH_MAX || spec.frame_count - 1 >= ASH_FRAMES_MAX || spec.code_count < 2 || spec.code_count > 1 + CODE_PAGES)
		return -E_INVALID;
	if (f->handler)
		return -E_BUSY;
	if ((error = copy_from_user(net_work->handler, spec.program, spec.length * sizeof(struct aegis_ebpf))) ||
		(error = copy_from_user(net_work->frames, spec.frames, spec.frame_count * sizeof(frame_t))) ||
		(error = code_check(spec.code, spec.code_count)) || (error = check_memory(&spec)))
		return error;
	error = handler_compile(net_work->handler, spec.length, memory_run(&spec), net_work->code, (spec.code_count - 1) * FRAME_SIZE, net_work->inspection, NULL);
	if (error < 0)
		return error;
	if (!filter_fits(current_env()->account, (struct filter_charge){ .codes = 1 }))
		return -E_LIMIT;
	run = code_take();
	if (!run)
		return -E_FULL;
	attach(f, &spec, run, (size_t)error);
	return 0;
}
