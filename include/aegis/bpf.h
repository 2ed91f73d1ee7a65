/* The instructions of classic BPF, by their codes: class, and what its fields may be (McCanne and Jacobson, 1993, section 3).
 *
 * Who uses it: the kernel, which checks and compiles programs (net.h: program), and libraries that look into programs before they install them. */
#pragma once

#include <aegis/net.h>

enum { BPF_LD, BPF_LDX, BPF_ST, BPF_STX, BPF_ALU, BPF_JMP, BPF_RET, BPF_MISC };         /* class: code & 7 */
enum { BPF_W = 0x00, BPF_H = 0x08, BPF_B = 0x10 };                                      /* size of a load */
enum { BPF_IMM = 0x00, BPF_ABS = 0x20, BPF_IND = 0x40, BPF_MEM = 0x60, BPF_LEN = 0x80, BPF_MSH = 0xa0 }; /* its mode */
enum { BPF_ADD = 0x00, BPF_SUB = 0x10, BPF_MUL = 0x20, BPF_DIV = 0x30, BPF_OR = 0x40, BPF_AND = 0x50, BPF_LSH = 0x60, BPF_RSH = 0x70, BPF_NEG = 0x80, BPF_MOD = 0x90, BPF_XOR = 0xa0 };
enum { BPF_JA = 0x00, BPF_JEQ = 0x10, BPF_JGT = 0x20, BPF_JGE = 0x30, BPF_JSET = 0x40 };
enum { BPF_X = 0x08 };                                                                  /* of arithmetic and jumps: the operand is X, else k */
enum { BPF_RET_A = 0x10, BPF_TXA = 0x80 };

#define BPF_WORDS 16 /* scratch memory */

static inline unsigned bpf_class(const struct aegis_bpf *i) { return i->code & 7; }
static inline unsigned bpf_op(const struct aegis_bpf *i) { return i->code & 0xf0; }
static inline unsigned bpf_mode(const struct aegis_bpf *i) { return i->code & 0xe0; }
static inline unsigned bpf_size(const struct aegis_bpf *i) { return (i->code & 0x18) == BPF_W ? 4 : (i->code & 0x18) == BPF_H ? 2 : 1; }
