/* The interfaces, their addresses and routes as one list each, for all who show them: ioctl, netlink, /proc/net. See interface.h. */
#include <aegis/net.h>
#include <exos/heap.h>
#include <exos/interface/interface.h>

#define LOOPBACK_MTU 65536

bool interface_link(uint32_t index, struct interface_link *l)
{
	const struct aegis_net_info *info = interface_info();

	if (index == LINK_LOOPBACK) {
		*l = (struct interface_link){ .index = index, .mtu = LOOPBACK_MTU, .name = "lo" };
		return true;
	}
	if (index != LINK_DEVICE || !info)
		return false;
	*l = (struct interface_link){ .index = index, .mtu = info->mtu, .name = "eth0" };
	memcpy(l->ethernet, info->address, sizeof(l->ethernet));
	return true;
}

uint32_t interface_link_named(const char *name)
{
	struct interface_link l;

	for (uint32_t index = LINK_LOOPBACK; interface_link(index, &l); index++)
		if (strcmp(name, l.name) == 0)
			return index;
	return 0;
}

static uint8_t bits_of(const uint8_t *mask)
{
	uint8_t bits = 0;

	while (bits < 32 && mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	return bits;
}

static const struct net_ipv4 *ipv4(void)
{
	static const struct net_ipv4 none;
	const struct net_ipv4 *c = interface_stack() ? net_ipv4(interface_stack()) : &none;

	return *(const net_half *)c->address ? c : NULL;
}

static bool ipv6(uint32_t n, struct interface_address *a)
{
	size_t count = interface_stack() ? net_ipv6(interface_stack(), NULL, 0) : 0;
	struct net_ipv6 *all = n < count ? heap_alloc(count * sizeof(*all)) : NULL;

	if (!all)
		return false;
	net_ipv6(interface_stack(), all, count);
	*a = (struct interface_address){ LINK_DEVICE, all[n].address, all[n].prefix_length };
	heap_free(all);
	return true;
}

bool interface_address(uint32_t n, struct interface_address *a)
{
	const struct net_ipv4 *c = ipv4();

	switch (n) {
	case 0:
		*a = (struct interface_address){ LINK_LOOPBACK, net_from_ipv4("\x7f\0\0\1"), 8 };
		return true;
	case 1:
		*a = (struct interface_address){ LINK_LOOPBACK, { { [15] = 1 } }, 128 };
		return true;
	default:
		n -= 2;
		if (!c)
			return ipv6(n, a);
		if (n)
			return ipv6(n - 1, a);
		*a = (struct interface_address){ LINK_DEVICE, net_from_ipv4(c->address), bits_of(c->mask) };
		return true;
	}
}

static void cut_to(struct net_address *a, uint32_t bits)
{
	for (uint32_t i = bits; i < 128; i++)
		a->bytes[i / 8] &= (uint8_t)~(0x80 >> i % 8);
}

static bool default_route(const struct net_address *router, struct interface_route *r)
{
	*r = (struct interface_route){ .router = *router };
	if (net_is_ipv4(router))
		r->network = net_from_ipv4("\0\0\0\0");
	return true;
}

/* The routers first, then a network for each address of the device. */
bool interface_route(uint32_t n, struct interface_route *r)
{
	const struct net_ipv4 *c = ipv4();
	const struct net_address *router = interface_stack() ? net_ipv6_router(interface_stack()) : NULL;
	struct net_address own = net_from_ipv4(c ? c->router : (const uint8_t *)"\0\0\0\0");
	struct interface_address a;

	if (c && *(const net_half *)c->router && n-- == 0)
		return default_route(&own, r);
	if (router && n-- == 0)
		return default_route(router, r);
	for (uint32_t i = 0; interface_address(i, &a); i++) {
		bool ip4 = net_is_ipv4(&a.address);

		if (a.link != LINK_DEVICE || n--)
			continue;
		*r = (struct interface_route){ .network = a.address, .prefix_length = a.prefix_length };
		cut_to(&r->network, ip4 ? 96u + a.prefix_length : a.prefix_length);
		if (ip4)
			r->router = net_from_ipv4("\0\0\0\0");
		return true;
	}
	return false;
}
