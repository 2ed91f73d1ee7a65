/* Handlers compiled to x86-64: one register for each of the program's, and each instruction by itself. What the registers are is said at handler_enter. Twice
 * over the program: the first round finds out where everything will be. */
#include <aegis/error.h>

#include <kernel/filter/handler_inspect.h>
#include <kernel/filter/x86_64/handler_emit.h>

enum { RUN = R12, T1 = R10, T2 = R11 };
static const uint8_t machine[] = {RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, R9};
#define FRAME_POINTER R9

#define IN_RUN(field) ((int32_t)offsetof(struct handler_run, field))

struct compiler {
	struct emitter e;
	const struct aegis_ebpf *program;
	struct handler_work *work;
	uint32_t n, at;
	uint32_t memory;    /* bytes of it */
	size_t fail;        /* where a run is ended */
	uint8_t rooms;      /* sizes (by their code) of accesses to the packet that are checked */
	bool frame_pointer; /* is used */
};

/* ---- Checks ---- */

static int32_t base_of(uint32_t region) { return region == KIND_PACKET ? IN_RUN(context.packet) : region == KIND_MEMORY ? IN_RUN(context.memory) : IN_RUN(stack); }
static int32_t limit_of(const struct compiler *c, uint32_t region) { return region == KIND_MEMORY ? (int32_t)c->memory : ASH_STACK; }
static uint32_t room_of(const struct aegis_ebpf *i) { return __builtin_ctz(ebpf_size(i)); }

/* The address lies in the region, and so do the bytes behind it: its distance from the beginning is at most the region's length less the size. One
 * comparison, as a distance below 0 is a very long one. */
static void check_access(struct compiler *c, const struct aegis_ebpf *i, uint32_t pointer)
{
	uint32_t region = c->work->check[c->at];

	if (!region)
		return;
	emit_lea(&c->e, T1, pointer, i->offset);
	emit_op_memory(&c->e, OP_SUB, T1, RUN, base_of(region));
	if (region == KIND_PACKET)
		emit_op_memory(&c->e, OP_CMP, T1, RUN, IN_RUN(room) + 8 * room_of(i));
	else
		emit_op_immediate(&c->e, true, OP_CMP, T1, limit_of(c, region) - ebpf_size(i));
	emit_jump_if(&c->e, CC_A, c->fail);
}

/* T2 = the region's length. */
static void region_length(struct compiler *c, uint32_t region)
{
	if (region == KIND_PACKET) {
		emit_load(&c->e, T2, RUN, IN_RUN(context.packet_end));
		emit_op_memory(&c->e, OP_SUB, T2, RUN, IN_RUN(context.packet));
	} else {
		emit_constant(&c->e, true, T2, limit_of(c, region));
	}
}

/* What a call is handed lies in the region, and is paid for. */
static void check_call(struct compiler *c, uint32_t pointer, uint32_t length)
{
	uint32_t region = c->work->check[c->at];

	emit_move(&c->e, true, T1, pointer);
	emit_op_memory(&c->e, OP_SUB, T1, RUN, base_of(region));
	region_length(c, region);
	emit_op(&c->e, true, OP_SUB, T2, T1);
	emit_jump_if(&c->e, CC_B, c->fail);
	emit_op(&c->e, true, OP_CMP, length, T2);
	emit_jump_if(&c->e, CC_A, c->fail);
	emit_move(&c->e, true, T1, length);
	emit_rr(&c->e, true, 0xc1, 5, T1); /* shr */
	emit_byte(&c->e, 3);
	emit_op_immediate(&c->e, true, OP_ADD, T1, ASH_STEPS_CALL);
	emit_rm(&c->e, true, 0x29, T1, RUN, IN_RUN(steps)); /* sub from memory */
	emit_jump_if(&c->e, CC_S, c->fail);
}

static void load_frame_pointer(struct compiler *c)
{
	emit_load(&c->e, FRAME_POINTER, RUN, IN_RUN(stack));
	emit_op_immediate(&c->e, true, OP_ADD, FRAME_POINTER, ASH_STACK);
}

static void step_call(struct compiler *c, const struct aegis_ebpf *i)
{
	static const int32_t functions[] = {[ASH_CALL_SEND] = IN_RUN(send), [ASH_CALL_COPY] = IN_RUN(copy), [ASH_CALL_SUM] = IN_RUN(sum), [ASH_CALL_TIME] = IN_RUN(time)};
	uint32_t pointer = ebpf_call_pointer(i->immediate);

	if (pointer)
		check_call(c, machine[pointer], machine[pointer + 1]);
	/* The owner comes first, and everything moves on by one. */
	if (pointer > 1)
		emit_move(&c->e, true, RCX, RDX);
	emit_move(&c->e, true, RDX, RSI);
	emit_move(&c->e, true, RSI, RDI);
	emit_load(&c->e, RDI, RUN, IN_RUN(owner));
	emit_rm(&c->e, false, 0xff, 2, RUN, functions[i->immediate]); /* call */
	if (c->frame_pointer)
		load_frame_pointer(c);
}

/* ---- Arithmetic ---- */

/* The count is in cl on this machine, which is r4's. */
static void step_shift(struct compiler *c, const struct aegis_ebpf *i, bool wide, uint32_t shift)
{
	uint32_t to = machine[ebpf_to(i)], from = machine[ebpf_from(i)];

	if (!(i->code & EBPF_X)) {
		emit_rr(&c->e, wide, 0xc1, shift, to);
		emit_byte(&c->e, i->immediate & (wide ? 63 : 31));
		return;
	}
	if (from == RCX && to != RCX) {
		emit_rr(&c->e, wide, 0xd3, shift, to);
		return;
	}
	emit_move(&c->e, true, T1, RCX);
	if (from != RCX)
		emit_move(&c->e, false, RCX, from);
	emit_rr(&c->e, wide, 0xd3, shift, to == RCX ? (uint32_t)T1 : to);
	emit_move(&c->e, true, RCX, T1);
}

/* By zero: the quotient is 0, the rest is what was divided (RFC 9669, 4.1). By -1 the machine would trap when the quotient does not fit. */
static void step_divide(struct compiler *c, const struct aegis_ebpf *i, bool wide, bool rest)
{
	struct emitter *e = &c->e;
	uint32_t to = machine[ebpf_to(i)];
	bool is_signed = i->offset;
	size_t zero, minus = 0, end, minus_end = 0;

	if (i->code & EBPF_X)
		emit_move(e, wide, T2, machine[ebpf_from(i)]);
	else
		emit_constant(e, wide, T2, i->immediate);
	emit_rr(e, wide, 0x85, T2, T2); /* test */
	zero = emit_skip_if(e, CC_E);
	if (is_signed) {
		emit_op_immediate(e, wide, OP_CMP, T2, -1);
		minus = emit_skip_if(e, CC_E);
	}
	emit_byte(e, 0x50 | RAX); /* push */
	emit_byte(e, 0x50 | RDX);
	emit_move(e, true, RAX, to);
	if (is_signed) {
		emit_rex(e, wide, 0, 0);
		emit_byte(e, 0x99); /* cdq, cqo */
	} else {
		emit_op(e, false, OP_XOR, RDX, RDX);
	}
	emit_rr(e, wide, 0xf7, is_signed ? 7 : 6, T2);
	emit_move(e, wide, T1, rest ? RDX : RAX);
	emit_byte(e, 0x58 | RDX); /* pop */
	emit_byte(e, 0x58 | RAX);
	emit_move(e, true, to, T1);
	end = emit_skip(e);
	if (is_signed) {
		emit_skip_end(e, minus);
		if (rest)
			emit_op(e, false, OP_XOR, to, to);
		else
			emit_rr(e, wide, 0xf7, 3, to); /* neg */
		minus_end = emit_skip(e);
	}
	emit_skip_end(e, zero);
	if (!rest)
		emit_op(e, false, OP_XOR, to, to);
	else if (!wide)
		emit_move(e, false, to, to);
	emit_skip_end(e, end);
	if (is_signed)
		emit_skip_end(e, minus_end);
}

static void step_swap(struct compiler *c, const struct aegis_ebpf *i)
{
	uint32_t to = machine[ebpf_to(i)];
	bool swap = i->code != EBPF_LITTLE;

	if (i->immediate == 16) {
		if (swap) {
			emit_byte(&c->e, 0x66);
			emit_rr(&c->e, false, 0xc1, 1, to); /* ror */
			emit_byte(&c->e, 8);
		}
		emit_rr(&c->e, false, 0x0fb7, to, to); /* movzx */
	} else if (swap) {
		emit_rex(&c->e, i->immediate == 64, 0, to);
		emit_byte(&c->e, 0x0f);
		emit_byte(&c->e, 0xc8 | (to & 7)); /* bswap */
	} else if (i->immediate == 32) {
		emit_move(&c->e, false, to, to);
	}
}

static void step_move(struct compiler *c, const struct aegis_ebpf *i, bool wide)
{
	uint32_t to = machine[ebpf_to(i)], from = machine[ebpf_from(i)];

	if (!(i->code & EBPF_X))
		emit_constant(&c->e, wide, to, i->immediate);
	else if (i->offset) /* movsx, movsxd */
		emit_rr(&c->e, wide, i->offset == 8 ? 0x0fbe : i->offset == 16 ? 0x0fbf : 0x63, to, from);
	else
		emit_move(&c->e, wide, to, from);
}

static void step_multiply(struct compiler *c, const struct aegis_ebpf *i, bool wide)
{
	uint32_t to = machine[ebpf_to(i)];

	if (i->code & EBPF_X) {
		emit_rr(&c->e, wide, 0x0faf, to, machine[ebpf_from(i)]);
	} else {
		emit_rr(&c->e, wide, 0x69, to, to);
		emit_32(&c->e, i->immediate);
	}
}

static void step_arithmetic(struct compiler *c, const struct aegis_ebpf *i)
{
	static const uint8_t ops[] = {[EBPF_ADD] = OP_ADD, [EBPF_SUB] = OP_SUB, [EBPF_OR] = OP_OR, [EBPF_AND] = OP_AND, [EBPF_XOR] = OP_XOR};
	uint32_t to = machine[ebpf_to(i)], operation = EBPF_OPERATION(i->code);
	bool wide = EBPF_CLASS(i->code) == EBPF_ALU64;

	switch (operation) {
	case EBPF_MUL:
		step_multiply(c, i, wide);
		break;
	case EBPF_DIV:
	case EBPF_MOD:
		step_divide(c, i, wide, operation == EBPF_MOD);
		break;
	case EBPF_LSH:
		step_shift(c, i, wide, 4);
		break;
	case EBPF_RSH:
		step_shift(c, i, wide, 5);
		break;
	case EBPF_ARSH:
		step_shift(c, i, wide, 7);
		break;
	case EBPF_NEG:
		emit_rr(&c->e, wide, 0xf7, 3, to);
		break;
	case EBPF_MOV:
		step_move(c, i, wide);
		break;
	case EBPF_END:
		step_swap(c, i);
		break;
	default:
		if (i->code & EBPF_X)
			emit_op(&c->e, wide, ops[operation], to, machine[ebpf_from(i)]);
		else
			emit_op_immediate(&c->e, wide, ops[operation], to, i->immediate);
	}
}

/* ---- Loads, stores, jumps ---- */

static void step_load(struct compiler *c, const struct aegis_ebpf *i)
{
	static const uint16_t opcodes[] = {[EBPF_BYTE] = 0x0fb6, [EBPF_HALF] = 0x0fb7, [EBPF_WORD] = 0x8b, [EBPF_DOUBLE] = 0x8b};
	static const uint16_t extending[] = {[EBPF_BYTE] = 0x0fbe, [EBPF_HALF] = 0x0fbf, [EBPF_WORD] = 0x63};
	uint32_t size = EBPF_SIZE_CODE(i->code), from = machine[ebpf_from(i)];
	bool extend = EBPF_MODE(i->code) == EBPF_MEMORY_SIGNED;

	check_access(c, i, from);
	emit_rm(&c->e, extend || size == EBPF_DOUBLE, extend ? extending[size] : opcodes[size], machine[ebpf_to(i)], from, i->offset);
}

static void step_store(struct compiler *c, const struct aegis_ebpf *i)
{
	uint32_t size = EBPF_SIZE_CODE(i->code), to = machine[ebpf_to(i)];
	bool constant = EBPF_CLASS(i->code) == EBPF_ST;

	check_access(c, i, to);
	if (size == EBPF_HALF)
		emit_byte(&c->e, 0x66);
	emit_rm(&c->e, size == EBPF_DOUBLE, (constant ? 0xc6 : 0x88) | (size != EBPF_BYTE), constant ? 0 : machine[ebpf_from(i)], to, i->offset);
	if (!constant)
		return;
	emit_byte(&c->e, i->immediate);
	if (size != EBPF_BYTE)
		emit_byte(&c->e, i->immediate >> 8);
	if (size == EBPF_WORD || size == EBPF_DOUBLE) {
		emit_byte(&c->e, i->immediate >> 16);
		emit_byte(&c->e, i->immediate >> 24);
	}
}

static void step_jump(struct compiler *c, int64_t target)
{
	if (target <= c->at) { /* backward: it takes the whole program's length off the steps */
		emit_rm(&c->e, true, 0x81, OP_SUB, RUN, IN_RUN(steps));
		emit_32(&c->e, c->n);
		emit_jump_if(&c->e, CC_S, c->fail);
	}
	emit_jump(&c->e, c->work->code_at[target]);
}

static void step_compare(struct compiler *c, const struct aegis_ebpf *i, int64_t target)
{
	static const uint8_t conditions[] = {[EBPF_JEQ] = CC_E, [EBPF_JGT] = CC_A, [EBPF_JGE] = CC_AE, [EBPF_JSET] = CC_NE, [EBPF_JNE] = CC_NE, [EBPF_JSGT] = CC_G,
		[EBPF_JSGE] = CC_GE, [EBPF_JLT] = CC_B, [EBPF_JLE] = CC_BE, [EBPF_JSLT] = CC_L, [EBPF_JSLE] = CC_LE};
	static const uint8_t of_distances[] = {[EBPF_JEQ] = CC_E, [EBPF_JGT] = CC_G, [EBPF_JGE] = CC_GE, [EBPF_JNE] = CC_NE, [EBPF_JSGT] = CC_G, [EBPF_JSGE] = CC_GE,
		[EBPF_JLT] = CC_L, [EBPF_JLE] = CC_LE, [EBPF_JSLT] = CC_L, [EBPF_JSLE] = CC_LE};
	uint32_t to = machine[ebpf_to(i)], from = machine[ebpf_from(i)], region = c->work->check[c->at];
	uint32_t operation = EBPF_OPERATION(i->code), condition = region ? of_distances[operation] : conditions[operation];
	bool wide = EBPF_CLASS(i->code) == EBPF_JMP;
	size_t skip;

	if (region) { /* pointers: distances from the region's beginning, as they may be before it */
		emit_move(&c->e, true, T1, to);
		emit_op_memory(&c->e, OP_SUB, T1, RUN, base_of(region));
		emit_move(&c->e, true, T2, from);
		emit_op_memory(&c->e, OP_SUB, T2, RUN, base_of(region));
		emit_op(&c->e, true, OP_CMP, T1, T2);
	} else if (operation == EBPF_JSET && (i->code & EBPF_X)) {
		emit_rr(&c->e, wide, 0x85, from, to);
	} else if (operation == EBPF_JSET) {
		emit_rr(&c->e, wide, 0xf7, 0, to);
		emit_32(&c->e, i->immediate);
	} else if (i->code & EBPF_X) {
		emit_op(&c->e, wide, OP_CMP, to, from);
	} else {
		emit_op_immediate(&c->e, wide, OP_CMP, to, i->immediate);
	}
	if (target > c->at) {
		emit_jump_if(&c->e, condition, c->work->code_at[target]);
	} else {
		skip = emit_skip_if(&c->e, condition ^ 1);
		step_jump(c, target);
		emit_skip_end(&c->e, skip);
	}
}

/* ---- The whole program ---- */

static void step(struct compiler *c, const struct aegis_ebpf *i)
{
	switch (EBPF_CLASS(i->code)) {
	case EBPF_LD:
		emit_rex(&c->e, true, 0, machine[ebpf_to(i)]);
		emit_byte(&c->e, 0xb8 | (machine[ebpf_to(i)] & 7));
		emit_64(&c->e, (uint32_t)i->immediate | (uint64_t)(uint32_t)i[1].immediate << 32);
		break;
	case EBPF_LDX:
		step_load(c, i);
		break;
	case EBPF_ST:
	case EBPF_STX:
		step_store(c, i);
		break;
	case EBPF_ALU:
	case EBPF_ALU64:
		step_arithmetic(c, i);
		break;
	default:
		if (ebpf_is_call(i))
			step_call(c, i);
		else if (ebpf_is_exit(i))
			emit_byte(&c->e, 0xc3);
		else if (ebpf_is_always(i))
			step_jump(c, ebpf_target(i, c->at));
		else
			step_compare(c, i, ebpf_target(i, c->at));
	}
}

/* Clears what might be read of the stack before it is written. */
static void clear_stack(struct compiler *c)
{
	uint64_t zero = c->work->zero;

	if (__builtin_popcountll(zero) > 16) {
		emit_load(&c->e, RDI, RUN, IN_RUN(stack));
		emit_constant(&c->e, true, RAX, 0);
		emit_constant(&c->e, true, RCX, ASH_STACK / 8);
		emit_byte(&c->e, 0xf3);
		emit_rex(&c->e, true, 0, 0);
		emit_byte(&c->e, 0xab); /* rep stosq */
	} else if (zero) {
		emit_constant(&c->e, true, RAX, 0);
		for (uint32_t slot = 0; slot < ASH_STACK / 8; slot++)
			if (zero >> slot & 1)
				emit_store(&c->e, RAX, FRAME_POINTER, (int32_t)slot * 8 - ASH_STACK);
	}
}

static void begin(struct compiler *c)
{
	if (c->rooms)
		region_length(c, KIND_PACKET);
	for (uint32_t size = 0; size < 4; size++) {
		if (c->rooms >> size & 1) {
			emit_lea(&c->e, T1, T2, -(1 << size));
			emit_store(&c->e, T1, RUN, IN_RUN(room) + 8 * size);
		}
	}
	if (c->frame_pointer)
		load_frame_pointer(c);
	clear_stack(c);
	emit_move(&c->e, true, RDI, RUN);
}

/* What of the surroundings the program needs. */
static void survey(struct compiler *c)
{
	c->frame_pointer = c->work->zero;
	for (c->at = 0; c->at < c->n; c->at++) {
		const struct aegis_ebpf *i = &c->program[c->at];

		if (!(c->work->flags[c->at] & HANDLER_REACHED))
			continue;
		c->frame_pointer |= ebpf_to(i) == EBPF_FRAME_POINTER || ebpf_from(i) == EBPF_FRAME_POINTER;
		if (c->work->check[c->at] == KIND_PACKET && !ebpf_is_jump(i))
			c->rooms |= 1 << room_of(i);
	}
}

static void round_over(struct compiler *c)
{
	c->e.at = 0;
	begin(c);
	for (c->at = 0; c->at < c->n; c->at++) {
		c->work->code_at[c->at] = c->e.at;
		if (c->work->flags[c->at] & HANDLER_REACHED)
			step(c, &c->program[c->at]);
	}
	c->fail = c->e.at;
	emit_constant(&c->e, false, RAX, ASH_RING);
	emit_byte(&c->e, 0xc3);
}

int64_t handler_compile(const struct aegis_ebpf *program, uint32_t n, uint32_t memory, uint8_t *code, size_t room, void *work, const char **reason)
{
	struct compiler c = {.e = {.code = code, .room = room}, .program = program, .work = work, .n = n, .memory = memory};
	int64_t result = handler_inspect(program, n, memory, work);

	if (reason)
		*reason = result ? c.work->text : NULL;
	if (result)
		return result;
	survey(&c);
	round_over(&c);
	if (c.e.at <= room) {
		round_over(&c);
		return c.e.at;
	}
	if (reason)
		*reason = "its code does not fit";
	return -E_INVALID;
}
