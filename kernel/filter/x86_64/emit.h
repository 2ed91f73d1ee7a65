/* A small assembler: bytes, operands in memory, jumps. What does not fit is dropped and remembered (`full`). */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

struct emitter {
	uint8_t *at, *end;
	const uint8_t *run; /* where `at` will be run */
	bool full;
};

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };
enum { JB = 0x72, JAE, JE, JNE, JBE, JA, JMP = 0xeb }; /* short jumps' opcodes; the long conditional one is 0x0f and 0x10 more */

static inline void emit_bytes(struct emitter *e, const uint8_t *bytes, size_t n)
{
	if (e->full || n > (size_t)(e->end - e->at)) {
		e->full = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		e->at[i] = bytes[i];
	e->at += n;
	e->run += n;
}
#define EMIT(e, ...) emit_bytes(e, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Little-endian, n bytes. */
static inline void emit_number(struct emitter *e, uint64_t value, size_t n)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	emit_bytes(e, bytes, n);
}

/* An instruction with a register (or the opcode's extension) and memory at base + displacement; opcode of one byte, or 0x0fXX; WIDE: of 64 bits. base: RDI, RDX, RCX, R8 to R11, which need no second byte. */
#define WIDE 0x10000u
static inline void emit_memory(struct emitter *e, unsigned opcode, unsigned reg, unsigned base, uint32_t displacement)
{
	bool small = displacement < 128;

	if (base >= R8 || opcode & WIDE)
		EMIT(e, (uint8_t)(0x40 | (base >= R8) | (opcode & WIDE ? 8 : 0)));
	if (opcode & 0xff00)
		EMIT(e, 0x0f);
	EMIT(e, (uint8_t)opcode, (uint8_t)((small ? 0x40 : 0x80) | reg << 3 | (base & 7)));
	emit_number(e, displacement, small ? 1 : 4);
}

/* To an address within 2 GiB of where the code is run. */
static inline void emit_long(struct emitter *e, const uint8_t *target)
{
	emit_number(e, (uint64_t)(target - (e->run + 4)), 4);
}
static inline void emit_jump(struct emitter *e, const uint8_t *target)
{
	EMIT(e, 0xe9);
	emit_long(e, target);
}
static inline void emit_jump_if(struct emitter *e, unsigned condition, const uint8_t *target)
{
	EMIT(e, 0x0f, (uint8_t)(condition + 0x10));
	emit_long(e, target);
}

/* A short jump forward to where emit_here is called with what this returns. */
static inline uint8_t *emit_forward(struct emitter *e, unsigned opcode)
{
	EMIT(e, (uint8_t)opcode, 0);
	return e->at;
}
static inline void emit_here(struct emitter *e, uint8_t *from)
{
	if (!e->full)
		from[-1] = (uint8_t)(e->at - from);
}
