/* The encoding of eBPF instructions (RFC 9669), as far as handlers may use it. For the files of this folder that read programs. */
#pragma once

#include <stdbool.h>

#include <aegis/ash.h>

/* The low three bits of the code: the class. */
enum { EBPF_LD = 0, EBPF_LDX, EBPF_ST, EBPF_STX, EBPF_ALU, EBPF_JMP, EBPF_JMP32, EBPF_ALU64 };
#define EBPF_CLASS(code) ((code) & 7)

/* Of arithmetic and jumps: bit 3 says where the second operand is, the high four bits what is done. */
#define EBPF_X 0x08
#define EBPF_OPERATION(code) ((code) >> 4)
enum {
	EBPF_ADD = 0, EBPF_SUB, EBPF_MUL, EBPF_DIV, EBPF_OR, EBPF_AND, EBPF_LSH, EBPF_RSH, EBPF_NEG, EBPF_MOD, EBPF_XOR, EBPF_MOV, EBPF_ARSH, EBPF_END,
	EBPF_ARITHMETIC_COUNT
};
enum {
	EBPF_JA = 0, EBPF_JEQ, EBPF_JGT, EBPF_JGE, EBPF_JSET, EBPF_JNE, EBPF_JSGT, EBPF_JSGE, EBPF_CALL, EBPF_EXIT, EBPF_JLT, EBPF_JLE, EBPF_JSLT, EBPF_JSLE,
	EBPF_JUMP_COUNT
};

/* Of loads and stores: the high three bits are the mode, the two below the size. */
#define EBPF_MODE(code) ((code) >> 5)
enum { EBPF_IMMEDIATE = 0, EBPF_MEMORY = 3, EBPF_MEMORY_SIGNED = 4 };
enum { EBPF_WORD = 0, EBPF_HALF, EBPF_BYTE, EBPF_DOUBLE };
#define EBPF_SIZE_CODE(code) ((code) >> 3 & 3)
#define EBPF_LOAD_64 0x18 /* a constant in two instructions' room */
#define EBPF_LITTLE 0xd4
#define EBPF_BIG 0xdc
#define EBPF_SWAP 0xd7

#define EBPF_FRAME_POINTER 10

static inline uint32_t ebpf_to(const struct aegis_ebpf *i) { return i->registers & 15; }
static inline uint32_t ebpf_from(const struct aegis_ebpf *i) { return i->registers >> 4; }
static inline bool ebpf_is_load(const struct aegis_ebpf *i) { return EBPF_CLASS(i->code) == EBPF_LDX; }
static inline bool ebpf_is_arithmetic(const struct aegis_ebpf *i) { return EBPF_CLASS(i->code) == EBPF_ALU || EBPF_CLASS(i->code) == EBPF_ALU64; }
static inline bool ebpf_is_jump(const struct aegis_ebpf *i) { return EBPF_CLASS(i->code) == EBPF_JMP || EBPF_CLASS(i->code) == EBPF_JMP32; }
static inline bool ebpf_is_call(const struct aegis_ebpf *i) { return i->code == (EBPF_JMP | EBPF_CALL << 4); }
static inline bool ebpf_is_exit(const struct aegis_ebpf *i) { return i->code == (EBPF_JMP | EBPF_EXIT << 4); }
/* A jump that is always taken. */
static inline bool ebpf_is_always(const struct aegis_ebpf *i) { return ebpf_is_jump(i) && EBPF_OPERATION(i->code) == EBPF_JA; }
/* One that has a target: neither a call nor an exit. */
static inline bool ebpf_has_target(const struct aegis_ebpf *i) { return ebpf_is_jump(i) && !ebpf_is_call(i) && !ebpf_is_exit(i); }
/* The target of the jump at position `at`; may lie anywhere. */
static inline int64_t ebpf_target(const struct aegis_ebpf *i, int64_t at)
{
	return at + 1 + (i->code == EBPF_JMP32 ? i->immediate : i->offset); /* the long jump has its distance in the immediate */
}
/* Bytes that a load or store touches. */
static inline uint32_t ebpf_size(const struct aegis_ebpf *i)
{
	switch (EBPF_SIZE_CODE(i->code)) {
	case EBPF_BYTE:
		return 1;
	case EBPF_HALF:
		return 2;
	case EBPF_WORD:
		return 4;
	default:
		return 8;
	}
}

/* A well-formed instruction: its code is known, what must be zero is, its registers exist. Null, or what is wrong. `next`: the one behind it, or null. */
const char *ebpf_check(const struct aegis_ebpf *i, const struct aegis_ebpf *next);
/* A well-formed program: besides, it ends, and it jumps to the beginning of instructions only. Null, or what is wrong, and in *at where. `inside` (n bytes)
 * is set to 1 for the second halves of constants, to 0 elsewhere. */
const char *ebpf_check_program(const struct aegis_ebpf *program, uint32_t n, uint8_t *inside, uint32_t *at);

/* Which argument of a call is an address, with its length in the register behind it: its register, or 0 for a call without. */
static inline uint32_t ebpf_call_pointer(int32_t number)
{
	switch (number) {
	case ASH_CALL_COPY:
		return 2;
	case ASH_CALL_TIME:
		return 0;
	default:
		return 1;
	}
}
