/* What assembly knows of C structures; checked in events.c. */
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
#define REGS_CAUSE 120 /* in struct regs */
#define FIELD_CALLS 187
#define HANDLER_STACK_LEFT 8192 /* of the library's stack, for what a handler calls and what interrupts it: one that would have less is not begun */
#define SELF_XSAVE 384
