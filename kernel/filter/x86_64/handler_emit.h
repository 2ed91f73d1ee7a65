/* Writes x86-64 instructions, those that handlers are compiled to. For handler.c of this folder. Nothing is written past the room; that it was too small is
 * seen at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
/* Conditions, as jcc encodes them; ^ 1 is the opposite. */
enum { CC_B = 2, CC_AE = 3, CC_E = 4, CC_NE = 5, CC_BE = 6, CC_A = 7, CC_S = 8, CC_L = 12, CC_GE = 13, CC_LE = 14, CC_G = 15 };

struct emitter {
	uint8_t *code;
	size_t at, room; /* at > room: it did not fit */
};

static inline void emit_byte(struct emitter *e, uint8_t byte)
{
	if (e->at < e->room)
		e->code[e->at] = byte;
	e->at++;
}
static inline void emit_32(struct emitter *e, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		emit_byte(e, value >> i * 8);
}
static inline void emit_64(struct emitter *e, uint64_t value)
{
	emit_32(e, value);
	emit_32(e, value >> 32);
}

/* An opcode of one byte, or of two with 0x0f above. */
static inline void emit_opcode(struct emitter *e, uint32_t opcode)
{
	if (opcode >> 8)
		emit_byte(e, opcode >> 8);
	emit_byte(e, opcode);
}
/* A REX prefix stands before every instruction: bytes of all registers can be named then, and its length says nothing that matters. */
static inline void emit_rex(struct emitter *e, bool wide, uint32_t reg, uint32_t rm) { emit_byte(e, 0x40 | wide << 3 | reg >> 3 << 2 | rm >> 3); }

/* opcode with the operands reg (or what extends the opcode) and rm, both registers. */
static inline void emit_rr(struct emitter *e, bool wide, uint32_t opcode, uint32_t reg, uint32_t rm)
{
	emit_rex(e, wide, reg, rm);
	emit_opcode(e, opcode);
	emit_byte(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}
/* The same with memory at base + displacement. */
static inline void emit_rm(struct emitter *e, bool wide, uint32_t opcode, uint32_t reg, uint32_t base, int32_t displacement)
{
	bool near = displacement == (int8_t)displacement;

	emit_rex(e, wide, reg, base);
	emit_opcode(e, opcode);
	emit_byte(e, (near ? 0x40 : 0x80) | (reg & 7) << 3 | (base & 7));
	if ((base & 7) == RSP)
		emit_byte(e, 0x24); /* rsp and r12 as a base are named so */
	if (near)
		emit_byte(e, displacement);
	else
		emit_32(e, displacement);
}

/* The arithmetic that has one numbering: add 0, or 1, and 4, sub 5, xor 6, cmp 7. */
enum { OP_ADD = 0, OP_OR = 1, OP_AND = 4, OP_SUB = 5, OP_XOR = 6, OP_CMP = 7 };
static inline void emit_op(struct emitter *e, bool wide, uint32_t op, uint32_t to, uint32_t from) { emit_rr(e, wide, op << 3 | 1, from, to); }
static inline void emit_op_immediate(struct emitter *e, bool wide, uint32_t op, uint32_t to, int32_t immediate)
{
	bool near = immediate == (int8_t)immediate;

	emit_rr(e, wide, near ? 0x83 : 0x81, op, to);
	if (near)
		emit_byte(e, immediate);
	else
		emit_32(e, immediate);
}
static inline void emit_op_memory(struct emitter *e, uint32_t op, uint32_t to, uint32_t base, int32_t displacement)
{
	emit_rm(e, true, op << 3 | 3, to, base, displacement);
}

static inline void emit_move(struct emitter *e, bool wide, uint32_t to, uint32_t from) { emit_rr(e, wide, 0x89, from, to); }
static inline void emit_load(struct emitter *e, uint32_t to, uint32_t base, int32_t displacement) { emit_rm(e, true, 0x8b, to, base, displacement); }
static inline void emit_store(struct emitter *e, uint32_t from, uint32_t base, int32_t displacement) { emit_rm(e, true, 0x89, from, base, displacement); }
static inline void emit_lea(struct emitter *e, uint32_t to, uint32_t base, int32_t displacement) { emit_rm(e, true, 0x8d, to, base, displacement); }
/* A constant, sign-extended if wide, else with zero above. */
static inline void emit_constant(struct emitter *e, bool wide, uint32_t to, int32_t value)
{
	if (!value) {
		emit_op(e, false, OP_XOR, to, to);
	} else if (value > 0 || !wide) {
		emit_rex(e, false, 0, to);
		emit_byte(e, 0xb8 | (to & 7));
		emit_32(e, value);
	} else {
		emit_rr(e, true, 0xc7, 0, to);
		emit_32(e, value);
	}
}

/* Jumps to a place that is known, or will be in the next round: always 32 bits, so that all rounds are equally long. */
static inline void emit_jump(struct emitter *e, size_t target)
{
	emit_byte(e, 0xe9);
	emit_32(e, target - (e->at + 4));
}
static inline void emit_jump_if(struct emitter *e, uint32_t condition, size_t target)
{
	emit_byte(e, 0x0f);
	emit_byte(e, 0x80 | condition);
	emit_32(e, target - (e->at + 4));
}
/* A jump over a few instructions: emit_skip_end() puts its target where the code is then. */
static inline size_t emit_skip_if(struct emitter *e, uint32_t condition)
{
	emit_byte(e, 0x70 | condition);
	emit_byte(e, 0);
	return e->at;
}
static inline size_t emit_skip(struct emitter *e)
{
	emit_byte(e, 0xeb);
	emit_byte(e, 0);
	return e->at;
}
static inline void emit_skip_end(struct emitter *e, size_t from)
{
	if (from <= e->room)
		e->code[from - 1] = e->at - from;
}
