/* eBPF instructions by name (RFC 9669), for programs written in C tables. */
#pragma once

#include <kernel/filter/ebpf.h>

#define INSTRUCTION(c, to, from, o, i) {.code = (c), .registers = (to) | (from) << 4, .offset = (o), .immediate = (i)}

#define ALU_K(operation, to, i) INSTRUCTION(EBPF_ALU64 | EBPF_##operation << 4, to, 0, 0, i)
#define ALU_X(operation, to, from) INSTRUCTION(EBPF_ALU64 | EBPF_##operation << 4 | EBPF_X, to, from, 0, 0)
#define ALU32_K(operation, to, i) INSTRUCTION(EBPF_ALU | EBPF_##operation << 4, to, 0, 0, i)
#define ALU32_X(operation, to, from) INSTRUCTION(EBPF_ALU | EBPF_##operation << 4 | EBPF_X, to, from, 0, 0)
#define MOV_K(to, i) ALU_K(MOV, to, i)
#define MOV_X(to, from) ALU_X(MOV, to, from)
#define MOVSX(to, from, bits) INSTRUCTION(EBPF_ALU64 | EBPF_MOV << 4 | EBPF_X, to, from, bits, 0)
#define LOAD_64(to, value) INSTRUCTION(EBPF_LOAD_64, to, 0, 0, (int32_t)(value)), INSTRUCTION(0, 0, 0, 0, (int32_t)((uint64_t)(value) >> 32))

#define LOAD(size, to, from, o) INSTRUCTION(EBPF_LDX | EBPF_##size << 3 | EBPF_MEMORY << 5, to, from, o, 0)
#define LOAD_SIGNED(size, to, from, o) INSTRUCTION(EBPF_LDX | EBPF_##size << 3 | EBPF_MEMORY_SIGNED << 5, to, from, o, 0)
#define STORE(size, to, o, from) INSTRUCTION(EBPF_STX | EBPF_##size << 3 | EBPF_MEMORY << 5, to, from, o, 0)
#define STORE_K(size, to, o, i) INSTRUCTION(EBPF_ST | EBPF_##size << 3 | EBPF_MEMORY << 5, to, 0, o, i)

#define JUMP(o) INSTRUCTION(EBPF_JMP | EBPF_JA << 4, 0, 0, o, 0)
#define JUMP_K(operation, to, i, o) INSTRUCTION(EBPF_JMP | EBPF_##operation << 4, to, 0, o, i)
#define JUMP_X(operation, to, from, o) INSTRUCTION(EBPF_JMP | EBPF_##operation << 4 | EBPF_X, to, from, o, 0)
#define JUMP32_K(operation, to, i, o) INSTRUCTION(EBPF_JMP32 | EBPF_##operation << 4, to, 0, o, i)
#define JUMP32_X(operation, to, from, o) INSTRUCTION(EBPF_JMP32 | EBPF_##operation << 4 | EBPF_X, to, from, o, 0)
#define CALL(number) INSTRUCTION(EBPF_JMP | EBPF_CALL << 4, 0, 0, 0, number)
#define EXIT INSTRUCTION(EBPF_JMP | EBPF_EXIT << 4, 0, 0, 0, 0)

/* Fields of the context. */
#define PACKET 0
#define PACKET_END 8
#define MEMORY_FIELD 16
#define MEMORY_END 24
#define TAG 32
#define ARRIVED 40
