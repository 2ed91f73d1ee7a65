/* What assembly knows of C structures, and of system calls; asserted in env.h, cpu.h and call.c. */
#pragma once

#define CPU_CURRENT %gs:8
#define CPU_SCRATCH %gs:16
#define CPU_STACK %gs:24
#define CPU_UPCALL_END %gs:40
#define CPU_NUMBER %gs:140
#define CPU_SLICE_END %gs:144

/* struct env */
#define ENV_ENTRY_EXCEPTION 8
#define ENV_ENTRY_FOREIGN 24
#define ENV_ENTRY_TRANSFER 32
#define ENV_ENTRY_ASYNC 40
#define ENV_ROOT 48
#define ENV_RIP 56
#define ENV_RSP 64
#define ENV_RESULT 72
#define ENV_ID 80
#define ENV_RESUME 84
#define ENV_PEER 88
#define ENV_CALLER 96
#define ENV_CLAIM 104
#define ENV_OWNED 112
#define ENV_NEAR_BASE 120
#define ENV_NEAR_TABLE 128
#define ENV_NEAR_ENTRIES 136
#define ENV_NEAR_FIRST 144
#define ENV_NEAR_GENERATION 152
#define ENV_NEAR_SHARED 160
#define PHYSICAL_MAP_ADDRESS 0xffff800000000000 /* cpu.h: PHYSICAL_MAP */
#define ENTRY_FRAME_PRESENT 0x000ffffffffff001 /* paging.h */
#define ENV_READY 168
#define ENV_LISTED 176
#define CLAIM_READY_BIT 32 /* CLAIM_READY, in a claim word; CLAIM_IDLE is 0 there */
#define RESUME_CALL 0

/* struct aegis_upcall, from its byte 256 */
#define UPCALL_CPU (4 - 256)
#define UPCALL_PENDING (8 - 256)
#define UPCALL_SLICE_END (16 - 256)
#define UPCALL_FOREIGN_RIP (32 - 256)
#define UPCALL_FOREIGN_RFLAGS (40 - 256)

#define FLAGS_USER_BITS 0x202
#define CALL_LAST -256
#define CALLS 40
#define NUMBER_BIND 4
#define NUMBER_YIELD 12
#define ERROR_NOENV 7
#define ERROR_STATE 11
