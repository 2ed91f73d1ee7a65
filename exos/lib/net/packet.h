/* The headers of a UDP packet over IPv4 and Ethernet, for handlers. Fields are as they come: NET16 turns numbers of this machine into theirs. */
#pragma once

#include <aegis/ash.h>

#define NET16(number) ((uint16_t)__builtin_bswap16(number))

struct packet {
	uint16_t ether_to[3], ether_from[3], ether_type;
	uint8_t version, service; /* the version and the header's length in words, 0x45 without options */
	uint16_t total, identity, fragment;
	uint8_t lifetime, protocol;
	uint16_t ip_check;
	uint16_t ip_from[2], ip_to[2]; /* at offset 26: not aligned for whole words */
	uint16_t udp_from, udp_to, udp_length, udp_check;
	uint8_t payload[];
};

/* Whether it is UDP to this port, whole and without options; what lies in headers is inside then. */
static inline int is_udp_to(const struct packet *p, const uint8_t *end, uint16_t port)
{
	return p->payload <= end && p->ether_type == NET16(0x0800) && p->version == 0x45 && !(p->fragment & NET16(0x3fff)) && p->protocol == 17 && p->udp_to == port;
}
