/* Sealed capabilities: making and checking them. */
#pragma once

#include <aegis/cap.h>
#include <kernel/env.h>
#include <kernel/siphash.h>

void cap_start(const uint64_t key[2]);
void cap_seal(struct aegis_cap *cap);
bool cap_valid(const struct aegis_cap *cap); /* the seal is right; the epoch is for who knows the resource to check */
/* Epochs only grow, and stop at the last: what has it is never named by a capability again. As a capability's epoch that value means any: the
 * first environment's have it, which are the kernel's own word. Narrowed, they get the epoch of what they name. */
#define EPOCH_ANY UINT32_MAX
static inline void epoch_bump(uint32_t *epoch) { *epoch += *epoch != EPOCH_ANY; }
static inline bool epoch_valid(uint32_t of_cap, uint32_t of_resource) { return of_cap == of_resource || of_cap == EPOCH_ANY; }
static inline bool cap_covers(const struct aegis_cap *cap, uint64_t name) { return name >= cap->first && name - cap->first < cap->count; }
/* Copies a capability from user memory and verifies it: 0, -E_FAULT or -E_DENIED. */
int64_t cap_fetch(struct aegis_cap *out, uint64_t user, uint32_t kind, uint32_t rights);
extern uint64_t cap_key[2]; /* written once at start */
