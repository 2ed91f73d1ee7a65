/* What an endpoint wants to be sent, as atoms of the kernel's filters (include/aegis/net.h): for ports, which hand them to the kernel. The stack itself knows no kernel, and does not use this. Offsets are of frames
 * without VLAN tags, and of IPv4 without options; what has those does not match, and comes by whatever filter takes the rest. */
#pragma once

#include <aegis/net.h>
#include <exos/net/bytes.h>
#include <exos/net/stack.h>

struct net_atoms {
	struct aegis_atom list[NET_ATOMS_MAX];
	uint32_t n;
};

static inline void net_atom(struct net_atoms *a, uint16_t offset, uint8_t size, uint32_t value)
{
	a->list[a->n++] = (struct aegis_atom){ .offset = offset, .size = size, .mask = size == 4 ? UINT32_MAX : (1u << 8 * size) - 1, .value = value };
}

/* A remote name counts if it has a port; a local address of zeros is any. */
static inline struct net_atoms net_atoms_ipv4(const struct net_filter_key *k)
{
	struct net_atoms a = { .n = 0 };
	uint32_t own = net_get32(k->local.address.bytes + 12);

	net_atom(&a, 12, 2, 0x0800);
	net_atom(&a, 14, 1, 0x45);
	net_atom(&a, 23, 1, k->protocol);
	net_atom(&a, 36, 2, k->local.port);
	if (own)
		net_atom(&a, 30, 4, own);
	if (k->remote.port) {
		net_atom(&a, 34, 2, k->remote.port);
		net_atom(&a, 26, 4, net_get32(k->remote.address.bytes + 12));
	}
	return a;
}

static inline struct net_atoms net_atoms_ipv6(const struct net_filter_key *k)
{
	static const struct net_address any;
	struct net_atoms a = { .n = 0 };
	bool bound = memcmp(&k->local.address, &any, sizeof(any)) != 0;

	net_atom(&a, 12, 2, 0x86dd);
	net_atom(&a, 20, 1, k->protocol);
	net_atom(&a, 56, 2, k->local.port);
	for (uint16_t i = 0; i < 16 && bound; i += 4)
		net_atom(&a, 38 + i, 4, net_get32(k->local.address.bytes + i));
	if (k->remote.port)
		net_atom(&a, 54, 2, k->remote.port);
	for (uint16_t i = 0; i < 16 && k->remote.port; i += 4)
		net_atom(&a, 22 + i, 4, net_get32(k->remote.address.bytes + i));
	return a;
}
