/* What assembly knows of C structures; checked in events.c and linux/dispatch.c. */
#pragma once

#define SELF_DISABLED 0
#define SELF_PENDING 8
#define SELF_FOREIGN_RIP 32
#define SELF_FOREIGN_RFLAGS 40
#define SELF_FRAME_ADDRESS 176
#define SELF_FRAME_R11 184
#define SELF_FRAME_RCX 192
#define SELF_FRAME_CAUSE 200
#define SELF_FRAME_ERROR 208
#define SELF_FRAME_RIP 216
#define SELF_FRAME_CS 224
#define SELF_FRAME_RFLAGS 232
#define SELF_FRAME_RSP 240
#define SELF_FRAME_SS 248
#define SELF_ENV 256
#define SELF_LOCK_DEPTH 260
#define SELF_PROC 272
#define SELF_SCRATCH 280
#define SELF_TOP 360
#define SELF_SERVING 368
#define SELF_NESTED 376
#define SELF_HANDLER_FAULT 3200
#define SELF_HANDLER_STACK 3224
#define SELF_HANDLER_FLAGS 3232
#define SELF_REGION 3240
#define SELF_REGION_LENGTH 3248
#define SELF_HANDLER_MISSED 3272
#define HANDLER_STACK_LEFT 8192 /* of the library's stack, for what a handler calls and what interrupts it: one that would have less is not begun */
#define SELF_XSAVE 384
#define SELF_STACK_TOP 3320
/* struct regs */
#define REGS_R15 0
#define REGS_R14 8
#define REGS_R13 16
#define REGS_R12 24
#define REGS_RBP 32
#define REGS_RBX 40
#define REGS_R11 48
#define REGS_R10 56
#define REGS_R9 64
#define REGS_R8 72
#define REGS_RAX 80
#define REGS_RCX 88
#define REGS_RDX 96
#define REGS_RSI 104
#define REGS_RDI 112
#define REGS_CAUSE 120
#define REGS_ADDRESS 128
#define REGS_ERROR 136
#define REGS_RIP 144
#define REGS_CS 152
#define REGS_RFLAGS 160
#define REGS_RSP 168
#define REGS_SS 176
#define REGS_SIZE 184
/* struct proc */
#define PROC_PID 16
#define PROC_GROUP 20
#define PROC_PARENT_PID 40
#define PROC_UID 516
#define PROC_EUID 520
#define PROC_GID 528
#define PROC_EGID 532
#define PROC_TID 3440
#define PROC_SIGNALS 544 /* pending */
#define PROC_SIGNALS_MASK 552
#define PROC_SIGNALS_DUE 568
/* Foreign system calls */
#define FIELD_CALLS 187
#define FIELD_SIZE 32 /* bytes of code for each */
#define LAST_NUMBER 463
#define ERRORS 4096           /* results above -ERRORS are errors */
#define ERROR_FAULT 14
#define ERROR_RESTART 512
#define ERROR_WANTS_REGS 4095 /* nothing is done yet, all registers are wanted */
#define THREAD_RSP 2816 /* in struct thread */
