/* What assembly knows of C structures; checked in events.c. */
#pragma once

#define SELF_DISABLED 0
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
#define SELF_HANDLER_FLAGS 3232
#define FIELD_CALLS 187
#define SELF_XSAVE 384
