/* Numbers in packets: big-endian, at whatever address. For the stack, and for those who give it packets or make filters for them. */
#pragma once

#include <stdint.h>

static inline uint16_t net_get16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}
static inline uint32_t net_get32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline void net_put16(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}
static inline void net_put32(void *p, uint32_t v)
{
	net_put16(p, v >> 16);
	net_put16((uint8_t *)p + 2, v);
}
