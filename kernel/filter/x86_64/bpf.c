/* Classic BPF compiled, instruction by instruction. The code is called with
 *
 *   rdi  packet; rsi its length, all 64 bits        eax  A, and the result        edx  X
 *   rsp  the scratch words, if the program has any
 *
 * and changes rcx and r8 besides. All its jumps are relative. It is written twice: jumps forward have their targets only the second time. */
#include <kernel/filter/bpf.h>
#include <kernel/filter/x86_64/emit.h>

struct compiler {
	struct emitter e;
	uint8_t *code;
	uint16_t at[NET_BPF_MAX + 1]; /* bytes; the last: where the program is left with 0 */
	uint32_t n;
	bool words;
};

static const uint8_t *target(const struct compiler *c, uint32_t pc) { return c->code + c->at[pc]; }

static void leave(struct compiler *c)
{
	if (c->words)
		EMIT(&c->e, 0x48, 0x83, 0xc4, 4 * BPF_WORDS); /* add rsp, 64 */
	EMIT(&c->e, 0xc3);
}

/* A number of `size` bytes, big-endian in the packet, has been loaded into eax. */
static void swap(struct emitter *e, unsigned size)
{
	if (size == 4)
		EMIT(e, 0x0f, 0xc8); /* bswap eax */
	if (size == 2)
		EMIT(e, 0x66, 0xc1, 0xc0, 0x08); /* rol ax, 8 */
}

/* From offset k: into eax, or edx for the length of an IP header. */
static void load_at(struct compiler *c, uint32_t k, unsigned size, bool header)
{
	struct emitter *e = &c->e;

	if (k > INT32_MAX - size) { /* no packet is so long, and no displacement */
		emit_jump(e, target(c, c->n));
		return;
	}
	EMIT(e, 0x48, 0x81, 0xfe); /* cmp rsi, end */
	emit_number(e, k + size, 4);
	emit_jump_if(e, JB, target(c, c->n));
	emit_memory(e, size == 4 ? 0x8b : size == 2 ? 0x0fb7 : 0x0fb6, header ? RDX : RAX, RDI, k);
	if (header)
		EMIT(e, 0x83, 0xe2, 0x0f, 0xc1, 0xe2, 0x02); /* and edx, 15; shl edx, 2 */
	else
		swap(e, size);
}

static void load_indirect(struct compiler *c, uint32_t k, unsigned size)
{
	struct emitter *e = &c->e;

	EMIT(e, 0xb9); /* mov ecx, k */
	emit_number(e, k, 4);
	EMIT(e, 0x48, 0x01, 0xd1);                  /* add rcx, rdx: neither is more than 32 bits */
	EMIT(e, 0x4c, 0x8d, 0x41, (uint8_t)size);   /* lea r8, [rcx + size] */
	EMIT(e, 0x49, 0x39, 0xf0);                  /* cmp r8, rsi */
	emit_jump_if(e, JA, target(c, c->n));
	if (size == 4)
		EMIT(e, 0x8b, 0x04, 0x0f); /* mov eax, [rdi + rcx] */
	else
		EMIT(e, 0x0f, size == 2 ? 0xb7 : 0xb6, 0x04, 0x0f);
	swap(e, size);
}

static void load(struct compiler *c, const struct aegis_bpf *i)
{
	struct emitter *e = &c->e;
	bool x = bpf_class(i) == BPF_LDX;

	switch (bpf_mode(i)) {
	case BPF_IMM:
		EMIT(e, x ? 0xba : 0xb8);
		emit_number(e, i->k, 4);
		break;
	case BPF_MEM: EMIT(e, 0x8b, x ? 0x54 : 0x44, 0x24, (uint8_t)(4 * i->k)); break;
	case BPF_LEN: EMIT(e, 0x89, x ? 0xf2 : 0xf0); break;
	case BPF_IND: load_indirect(c, i->k, bpf_size(i)); break;
	default: load_at(c, i->k, bpf_size(i), bpf_mode(i) == BPF_MSH);
	}
}

/* div takes edx:eax, so X is kept in r8. */
static void divide(struct compiler *c, const struct aegis_bpf *i)
{
	struct emitter *e = &c->e;

	if (i->code & BPF_X) {
		EMIT(e, 0x89, 0xd1, 0x85, 0xc9); /* mov ecx, edx; test ecx, ecx */
		emit_jump_if(e, JE, target(c, c->n));
	} else {
		EMIT(e, 0xb9);
		emit_number(e, i->k, 4);
	}
	EMIT(e, 0x41, 0x89, 0xd0, 0x31, 0xd2, 0xf7, 0xf1); /* mov r8d, edx; xor edx, edx; div ecx */
	if (bpf_op(i) == BPF_MOD)
		EMIT(e, 0x89, 0xd0);
	EMIT(e, 0x44, 0x89, 0xc2); /* mov edx, r8d */
}

static void shift(struct emitter *e, const struct aegis_bpf *i)
{
	uint8_t how = bpf_op(i) == BPF_LSH ? 0xe0 : 0xe8;

	if (i->code & BPF_X)
		EMIT(e, 0x89, 0xd1, 0xd3, how, 0x83, 0xf9, 0x20, JB, 2, 0x31, 0xc0); /* by cl; 0 if it is 32 or more */
	else
		EMIT(e, 0xc1, how, (uint8_t)i->k);
}

static void compute(struct compiler *c, const struct aegis_bpf *i)
{
	struct emitter *e = &c->e;
	bool x = i->code & BPF_X;
	uint8_t opcode = 0; /* with edx; the form with a constant is 4 more, with one byte of 1 less */

	switch (bpf_op(i)) {
	case BPF_DIV:
	case BPF_MOD: divide(c, i); return;
	case BPF_LSH:
	case BPF_RSH: shift(e, i); return;
	case BPF_NEG: EMIT(e, 0xf7, 0xd8); return;
	case BPF_MUL:
		if (x) {
			EMIT(e, 0x0f, 0xaf, 0xc2);
		} else {
			EMIT(e, 0x69, 0xc0);
			emit_number(e, i->k, 4);
		}
		return;
	case BPF_ADD: opcode = 0x01; break;
	case BPF_SUB: opcode = 0x29; break;
	case BPF_OR: opcode = 0x09; break;
	case BPF_AND: opcode = 0x21; break;
	case BPF_XOR: opcode = 0x31;
	}
	if (x) {
		EMIT(e, opcode, 0xd0);
	} else {
		EMIT(e, (uint8_t)(opcode + 4));
		emit_number(e, i->k, 4);
	}
}

static void jump(struct compiler *c, const struct aegis_bpf *i, uint32_t pc)
{
	struct emitter *e = &c->e;
	unsigned op = bpf_op(i), condition = op == BPF_JEQ ? JE : op == BPF_JGT ? JA : op == BPF_JGE ? JAE : JNE;

	if (op == BPF_JA) {
		emit_jump(e, target(c, pc + 1 + i->k));
		return;
	}
	if (i->code & BPF_X) {
		EMIT(e, op == BPF_JSET ? 0x85 : 0x39, 0xd0); /* test, cmp eax, edx */
	} else {
		EMIT(e, op == BPF_JSET ? 0xa9 : 0x3d);
		emit_number(e, i->k, 4);
	}
	emit_jump_if(e, condition, target(c, pc + 1 + i->jt));
	if (i->jf)
		emit_jump(e, target(c, pc + 1 + i->jf));
}

static void instruction(struct compiler *c, const struct aegis_bpf *i, uint32_t pc)
{
	struct emitter *e = &c->e;

	switch (bpf_class(i)) {
	case BPF_LD:
	case BPF_LDX: load(c, i); break;
	case BPF_ST: EMIT(e, 0x89, 0x44, 0x24, (uint8_t)(4 * i->k)); break;
	case BPF_STX: EMIT(e, 0x89, 0x54, 0x24, (uint8_t)(4 * i->k)); break;
	case BPF_ALU: compute(c, i); break;
	case BPF_JMP: jump(c, i, pc); break;
	case BPF_RET:
		if (!(i->code & BPF_RET_A)) {
			EMIT(e, 0xb8);
			emit_number(e, i->k, 4);
		}
		leave(c);
		break;
	case BPF_MISC: EMIT(e, 0x89, i->code & BPF_TXA ? 0xd0 : 0xc2);
	}
}

static void begin(struct compiler *c)
{
	EMIT(&c->e, 0x31, 0xc0, 0x31, 0xd2);
	if (!c->words)
		return;
	EMIT(&c->e, 0x48, 0x83, 0xec, 4 * BPF_WORDS);
	for (uint8_t i = 0; i < 4 * BPF_WORDS; i += 8)
		EMIT(&c->e, 0x48, 0x89, 0x44, 0x24, i); /* mov [rsp + i], rax: nothing of the kernel's is left there */
}

int64_t bpf_compile(const struct aegis_bpf *program, uint32_t n, uint8_t *code, size_t room)
{
	struct compiler c = {.code = code, .n = n};

	room = room < UINT16_MAX ? room : UINT16_MAX;
	for (uint32_t pc = 0; pc < n; pc++) {
		unsigned class = bpf_class(&program[pc]);

		c.words |= class == BPF_ST || class == BPF_STX || (class <= BPF_LDX && bpf_mode(&program[pc]) == BPF_MEM);
	}
	for (int pass = 0; pass < 2; pass++) {
		c.e = (struct emitter){.at = code, .end = code + room, .run = code};
		begin(&c);
		for (uint32_t pc = 0; pc < n; pc++) {
			c.at[pc] = (uint16_t)(c.e.at - code);
			instruction(&c, &program[pc], pc);
		}
		c.at[n] = (uint16_t)(c.e.at - code);
		EMIT(&c.e, 0x31, 0xc0);
		leave(&c);
		if (c.e.full)
			return -E_INVALID;
	}
	return c.e.at - code;
}
