/* What inspection accepts and what it refuses: a program a rule, and the reason that it must give. What is accepted is run, compiled and interpreted, on
 * packets of several lengths. */
#include <stdio.h>
#include <string.h>

#include "assemble.h"
#include "world.h"

struct rule {
	const char *name, *reason; /* null: accepted */
	struct aegis_ebpf program[24];
};
#define RETURN_0 MOV_K(0, 0), EXIT
#define POINTER_AS_NUMBER "a pointer on the stack would be read as a number"
#define NOT_STORED "a pointer is stored elsewhere than in 8 aligned bytes of the stack"
#define NOT_WITH_POINTER "this cannot be done with a pointer"
#define NOTHING_CERTAIN "a register is read that holds nothing certain"
#define RESERVED "a reserved field is not zero"
#define UNKNOWN "unknown instruction"

static const struct rule rules[] = {
	/* Whole programs. */
	{"the smallest program", NULL, {RETURN_0}},
	{"nothing returned", "it does not return a number", {EXIT}},
	{"falls off the end", "it runs past the end", {MOV_K(0, 0)}},
	{"falls off the end behind a conditional jump", "it runs past the end", {MOV_K(0, 0), EXIT, JUMP_K(JEQ, 0, 0, -3)}},
	{"ends in half a constant", "half a constant", {MOV_K(0, 0), INSTRUCTION(EBPF_LOAD_64, 0, 0, 0, 1)}},
	{"ends in a constant", "it runs past the end", {MOV_K(0, 0), EXIT, LOAD_64(0, 0x100000001)}},
	{"jumps into a constant", "it jumps where no instruction is", {JUMP(1), LOAD_64(0, 1), EXIT}},
	{"jumps behind the end", "it jumps where no instruction is", {MOV_K(0, 0), JUMP_K(JEQ, 0, 0, 1), EXIT}},
	{"jumps before the beginning", "it jumps where no instruction is", {MOV_K(0, 0), JUMP_K(JEQ, 0, 0, -3), EXIT}},
	{"a long jump whose distance overflows", "it jumps where no instruction is", {INSTRUCTION(EBPF_JMP32, 0, 0, 0, INT32_MAX), RETURN_0}},
	{"a long jump", NULL, {INSTRUCTION(EBPF_JMP32, 0, 0, 0, 1), EXIT, RETURN_0}},
	{"jumps to itself", NULL, {JUMP(-1)}},
	{"garbage that is not reached must be well-formed", UNKNOWN, {MOV_K(0, 0), EXIT, INSTRUCTION(0xff, 0, 0, 0, 0), EXIT}},
	{"unsafe code that is not reached is let be", NULL, {MOV_K(0, 0), EXIT, LOAD(DOUBLE, 0, 9, 0), EXIT}},
	/* Single instructions. */
	{"register 11", "no such register", {MOV_K(11, 0), RETURN_0}},
	{"register 15 read", "no such register", {MOV_X(0, 15), EXIT}},
	{"writes the frame pointer", "the frame pointer cannot be written", {MOV_K(10, 0), RETURN_0}},
	{"loads the frame pointer", "the frame pointer cannot be written", {LOAD(DOUBLE, 10, 1, TAG), RETURN_0}},
	{"a constant into the frame pointer", "the frame pointer cannot be written", {LOAD_64(10, 1), RETURN_0}},
	{"an atomic addition", UNKNOWN, {MOV_K(2, 0), INSTRUCTION(0xdb, 10, 2, -8, 0), RETURN_0}},
	{"a store with a sign", UNKNOWN, {INSTRUCTION(EBPF_STX | EBPF_BYTE << 3 | EBPF_MEMORY_SIGNED << 5, 10, 1, -8, 0), RETURN_0}},
	{"a load of 64 bits with a sign", UNKNOWN, {LOAD_SIGNED(DOUBLE, 0, 1, TAG), EXIT}},
	{"a packet access of classic BPF", UNKNOWN, {INSTRUCTION(0x30, 0, 0, 0, 0), EXIT}},
	{"a call through a register", UNKNOWN, {INSTRUCTION(0x8d, 0, 0, 0, 0), EXIT}},
	{"a call of another program", RESERVED, {INSTRUCTION(0x85, 0, 0x1, 0, 1), EXIT}},
	{"an unknown call", "no such function", {CALL(5), EXIT}},
	{"call 0", "no such function", {CALL(0), EXIT}},
	{"call -1", "no such function", {CALL(-1), EXIT}},
	{"an address as a constant", RESERVED, {INSTRUCTION(EBPF_LOAD_64, 0, 1, 0, 1), INSTRUCTION(0, 0, 0, 0, 0), EXIT}},
	{"a constant's second half is no instruction", RESERVED, {INSTRUCTION(EBPF_LOAD_64, 0, 0, 0, 1), INSTRUCTION(0, 1, 0, 0, 0), EXIT}},
	{"reserved: source of an immediate", RESERVED, {INSTRUCTION(0xb7, 0, 1, 0, 0), EXIT}},
	{"reserved: immediate beside a register", RESERVED, {INSTRUCTION(0xbf, 0, 1, 0, 1), EXIT}},
	{"reserved: offset of an addition", RESERVED, {INSTRUCTION(0x07, 0, 0, 1, 0), EXIT}},
	{"reserved: offset of a move that is no sign extension", RESERVED, {INSTRUCTION(0xbf, 0, 1, 7, 0), EXIT}},
	{"reserved: extension from 32 to 32 bits", RESERVED, {INSTRUCTION(0xbc, 0, 1, 32, 0), EXIT}},
	{"reserved: offset of a division", RESERVED, {INSTRUCTION(0x37, 0, 0, 2, 1), EXIT}},
	{"reserved: immediate of exit", RESERVED, {INSTRUCTION(0x95, 0, 0, 0, 1)}},
	{"reserved: offset of exit", RESERVED, {INSTRUCTION(0x95, 0, 0, 1, 0)}},
	{"reserved: immediate of a load", RESERVED, {INSTRUCTION(0x79, 0, 1, TAG, 1), EXIT}},
	{"exit of 32 bits", UNKNOWN, {MOV_K(0, 0), INSTRUCTION(0x96, 0, 0, 0, 0)}},
	{"negation of a register by a register", UNKNOWN, {MOV_K(0, 0), INSTRUCTION(0x8f, 0, 0, 0, 0), EXIT}},
	{"swaps 24 bits", "bytes are swapped in 16, 32 or 64 bits", {MOV_K(0, 0), INSTRUCTION(0xdc, 0, 0, 0, 24), EXIT}},
	{"arithmetic 14", UNKNOWN, {MOV_K(0, 0), INSTRUCTION(0xe7, 0, 0, 0, 0), EXIT}},
	{"jump 14", UNKNOWN, {MOV_K(0, 0), INSTRUCTION(0xe5, 0, 0, 0, 0), EXIT}},
	/* Registers. */
	{"reads r2, which holds nothing", NOTHING_CERTAIN, {MOV_X(0, 2), EXIT}},
	{"adds to r0, which holds nothing", NOTHING_CERTAIN, {ALU_K(ADD, 0, 1), EXIT}},
	{"compares r6, which holds nothing", NOTHING_CERTAIN, {MOV_K(0, 0), JUMP_K(JEQ, 6, 0, 0), EXIT}},
	{"reads r1 after a call", NOTHING_CERTAIN, {CALL(ASH_CALL_TIME), MOV_X(0, 1), EXIT}},
	{"r6 to r9 outlive calls", NULL, {MOV_X(6, 1), MOV_K(9, 2), CALL(ASH_CALL_TIME), LOAD(DOUBLE, 0, 6, TAG), ALU_X(AND, 0, 9), EXIT}},
	{"a register that is set on one of two ways", NOTHING_CERTAIN, {LOAD(DOUBLE, 0, 1, TAG), JUMP_K(JEQ, 0, 0, 1), MOV_K(2, 0), MOV_X(0, 2), EXIT}},
	{"a register that is a pointer or a number", NOTHING_CERTAIN,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 0, 1, TAG), JUMP_K(JEQ, 0, 0, 1), MOV_K(2, 0), MOV_X(0, 2), EXIT}},
	{"a pointer into one of two regions", NOTHING_CERTAIN,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 0, 1, TAG), JUMP_K(JEQ, 0, 0, 1), LOAD(DOUBLE, 2, 1, MEMORY_FIELD), MOV_X(3, 2), EXIT}},
	/* What is returned. */
	{"returns the context", "it does not return a number", {MOV_X(0, 1), EXIT}},
	{"returns the packet's address", "it does not return a number", {LOAD(DOUBLE, 0, 1, PACKET), EXIT}},
	{"returns the frame pointer", "it does not return a number", {MOV_X(0, 10), EXIT}},
	{"returns the tag", NULL, {LOAD(DOUBLE, 0, 1, TAG), EXIT}},
	/* The context. */
	{"reads half a field of the context", "the context is read by whole fields", {LOAD(WORD, 0, 1, PACKET), EXIT}},
	{"reads between two fields", "the context is read by whole fields", {LOAD(DOUBLE, 0, 1, 4), EXIT}},
	{"reads behind the context", "the context is read by whole fields", {LOAD(DOUBLE, 0, 1, 48), EXIT}},
	{"reads before the context", "the context is read by whole fields", {LOAD(DOUBLE, 0, 1, -8), EXIT}},
	{"writes to the context", "not by a pointer into packet, memory or stack", {STORE_K(DOUBLE, 1, 0, 0), RETURN_0}},
	{"moves the context's address", NOT_WITH_POINTER, {ALU_K(ADD, 1, 8), RETURN_0}},
	{"hands the context to a call", "a call's address is no pointer into packet, memory or stack", {MOV_K(2, 8), CALL(ASH_CALL_SUM), RETURN_0}},
	{"dereferences a number", "not by a pointer into packet, memory or stack", {LOAD(DOUBLE, 2, 1, TAG), LOAD(BYTE, 0, 2, 0), EXIT}},
	/* Arithmetic with pointers. */
	{"32 bits of a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU32_X(MOV, 0, 2), EXIT}},
	{"8 bits of a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOVSX(0, 2, 8), EXIT}},
	{"32 bits added to a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU32_K(ADD, 2, 1), RETURN_0}},
	{"a pointer times 1", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_K(MUL, 2, 1), RETURN_0}},
	{"a pointer and -1", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_K(AND, 2, -1), RETURN_0}},
	{"a pointer xor itself", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_X(XOR, 2, 2), RETURN_0}},
	{"a pointer shifted", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_K(RSH, 2, 0), RETURN_0}},
	{"a number shifted by a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 1), ALU_X(LSH, 0, 2), EXIT}},
	{"a number divided by a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, -1), ALU_X(DIV, 0, 2), EXIT}},
	{"a pointer negated", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_K(NEG, 2, 0), RETURN_0}},
	{"a pointer's bytes swapped", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), INSTRUCTION(EBPF_SWAP, 2, 0, 0, 64), RETURN_0}},
	{"a pointer in little endian", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), INSTRUCTION(EBPF_LITTLE, 2, 0, 0, 64), RETURN_0}},
	{"two pointers added", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), ALU_X(ADD, 2, 2), RETURN_0}},
	{"a number minus a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 0), ALU_X(SUB, 0, 2), EXIT}},
	{"the distance of two regions", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 0, 1, MEMORY_FIELD), ALU_X(SUB, 0, 2), EXIT}},
	{"the distance of packet and stack", NOT_WITH_POINTER, {LOAD(DOUBLE, 0, 1, PACKET), ALU_X(SUB, 0, 10), EXIT}},
	{"the packet's length", NULL, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 0, 1, PACKET_END), ALU_X(SUB, 0, 2), EXIT}},
	{"the memory's length", NULL, {LOAD(DOUBLE, 2, 1, MEMORY_FIELD), LOAD(DOUBLE, 0, 1, MEMORY_END), ALU_X(SUB, 0, 2), ALU_K(RSH, 0, 12), EXIT}},
	/* Comparisons. */
	{"a pointer with 0", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 0), JUMP_K(JEQ, 2, 0, 0), EXIT}},
	{"a pointer with a number", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 0), JUMP_X(JGT, 0, 2, 0), EXIT}},
	{"pointers into two regions", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, MEMORY_FIELD), MOV_K(0, 0), JUMP_X(JGT, 3, 2, 0), EXIT}},
	{"bits of a pointer", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 0), JUMP_X(JSET, 2, 2, 0), EXIT}},
	{"32 bits of pointers", NOT_WITH_POINTER, {LOAD(DOUBLE, 2, 1, PACKET), MOV_K(0, 0), JUMP32_X(JEQ, 2, 2, 0), EXIT}},
	{"the context with itself", NOT_WITH_POINTER, {MOV_K(0, 0), JUMP_X(JEQ, 1, 1, 0), EXIT}},
	{"a pointer moved until it wraps tells nothing of where it is", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), MOV_X(3, 2), LOAD_64(4, 0x8000000000000000), ALU_X(ADD, 3, 4), MOV_K(0, 0), JUMP_X(JGT, 3, 2, 1), MOV_K(0, 2), EXIT}},
	{"a pointer moved around the address space", NULL,
		{LOAD(DOUBLE, 2, 1, MEMORY_FIELD), MOV_X(3, 2), LOAD_64(4, 0xffff800000000000), ALU_X(ADD, 3, 4), MOV_K(0, 0), JUMP_X(JLT, 3, 2, 1), MOV_K(0, 2), EXIT}},
	/* The packet. */
	{"14 bytes are always there", NULL, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(HALF, 0, 2, 12), EXIT}},
	{"past 14 bytes it is checked", NULL, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(WORD, 0, 2, 60), EXIT}},
	{"before the packet", NULL, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(BYTE, 0, 2, -1), EXIT}},
	{"the packet's end compared, the pointer on the right", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, PACKET_END), MOV_X(4, 2), ALU_K(ADD, 4, 64), MOV_K(0, 2), JUMP_X(JLT, 3, 4, 1), LOAD(DOUBLE, 0, 2, 56), EXIT}},
	{"the other way of the comparison is checked", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, PACKET_END), MOV_X(4, 2), ALU_K(ADD, 4, 64), MOV_K(0, 2), JUMP_X(JGE, 3, 4, 1), LOAD(DOUBLE, 0, 2, 56), EXIT}},
	{"the length compared", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, PACKET_END), ALU_X(SUB, 3, 2), MOV_K(0, 2), JUMP_K(JLE, 3, 63, 1), LOAD(DOUBLE, 0, 2, 56), EXIT}},
	{"a length below zero teaches nothing", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, PACKET_END), MOV_X(4, 2), ALU_K(ADD, 4, 2000), ALU_X(SUB, 3, 4), MOV_K(0, 2), JUMP_K(JLE, 3, 63, 1), LOAD(DOUBLE, 0, 2, 1990), EXIT}},
	{"from the packet's end backward", NULL, {LOAD(DOUBLE, 2, 1, PACKET_END), LOAD(WORD, 0, 2, -4), EXIT}},
	{"at the packet's end", NULL, {LOAD(DOUBLE, 2, 1, PACKET_END), LOAD(BYTE, 0, 2, 0), EXIT}},
	{"anywhere", NULL, {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, TAG), ALU_X(ADD, 2, 3), LOAD(DOUBLE, 0, 2, -3), STORE(HALF, 2, 5, 0), EXIT}},
	{"at the end of the address space", NULL,
		{LOAD(DOUBLE, 2, 1, PACKET), MOV_K(3, 0), ALU_X(SUB, 3, 3), ALU_K(SUB, 3, 1), ALU_X(ADD, 2, 3), LOAD(DOUBLE, 0, 2, 0), EXIT}},
	{"a pointer into the packet", NOT_STORED, {LOAD(DOUBLE, 2, 1, PACKET), STORE(DOUBLE, 2, 0, 2), RETURN_0}},
	{"a byte of a pointer into the packet", NOT_STORED, {LOAD(DOUBLE, 2, 1, PACKET), STORE(BYTE, 2, 0, 1), RETURN_0}},
	/* Memory. */
	{"the whole memory", NULL, {LOAD(DOUBLE, 2, 1, MEMORY_FIELD), STORE_K(DOUBLE, 2, 4088, -1), LOAD(DOUBLE, 0, 2, 4088), EXIT}},
	{"across the memory's end", NULL, {LOAD(DOUBLE, 2, 1, MEMORY_FIELD), STORE_K(DOUBLE, 2, 4089, -1), RETURN_0}},
	{"from the memory's end backward", NULL, {LOAD(DOUBLE, 2, 1, MEMORY_END), STORE_K(WORD, 2, -4, 7), RETURN_0}},
	{"a pointer into memory", NOT_STORED, {LOAD(DOUBLE, 2, 1, MEMORY_FIELD), STORE(DOUBLE, 2, 0, 10), RETURN_0}},
	/* The stack. */
	{"below the stack", "outside the stack", {STORE_K(DOUBLE, 10, -520, 0), RETURN_0}},
	{"across the stack's end", "outside the stack", {STORE_K(DOUBLE, 10, -4, 0), RETURN_0}},
	{"the stack's first and last bytes", NULL, {STORE_K(BYTE, 10, -512, 1), STORE_K(BYTE, 10, -1, 1), LOAD(BYTE, 0, 10, -512), EXIT}},
	{"what was never written reads as zero", NULL, {LOAD(DOUBLE, 0, 10, -512), LOAD(WORD, 2, 10, -100), ALU_X(OR, 0, 2), EXIT}},
	{"what was written in part reads as zero elsewhere", NULL, {STORE_K(BYTE, 10, -8, 1), LOAD(DOUBLE, 0, 10, -8), EXIT}},
	{"anywhere on the stack", NULL, {LOAD(DOUBLE, 2, 1, TAG), MOV_X(3, 10), ALU_X(SUB, 3, 2), LOAD(DOUBLE, 0, 3, 0), STORE_K(WORD, 3, 0, 5), EXIT}},
	{"anywhere on a stack that holds a pointer", POINTER_AS_NUMBER,
		{STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 2, 1, TAG), MOV_X(3, 10), ALU_X(SUB, 3, 2), LOAD(DOUBLE, 0, 3, 0), EXIT}},
	{"a write anywhere on a stack that holds a pointer", POINTER_AS_NUMBER,
		{STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 2, 1, TAG), MOV_X(3, 10), ALU_X(SUB, 3, 2), STORE_K(BYTE, 3, 0, 0), RETURN_0}},
	{"a pointer put away and brought back", NULL,
		{STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 2, 10, -8), LOAD(DOUBLE, 3, 2, PACKET), STORE(DOUBLE, 10, -16, 3), LOAD(DOUBLE, 4, 10, -16), LOAD(BYTE, 0, 4, 13), EXIT}},
	{"a pointer put away askew", NOT_STORED, {STORE(DOUBLE, 10, -12, 1), RETURN_0}},
	{"half a pointer put away", NOT_STORED, {STORE(WORD, 10, -8, 1), RETURN_0}},
	{"half a pointer read", POINTER_AS_NUMBER, {STORE(DOUBLE, 10, -8, 1), LOAD(WORD, 0, 10, -8), EXIT}},
	{"half a pointer read with a sign", POINTER_AS_NUMBER, {STORE(DOUBLE, 10, -8, 1), LOAD_SIGNED(WORD, 0, 10, -8), EXIT}},
	{"half of each of two slots read", POINTER_AS_NUMBER, {STORE(DOUBLE, 10, -8, 1), STORE_K(DOUBLE, 10, -16, 0), LOAD(DOUBLE, 0, 10, -12), EXIT}},
	{"a pointer overwritten in part, the rest read", POINTER_AS_NUMBER, {STORE(DOUBLE, 10, -8, 1), STORE_K(WORD, 10, -8, 0), LOAD(WORD, 0, 10, -4), EXIT}},
	{"a pointer overwritten in part, all read", POINTER_AS_NUMBER, {STORE(DOUBLE, 10, -8, 1), STORE_K(BYTE, 10, -8, 0), LOAD(DOUBLE, 0, 10, -8), EXIT}},
	{"a pointer overwritten", NULL, {STORE(DOUBLE, 10, -8, 1), STORE_K(DOUBLE, 10, -8, 2), LOAD(DOUBLE, 0, 10, -8), EXIT}},
	{"a slot that holds a pointer on one of two ways", POINTER_AS_NUMBER,
		{STORE_K(DOUBLE, 10, -8, 0), LOAD(DOUBLE, 2, 1, TAG), JUMP_K(JEQ, 2, 0, 1), STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 0, 10, -8), EXIT}},
	{"a slot that is never written or holds a pointer", POINTER_AS_NUMBER,
		{LOAD(DOUBLE, 2, 1, TAG), JUMP_K(JEQ, 2, 0, 1), STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 0, 10, -8), EXIT}},
	{"a slot that holds a pointer from the second turn on", POINTER_AS_NUMBER,
		{MOV_K(0, 0), LOAD(DOUBLE, 0, 10, -8), STORE(DOUBLE, 10, -8, 1), JUMP_K(JEQ, 0, 0, -3), EXIT}},
	{"a register that is a pointer from the second turn on", NOTHING_CERTAIN, {MOV_K(2, 0), MOV_X(0, 2), LOAD(DOUBLE, 2, 1, PACKET), JUMP_K(JEQ, 0, 0, -3), EXIT}},
	/* Calls. */
	{"sends the packet", NULL, {MOV_X(3, 1), LOAD(DOUBLE, 1, 3, PACKET), LOAD(DOUBLE, 2, 3, PACKET_END), ALU_X(SUB, 2, 1), CALL(ASH_CALL_SEND), EXIT}},
	{"sends past the packet's end", NULL,
		{MOV_X(3, 1), LOAD(DOUBLE, 1, 3, PACKET), LOAD(DOUBLE, 2, 3, PACKET_END), ALU_X(SUB, 2, 1), ALU_K(ADD, 1, 1), CALL(ASH_CALL_SEND), EXIT}},
	{"sends from before the packet", NULL, {LOAD(DOUBLE, 1, 1, PACKET), ALU_K(SUB, 1, 1), MOV_K(2, 1), CALL(ASH_CALL_SUM), EXIT}},
	{"an enormous length", NULL, {LOAD(DOUBLE, 1, 1, PACKET), MOV_K(2, -1), CALL(ASH_CALL_SUM), EXIT}},
	{"a length that wraps", NULL, {LOAD(DOUBLE, 1, 1, PACKET), LOAD_64(2, 0x8000000000000000), CALL(ASH_CALL_SUM), EXIT}},
	{"no bytes at the end", NULL, {LOAD(DOUBLE, 1, 1, PACKET_END), MOV_K(2, 0), CALL(ASH_CALL_SUM), EXIT}},
	{"copies from the stack", NULL, {STORE_K(DOUBLE, 10, -8, 77), MOV_K(1, 100), MOV_X(2, 10), ALU_K(ADD, 2, -8), MOV_K(3, 8), CALL(ASH_CALL_COPY), EXIT}},
	{"what a call reads of the stack unwritten is zero", NULL, {MOV_K(1, 100), MOV_X(2, 10), ALU_K(ADD, 2, -64), MOV_K(3, 64), CALL(ASH_CALL_COPY), EXIT}},
	{"a length of the stack that is not known", NULL, {LOAD(DOUBLE, 3, 1, TAG), MOV_K(1, 0), MOV_X(2, 10), ALU_K(ADD, 2, -256), CALL(ASH_CALL_COPY), EXIT}},
	{"a call reads past the stack", "outside the stack", {MOV_X(1, 10), ALU_K(ADD, 1, -8), MOV_K(2, 9), CALL(ASH_CALL_SUM), EXIT}},
	{"a call reads a pointer on the stack", POINTER_AS_NUMBER,
		{STORE(DOUBLE, 10, -8, 1), MOV_X(1, 10), ALU_K(ADD, 1, -8), MOV_K(2, 8), CALL(ASH_CALL_SEND), EXIT}},
	{"a call reads a pointer on the stack by an unknown length", POINTER_AS_NUMBER,
		{STORE(DOUBLE, 10, -8, 1), LOAD(DOUBLE, 2, 1, TAG), MOV_X(1, 10), ALU_K(ADD, 1, -64), CALL(ASH_CALL_SEND), EXIT}},
	{"a pointer as a length", "a call's argument is no number", {LOAD(DOUBLE, 1, 1, PACKET), MOV_X(2, 1), CALL(ASH_CALL_SUM), EXIT}},
	{"a pointer as an offset", "a call's argument is no number", {LOAD(DOUBLE, 1, 1, PACKET), MOV_X(2, 1), MOV_K(3, 1), CALL(ASH_CALL_COPY), EXIT}},
	{"no length", "a call's argument is no number", {LOAD(DOUBLE, 1, 1, PACKET), CALL(ASH_CALL_SUM), EXIT}},
	{"a number as an address", "a call's address is no pointer into packet, memory or stack", {MOV_K(1, 0), MOV_K(2, 0), CALL(ASH_CALL_SEND), EXIT}},
	/* Time. */
	{"a loop without end is ended", NULL, {MOV_K(0, 0), ALU_K(ADD, 0, 1), JUMP(-2)}},
	{"a loop of calls is ended", NULL, {LOAD(DOUBLE, 6, 1, PACKET), MOV_X(1, 6), MOV_K(2, 14), CALL(ASH_CALL_SEND), JUMP(-4)}},
	{"a loop that ends", NULL, {MOV_K(0, 0), ALU_K(ADD, 0, 1), JUMP_K(JLT, 0, 200, -2), ALU_K(SUB, 0, 198), EXIT}},
};

/* Instructions of a table entry: what is not written is all zeros, and no program ends so. */
static uint32_t length_of(const struct aegis_ebpf *program)
{
	static const struct aegis_ebpf none;
	uint32_t n = 24;

	while (n && !memcmp(&program[n - 1], &none, sizeof(none)))
		n--;
	return n;
}

static bool try(const struct rule *rule, const char **why)
{
	static uint8_t packet[2048];
	static struct outcome out;
	uint32_t n = length_of(rule->program);
	const char *got = world_compile(rule->program, n);

	*why = got ? got : "it was accepted";
	if (rule->reason)
		return got && strstr(got, rule->reason);
	if (got)
		return false;
	for (uint32_t i = 0; i < sizeof(packet); i++)
		packet[i] = i * 7 + 1;
	for (uint32_t length = 10; length <= 2000; length += length < 80 ? 1 : 480) {
		for (uint64_t tag = 0; tag < 40; tag++) {
			struct input in = {.length = length, .packet = packet, .tag = tag < 20 ? tag : tag << 4, .steps = ASH_STEPS};

			*why = world_compare(rule->program, n, &in, &out);
			if (*why)
				return false;
		}
	}
	return true;
}

/* Results that are known beforehand, lest both be wrong alike. */
static void known_results(void)
{
	static const struct {
		const char *name;
		uint64_t expected;
		struct aegis_ebpf program[8];
	} known[] = {
		{"a division by zero gives 0", 0, {MOV_K(0, 7), MOV_K(2, 0), ALU_X(DIV, 0, 2), EXIT}},
		{"the rest of a division by zero is the dividend", 2, {MOV_K(0, 2), ALU_K(MOD, 0, 0), EXIT}},
		{"a signed division that overflows does not trap", 0, {LOAD_64(0, 0x8000000000000000), INSTRUCTION(0x37, 0, 0, 1, -1), ALU_K(LSH, 0, 1), EXIT}},
		{"the rest of one that overflows is 0", 0, {LOAD_64(0, 0x8000000000000000), MOV_K(2, -1), INSTRUCTION(0x9f, 0, 2, 1, 0), EXIT}},
		{"a shift by 65 is one by 1", 2, {MOV_K(0, 1), MOV_K(4, 65), ALU_X(LSH, 0, 4), EXIT}},
		{"32 bits have nothing above", 2, {MOV_K(0, -1), ALU32_K(ADD, 0, 3), EXIT}},
		{"a frame shorter than a header", ASH_RING, {MOV_K(0, 0), EXIT}}, /* run with 13 bytes */
		{"any other result is the ring", ASH_RING, {MOV_K(0, 3), EXIT}},
		{"-1 is the ring", ASH_RING, {MOV_K(0, -1), EXIT}},
		{"2 tells", ASH_TELL, {MOV_K(0, 2), EXIT}},
		{"an access outside is the ring", ASH_RING, {MOV_K(0, 0), LOAD(DOUBLE, 2, 1, PACKET), LOAD(WORD, 3, 2, 61), EXIT}},
		{"one that just fits is none", 0, {MOV_K(0, 0), LOAD(DOUBLE, 2, 1, PACKET), LOAD(WORD, 3, 2, 60), EXIT}},
		{"a loop without end is the ring", ASH_RING, {MOV_K(0, 0), JUMP(-1), EXIT}},
	};
	static uint8_t packet[64];
	static struct outcome out;

	for (uint32_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
		uint32_t n = 8;
		struct input in = {.length = strstr(known[k].name, "shorter") ? 13 : 64, .packet = packet, .steps = ASH_STEPS};
		const char *why;

		while (known[k].program[n - 1].code == 0)
			n--;
		why = world_compile(known[k].program, n);
		if (!why)
			why = world_compare(known[k].program, n, &in, &out);
		point(!why && out.result == known[k].expected, known[k].name, why ? why : "another result");
	}
}

/* What a comparison teaches of the packet's length is right to the byte: on both ways of every comparison of a pointer at offset 64 with the end, of the end
 * with it, and of the length, 8 bytes are read that end around there. More than is there would fault. */
static void learning(void)
{
	static const uint8_t operations[] = {EBPF_JEQ, EBPF_JNE, EBPF_JGT, EBPF_JGE, EBPF_JLT, EBPF_JLE, EBPF_JSGT, EBPF_JSGE, EBPF_JSLT, EBPF_JSLE};
	static uint8_t packet[80];
	static struct outcome out;
	const char *why = NULL;

	for (uint32_t o = 0; o < sizeof(operations); o++) {
		for (uint32_t form = 0; form < 3; form++) {
			for (uint32_t variant = 0; variant < 10 && !why; variant++) {
				struct aegis_ebpf program[] = {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 3, 1, PACKET_END), MOV_X(4, 2), ALU_K(ADD, 4, 64), MOV_K(0, 2),
					MOV_X(5, 3), ALU_X(SUB, 5, 2), INSTRUCTION(EBPF_JMP | operations[o] << 4 | (form < 2 ? EBPF_X : 0), form == 0 ? 3 : form == 1 ? 4 : 5,
						form == 0 ? 4 : form == 1 ? 3 : 0, 0, form < 2 ? 0 : 64),
					LOAD(DOUBLE, 0, 2, (int16_t)(54 + variant / 2)), EXIT, EXIT};

				program[7].offset = 1; /* to the exit: the access is where it is not taken */
				if (variant % 2) {     /* or where it is */
					program[9] = program[8];
					program[8] = (struct aegis_ebpf)EXIT;
				}
				why = world_compile(program, 11);
				for (uint32_t length = 50; length < 80 && !why; length++) {
					struct input in = {.length = length, .packet = packet, .steps = ASH_STEPS};

					snprintf(world_doing, sizeof(world_doing), "comparison %u, form %u, variant %u, %u bytes", operations[o], form, variant, length);
					why = world_compare(program, 11, &in, &out);
				}
			}
		}
	}
	point(!why, "comparisons teach what they say, to the byte", why);
}

/* A program of n instructions: n - 2 of which do nothing. */
static void lengths(void)
{
	static struct aegis_ebpf program[ASH_LENGTH_MAX + 1];
	static uint8_t code[65536];
	static uint64_t work[HANDLER_WORK / 8];
	const struct aegis_ebpf end[] = {EXIT}, nothing[] = {MOV_K(0, 0)}, turn[] = {JUMP_K(JEQ, 0, 0, -1)};
	const char *why;
	int64_t size;

	for (uint32_t i = 0; i < ASH_LENGTH_MAX; i++)
		program[i] = nothing[0];
	program[ASH_LENGTH_MAX - 1] = end[0];
	point(!world_compile(program, ASH_LENGTH_MAX), "a program of the greatest length is accepted", "refused");
	program[ASH_LENGTH_MAX - 1] = nothing[0];
	program[ASH_LENGTH_MAX] = end[0];
	why = world_compile(program, ASH_LENGTH_MAX + 1);
	point(why && strstr(why, "1 to 1024"), "a longer one is refused", why);
	why = world_compile(program, 0);
	point(why && strstr(why, "1 to 1024"), "so is one of no instructions", why);
	for (uint32_t i = 1; i < ASH_LENGTH_MAX; i++)
		program[i] = turn[0];
	program[ASH_LENGTH_MAX - 1] = end[0];
	size = handler_compile(program, ASH_LENGTH_MAX, FRAME_SIZE, code, sizeof(code), work, &why);
	point(size > 0, "as many loops as instructions are accepted", why);
	memset(code, 0x5a, sizeof(code));
	for (uint32_t room = 0; room < (uint32_t)size; room += 1 + room / 16) {
		if (handler_compile(program, ASH_LENGTH_MAX, FRAME_SIZE, code, room, work, &why) >= 0 || code[room] != 0x5a) {
			point(false, "what does not fit is refused and nothing is written past the room", why);
			return;
		}
		memset(code, 0x5a, room);
	}
	point(handler_compile(program, ASH_LENGTH_MAX, FRAME_SIZE, code, size, work, NULL) == size,
		"what does not fit is refused and nothing is written past the room", "what fits exactly is refused");
}

/* A pointer at an unknown offset moves through the stack by one slot each turn, and what is known of the next slot changes: more turns than inspection
 * follows. */
static void tangled(void)
{
	static struct aegis_ebpf program[ASH_LENGTH_MAX];
	const struct aegis_ebpf begin[] = {LOAD(DOUBLE, 2, 1, PACKET), LOAD(DOUBLE, 4, 1, TAG), MOV_X(3, 2), ALU_X(ADD, 3, 4)}, turn = STORE(DOUBLE, 10, -8, 3),
				again = JUMP_K(JEQ, 4, 0, 0), end[] = {MOV_K(0, 0), EXIT};
	uint32_t n = 4, loop;
	const char *why;

	memcpy(program, begin, sizeof(begin));
	for (int16_t slot = 1; slot <= ASH_STACK / 8; slot++)
		program[n++] = (struct aegis_ebpf)STORE(DOUBLE, 10, (int16_t)(-8 * slot), 2);
	loop = n;
	for (int16_t slot = ASH_STACK / 8; slot > 1; slot--) {
		program[n++] = (struct aegis_ebpf)LOAD(DOUBLE, 5, 10, (int16_t)(-8 * (slot - 1)));
		program[n++] = (struct aegis_ebpf)STORE(DOUBLE, 10, (int16_t)(-8 * slot), 5);
	}
	program[n++] = turn;
	program[n] = again;
	program[n].offset = (int16_t)(loop - n - 1);
	memcpy(&program[n + 1], end, sizeof(end));
	why = world_compile(program, n + 3);
	point(why && strstr(why, "too often"), "inspection ends, if need be by refusing", why);
}

/* Memory of several frames is one region, to its last byte and no further. */
static void large_memory(void)
{
	static const struct {
		const char *name;
		uint64_t expected;
		struct aegis_ebpf program[24];
	} known[] = {
		{"the last 8 bytes of two frames", ASH_DONE,
			{LOAD(DOUBLE, 2, 1, MEMORY_FIELD), STORE_K(DOUBLE, 2, 2 * FRAME_SIZE - 8, -1), MOV_K(0, ASH_DONE), EXIT}},
		{"one further is the ring", ASH_RING,
			{LOAD(DOUBLE, 2, 1, MEMORY_FIELD), STORE_K(DOUBLE, 2, 2 * FRAME_SIZE - 7, -1), MOV_K(0, ASH_DONE), EXIT}},
		{"the same by an offset that is not known", ASH_RING,
			{LOAD(DOUBLE, 2, 1, MEMORY_FIELD), LOAD(DOUBLE, 3, 1, TAG), ALU_X(ADD, 2, 3), STORE_K(DOUBLE, 2, 2 * FRAME_SIZE - 8, -1),
				MOV_K(0, ASH_DONE), EXIT}},
		{"its end", 2, {LOAD(DOUBLE, 2, 1, MEMORY_FIELD), LOAD(DOUBLE, 0, 1, MEMORY_END), ALU_X(SUB, 0, 2), ALU_K(RSH, 0, FRAME_SHIFT), EXIT}},
		{"a call that reads over both frames", ASH_DONE,
			{LOAD(DOUBLE, 1, 1, MEMORY_FIELD), ALU_K(ADD, 1, FRAME_SIZE - 8), MOV_K(2, FRAME_SIZE + 8), CALL(ASH_CALL_SUM), MOV_K(0, ASH_DONE), EXIT}},
		{"one that reads further", ASH_RING,
			{LOAD(DOUBLE, 1, 1, MEMORY_FIELD), ALU_K(ADD, 1, FRAME_SIZE - 8), MOV_K(2, FRAME_SIZE + 9), CALL(ASH_CALL_SUM), MOV_K(0, ASH_DONE), EXIT}},
	};
	static uint8_t packet[64];
	static struct outcome out;
	char name[200];

	world_memory = 2 * FRAME_SIZE;
	for (uint32_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct input in = {.length = sizeof(packet), .packet = packet, .tag = 1, .steps = ASH_STEPS};
		uint32_t n = length_of(known[i].program);
		const char *wrong = world_compile(known[i].program, n);

		if (!wrong)
			wrong = world_compare(known[i].program, n, &in, &out);
		snprintf(name, sizeof(name), "large memory: %s", known[i].name);
		point(!wrong && out.result == known[i].expected, name, wrong ? wrong : "another result");
	}
	world_memory = FRAME_SIZE;
}

int main(void)
{
	world_make();
	for (uint32_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		char name[200];
		const char *why;
		bool good;

		snprintf(name, sizeof(name), "%s: %s", rules[i].reason ? "refused" : "accepted", rules[i].name);
		snprintf(world_doing, sizeof(world_doing), "%s", name);
		good = try(&rules[i], &why);
		point(good, name, why);
	}
	known_results();
	large_memory();
	learning();
	tangled();
	lengths();
	return points_end();
}
