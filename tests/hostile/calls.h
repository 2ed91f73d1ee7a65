/* What the random calls of calls_test.c are made of: who calls, and structures in his memory that are nearly right. Part of that test alone. */
#pragma once

#include <tests/hostile/hostile.h>
#include <tests/kernel/packets.h>

#define NAMES 32
#define SPARE 256 /* words behind the pool: calls may write lists that begin at its end */

/* Structures that are nearly right, filled anew for each call. */
struct pool {
	frame_t frames[AEGIS_BATCH_MAX];
	uint64_t names[AEGIS_BATCH_MAX];
	struct aegis_binding bindings[8];
	struct aegis_cap caps[8];
	struct aegis_env_spec spec;
	struct aegis_limits limits;
	struct aegis_demand demand;
	struct aegis_entries entries;
	struct aegis_ring_spec ring;
	struct aegis_filter_spec filter;
	struct aegis_handler_spec handler;
	struct aegis_send sends[4];
	struct aegis_queue_spec queue;
	struct aegis_disk_request requests[4];
	struct aegis_block blocks[4];
	struct aegis_atom atoms[4];
	struct aegis_bpf program[4];
	struct aegis_ebpf code[4];
	frame_t slots[8];
	uint8_t header[64];
	uint64_t spare[SPARE];
};

/* One who calls, and what he remembers having got. */
struct caller {
	uint64_t state, calls, refused, odd, deep[CALL_COUNT];
	frame_t frames[NAMES];
	env_id envs[NAMES];
	uint32_t positions[NAMES];
	uint32_t filters[NAMES];
	frame_t queues[NAMES / 4];
	env_id self;
	bool first; /* the first environment */
	struct pool pool;
};
static struct caller tenant_caller, first_caller;
static struct child tenant, server, target;
static frame_t info_frame;
static struct aegis_cap device_cap, net_caps[2]; /* without RIGHT_GRANT: they cannot be ended */
static struct aegis_cap disk_caps[3]; /* to read, to write too, and to be narrowed and ended; given anew for each life */
static frame_t target_frames[40];
static uint32_t positions_kept; /* of the first environment's and its children's: positions below this are not given back */

static uint64_t roll(struct caller *c, uint64_t n) { return random_next(&c->state) % n; }

/* A number at a boundary, a small one, an address that is or is not the caller's, a name, or any. */
static uint64_t anything(struct caller *c)
{
	static const uint64_t edges[] = { 0, 1, 127, 128, 129, 0xfff, 0x1000, UINT32_MAX, 1ul << 32, AEGIS_USER_TOP - 8, AEGIS_USER_TOP, 0x800000000000,
		0xffff800000000000, 0xffffffff80100000, 1ul << 63, UINT64_MAX - 7, UINT64_MAX };

	switch (roll(c, 6)) {
	case 0:
		return edges[roll(c, OF(edges))];
	case 1:
		return roll(c, 4096);
	case 2:
		return (uint64_t)&c->pool + roll(c, sizeof(c->pool) - sizeof(c->pool.spare)) / 8 * 8;
	case 3:
		return c->envs[roll(c, NAMES)];
	case 4:
		return c->frames[roll(c, NAMES)];
	default:
		return random_next(&c->state);
	}
}

static env_id some_env(struct caller *c)
{
	env_id others[] = { 0, c->self, victim.env, server.env, target.env, tenant.env };

	return roll(c, 2) ? c->envs[roll(c, NAMES)] : others[roll(c, OF(others))];
}

static uint64_t some_place(struct caller *c)
{
	uint64_t va = SCRATCH + roll(c, 3) * (FRAME_SIZE << 9) + roll(c, 8) * FRAME_SIZE;

	return roll(c, 16) ? va : va & ~((FRAME_SIZE << 9 * roll(c, 4)) - 1);
}

/* A list of frames: own ones (some of them long gone), any, or numbers. The first environment breaks and frees only what it took for this. */
static void fill_frames(struct caller *c)
{
	for (uint32_t i = 0; i < 8; i++)
		c->pool.frames[i] = roll(c, 8) || c->first ? c->frames[roll(c, NAMES)] : (frame_t)anything(c);
	for (uint32_t i = 0; i < 8; i++)
		c->pool.names[i] = roll(c, 4) == 0 ? target_frames[roll(c, OF(target_frames))] : roll(c, 8) ? roll(c, 2) ? c->frames[roll(c,
			NAMES)] : c->positions[roll(c, NAMES)] : anything(c);
}

static void fill_bindings(struct caller *c)
{
	for (uint32_t i = 0; i < OF(c->pool.bindings); i++) {
		struct aegis_binding *b = &c->pool.bindings[i];
		uint64_t level = roll(c, 4) ? 0 : roll(c, 4);

		b->va = roll(c, 32) ? some_place(c) : anything(c) | 1ul << 45; /* not where the program is */
		if (level)
			b->va &= ~((FRAME_SIZE << 9 * level) - 1);
		if (c->first && b->va < SCRATCH)
			b->va |= SCRATCH;
		b->entry = BIND_ENTRY(roll(c, 16) ? c->frames[roll(c, NAMES)] : roll(c, 2) ? info_frame : (frame_t)anything(c),
			roll(c, 8) ? (roll(c, 4) ? BIND_READ : 0) | (roll(c, 8) & ~1ul) | BIND_LEVEL(level) : roll(c, FRAME_SIZE));
	}
}

/* Rings of frames that were taken for this, filters for a few kinds of packets, programs that are mostly none. */
static void fill_network(struct caller *c)
{
	struct pool *p = &c->pool;

	for (uint32_t i = 0; i < OF(p->slots); i++)
		p->slots[i] = c->frames[roll(c, NAMES)];
	p->ring = (struct aegis_ring_spec){ .object = c->frames[roll(c, NAMES)], .control = c->frames[roll(c, NAMES)], .device = DEVICE_NET0 + (uint32_t)roll(c, 2),
		.slots = 2u << roll(c, 3), .frames = (uint64_t)p->slots };
	for (uint32_t i = 0; i < OF(p->atoms); i++)
		p->atoms[i] = (struct aegis_atom){ .offset = (uint16_t)(12 + roll(c, 4)), .size = (uint8_t)(1 << roll(c, 3)), .kind = roll(c, 8) == 0, .mask = 0xff, .value = (uint32_t)roll(c, 4) };
	p->program[0] = (struct aegis_bpf){ 0x28, 0, 0, (uint32_t)roll(c, 64) }, p->program[1] = (struct aegis_bpf){ roll(c, 2) ? 0x15 : 0x25, 0, 1, (uint32_t)roll(c, 4) };
	p->program[2] = (struct aegis_bpf){ 0x6, 0, 0, 1 }, p->program[3] = (struct aegis_bpf){ 0x6, 0, 0, 0 };
	p->filter = (struct aegis_filter_spec){ .ring = roll(c, 4) ? c->frames[roll(c, NAMES)] : 0, .env = roll(c, 2) ? some_env(c) : 0, .atoms = (uint64_t)p->atoms,
		.atom_count = (uint32_t)roll(c, 4), .device = DEVICE_NET0 + (uint32_t)roll(c, 2), .program = (uint64_t)p->program, .program_length = roll(c, 4) ? 0 : 4,
		.code = c->frames[roll(c, NAMES)] };
	p->code[0] = (struct aegis_ebpf){ .code = 0xb7, .immediate = (int32_t)roll(c, 3) }, p->code[1] = (struct aegis_ebpf){ .code = 0x95 };
	p->handler = (struct aegis_handler_spec){ .filter = c->filters[roll(c, NAMES)], .length = (uint32_t)roll(c, 3), .program = (uint64_t)p->code, .frames = (uint64_t)p->slots,
		.frame_count = 1 + (uint32_t)roll(c, 2), .code_count = 2, .code = { c->frames[roll(c, NAMES)], c->frames[roll(c, NAMES)] } };
	for (uint32_t i = 0; i < sizeof(p->header); i++)
		p->header[i] = (uint8_t)roll(c, 4);
	for (uint32_t i = 0; i < OF(p->sends); i++)
		p->sends[i] = (struct aegis_send){ .header = (uint64_t)p->header, .header_length = 14 + (uint32_t)roll(c, 50), .pieces = { { c->frames[roll(c, NAMES)], (uint16_t)roll(c, 4096),
			roll(c, 2) ? (uint16_t)roll(c, 1000) : 0 } } };
	if (!c->first && roll(c, 4) == 0)
		((uint64_t *)&p->ring)[roll(c, (offsetof(struct pool, program) - offsetof(struct pool, ring)) / 8)] = anything(c);
}

/* Requests for a few sectors with frames that were taken for this. */
static void fill_disk(struct caller *c)
{
	struct pool *p = &c->pool;

	p->queue = (struct aegis_queue_spec){ c->frames[roll(c, NAMES)], c->frames[roll(c, NAMES)] };
	for (uint32_t i = 0; i < OF(p->requests); i++)
		p->requests[i] = (struct aegis_disk_request){ .tag = roll(c, 1000), .sector = roll(c, 4) ? 8 * roll(c, 8) : roll(c, 5000), .count = roll(c, 4) ? 8 * (1 + (uint32_t)roll(c, 3)) : (uint32_t)roll(c, 70),
			.slot = (uint16_t)roll(c, 3), .operation = (uint8_t)roll(c, 5), .flags = (uint8_t)(roll(c, 4) ? roll(c, 2) * DISK_REGISTER : roll(c, 5)), .frames = (uint64_t)p->slots,
			.offset = roll(c, 4) ? 0 : SECTOR_SIZE * (uint32_t)roll(c, 9), .tell = roll(c, 2) ? some_env(c) : 0 };
	for (uint32_t i = 0; i < OF(p->blocks); i++)
		p->blocks[i] = (struct aegis_block){ .sector = 8 * roll(c, 8), .frame = c->frames[roll(c, NAMES)], .slot = (uint16_t)roll(c, 3), .state = (uint16_t)roll(c, 4) };
	if (roll(c, 4) == 0)
		p->caps[3 + roll(c, 2)] = disk_caps[roll(c, OF(disk_caps))];
}

static void fill_structures(struct caller *c)
{
	struct pool *p = &c->pool;
	uint32_t kinds[] = { REVOKE_FRAMES, REVOKE_SLICES, REVOKE_RANGE, REVOKE_KINDS };

	p->spec = (struct aegis_env_spec){ .object = c->frames[roll(c, NAMES)], .root = c->frames[roll(c, NAMES)], .upcall = c->frames[roll(c, NAMES)],
		.flags = (uint32_t)roll(c, 3), .limits = { .frames = (uint32_t)roll(c, 40), .slices = (uint32_t)roll(c, 2),
			.environments = (uint32_t)roll(c, 3), .filters = (uint32_t)roll(c, 3) },
		.keeper = some_env(c), .rip = roll(c, 8) ? (uint64_t)do_spin : anything(c), .rsp = anything(c), .argument = anything(c) };
	p->spec.entries = (struct aegis_entries){ .exception = (uint64_t)upcall_entry, .event = roll(c, 2) ? (uint64_t)upcall_entry : 0,
		.transfer = roll(c, 2) ? (uint64_t)server_entry : 0, .async = roll(c, 8) ? 0 : anything(c) };
	p->limits = (struct aegis_limits){ .frames = (uint32_t)roll(c, 200), .slices = (uint32_t)roll(c, 4), .environments = (uint32_t)roll(c, 8) };
	p->demand = (struct aegis_demand){ .kind = kinds[roll(c, 4)], .count = (uint32_t)roll(c, 4), .deadline = roll(c,
		2) ? 0 : ticks() + roll(c, 100000),
		.first = roll(c, 4) ? c->frames[roll(c, NAMES)] : anything(c) };
	/* the first environment only lets itself be told where it can be */
	p->entries = (struct aegis_entries){ .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry,
		.foreign = roll(c, 2) ? anything(c) : 0 };
	if (!c->first && roll(c, 16) == 0)
		*(&p->entries.exception + roll(c, 5)) = anything(c);
	if (roll(c, 8) == 0)
		*((uint64_t *)p + roll(c, offsetof(struct pool, entries) / 8)) = c->first ? c->frames[roll(c, NAMES)] : anything(c);
	if (roll(c, 64) == 0)
		p->caps[0] = device_cap;
	if (roll(c, 8) == 0)
		p->caps[1 + roll(c, 2)] = net_caps[roll(c, 2)];
	fill_disk(c);
	fill_network(c);
}
