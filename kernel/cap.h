/* Sealed capabilities: making and checking them. */
#pragma once

#include <aegis/cap.h>
#include <kernel/env.h>

void cap_start(const uint8_t key[16]);
void cap_seal(struct aegis_cap *cap);
bool cap_valid(const struct aegis_cap *cap); /* the seal is right and the epoch is the resource's */
static inline bool cap_covers(const struct aegis_cap *cap, uint64_t name) { return name >= cap->first && name - cap->first < cap->count; }
/* Copies a capability from user memory and verifies it: 0, -E_FAULT or -E_DENIED. */
int64_t cap_fetch(struct aegis_cap *out, uint64_t user, uint32_t kind, uint32_t rights);
uint64_t siphash_2_4(const uint8_t key[16], const void *bytes, size_t n);
