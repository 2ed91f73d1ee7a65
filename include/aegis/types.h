/* Types and limits shared by Aegis and every library operating system.
 *
 * Included by all of include/aegis. Promises nothing beyond the C11 freestanding headers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A physical page frame, by number: physical address divided by FRAME_SIZE. */
typedef uint32_t frame_t;
/* An environment, by name: slot in the environment table in the low bits (the table's length is a power of two, aegis_info.env_slots), generation
 * above; a name is never used again. Never 0. */
typedef uint32_t env_id;

#define FRAME_SHIFT 12
#define FRAME_SIZE 4096ul
#define FRAME_ANY UINT32_MAX /* frame_alloc: whichever is free */

/* User addresses end here: the last page below the non-canonical hole is never bound, so that no
 * instruction can end exactly at the hole (Intel SDM vol. 2, SYSRET, and the fault it raises in ring 0). */
#define AEGIS_USER_TOP 0x7ffffffff000ul
