/* What inspection knows of registers and of the stack (handler_inspect.h has the kinds), and what is left of it where two ways meet. For handler.c. */
#pragma once

#include <kernel/filter/handler_inspect.h>

#define VALUE_UNKNOWN 0x1fff

static inline uint32_t kind_of(uint16_t value) { return value >> 13; }
static inline int32_t offset_of(uint16_t value) { return value & VALUE_UNKNOWN; }
static inline bool certain(uint16_t value) { return offset_of(value) != VALUE_UNKNOWN; }
static inline uint16_t value_of(uint32_t kind, int64_t offset)
{
	return kind << 13 | (offset >= 0 && offset < VALUE_UNKNOWN ? (uint16_t)offset : VALUE_UNKNOWN);
}
static inline bool is_number(uint16_t value) { return kind_of(value) == KIND_SCALAR || kind_of(value) == KIND_LENGTH; }
static inline bool is_pointer(uint16_t value) { return kind_of(value) >= KIND_CONTEXT; }
/* The region that a pointer may be moved about in, or KIND_UNUSABLE. */
static inline uint32_t region_of(uint16_t value)
{
	switch (kind_of(value)) {
	case KIND_PACKET:
	case KIND_PACKET_END:
		return KIND_PACKET;
	case KIND_MEMORY:
	case KIND_STACK:
		return kind_of(value);
	default:
		return KIND_UNUSABLE;
	}
}

static inline uint16_t join(uint16_t a, uint16_t b)
{
	if (a == b)
		return a;
	if (is_number(a) && is_number(b))
		return value_of(KIND_SCALAR, VALUE_UNKNOWN);
	if (region_of(a) != KIND_UNUSABLE && region_of(a) == region_of(b))
		return value_of(region_of(a), VALUE_UNKNOWN);
	return KIND_UNUSABLE;
}

/* ---- The stack ---- */

/* A slot that was never written reads as zero: the compiled code sees to that where it matters. One that is SPOILT may hold a pointer, or a part of one. */
enum { SLOT_UNWRITTEN, SLOT_NUMBER, SLOT_SPOILT, SLOT_CONTEXT, SLOT_PACKET_START, SLOT_PACKET, SLOT_PACKET_END, SLOT_MEMORY_START, SLOT_MEMORY, SLOT_STACK };
#define SLOTS (ASH_STACK / 8)

static const uint16_t slot_values[] = {
	[SLOT_UNWRITTEN] = KIND_SCALAR << 13 | VALUE_UNKNOWN,
	[SLOT_NUMBER] = KIND_SCALAR << 13 | VALUE_UNKNOWN,
	[SLOT_CONTEXT] = KIND_CONTEXT << 13,
	[SLOT_PACKET_START] = KIND_PACKET << 13,
	[SLOT_PACKET] = KIND_PACKET << 13 | VALUE_UNKNOWN,
	[SLOT_PACKET_END] = KIND_PACKET_END << 13,
	[SLOT_MEMORY_START] = KIND_MEMORY << 13,
	[SLOT_MEMORY] = KIND_MEMORY << 13 | VALUE_UNKNOWN,
	[SLOT_STACK] = KIND_STACK << 13 | VALUE_UNKNOWN,
};

static inline uint32_t slot_get(const struct handler_state *s, uint32_t slot) { return s->slots[slot / 16] >> slot % 16 * 4 & 15; }
static inline void slot_set(struct handler_state *s, uint32_t slot, uint64_t what)
{
	uint32_t shift = slot % 16 * 4;

	s->slots[slot / 16] = (s->slots[slot / 16] & ~(15ull << shift)) | what << shift;
}

/* A pointer comes back from the stack at the beginning of its region, or anywhere in it. */
static inline uint32_t slot_of(uint16_t value)
{
	bool start = !offset_of(value);

	switch (kind_of(value)) {
	case KIND_CONTEXT:
		return SLOT_CONTEXT;
	case KIND_PACKET:
		return start ? SLOT_PACKET_START : SLOT_PACKET;
	case KIND_PACKET_END:
		return SLOT_PACKET_END;
	case KIND_MEMORY:
		return start ? SLOT_MEMORY_START : SLOT_MEMORY;
	case KIND_STACK:
		return SLOT_STACK;
	default:
		return SLOT_NUMBER;
	}
}

static inline uint32_t slot_join(uint32_t a, uint32_t b)
{
	uint16_t joined;

	if (a == b)
		return a;
	if (a <= SLOT_NUMBER && b <= SLOT_NUMBER)
		return SLOT_UNWRITTEN;
	if (a <= SLOT_SPOILT || b <= SLOT_SPOILT)
		return SLOT_SPOILT;
	joined = join(slot_values[a], slot_values[b]);
	return joined == KIND_UNUSABLE ? SLOT_SPOILT : slot_of(joined);
}
