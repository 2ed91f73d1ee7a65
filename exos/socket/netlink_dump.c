/* What netlink tells of links, addresses, routes and neighbours (RFC 3549): each as a message of its own, the last says that it is the last. */
#include <exos/interface/interface.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/internet.h>
#include <exos/socket/netlink_dump.h>

enum { MESSAGE_ERROR = 2, MESSAGE_DONE = 3, FIRST_TYPE = 16, NEW_LINK = 16, GET_LINK = 18, NEW_ADDRESS = 20, GET_ADDRESS = 22, NEW_ROUTE = 24, GET_ROUTE = 26, NEW_NEIGHBOUR = 28, GET_NEIGHBOUR = 30 };
enum { FLAG_REQUEST = 1, FLAG_MULTI = 2, FLAG_ACKNOWLEDGE = 4, FLAG_DUMP = 0x300 };
enum { KIND_GET = 2 }; /* types come in fours: new, delete, get, set */

struct link_body { /* struct ifinfomsg */
	uint8_t family, pad;
	uint16_t type;
	uint32_t index, flags, change;
};
enum { LINK_ADDRESS = 1, LINK_BROADCAST = 2, LINK_NAME = 3, LINK_MTU = 4, LINK_QUEUE_LENGTH = 13, LINK_STATE = 16 };
enum { HARDWARE_ETHERNET = 1, HARDWARE_LOOPBACK = 772, STATE_UNKNOWN = 0, STATE_UP = 6 };
#define LOWER_UP     0x10000
#define QUEUE_LENGTH 1000

struct address_body { /* struct ifaddrmsg */
	uint8_t family, prefix_length, flags, scope;
	uint32_t index;
};
enum { ADDRESS_ADDRESS = 1, ADDRESS_LOCAL = 2, ADDRESS_LABEL = 3, ADDRESS_BROADCAST = 4 };
enum { SCOPE_UNIVERSE = 0, SCOPE_SITE = 200, SCOPE_LINK = 253, SCOPE_HOST = 254 };
enum { PERMANENT = 0x80 };

struct route_body { /* struct rtmsg */
	uint8_t family, destination_bits, source_bits, service, table, protocol, scope, type;
	uint32_t flags;
};
enum { ROUTE_DESTINATION = 1, ROUTE_LINK = 4, ROUTE_ROUTER = 5, ROUTE_TABLE = 15 };
enum { TABLE_MAIN = 254, BY_KERNEL = 2, BY_BOOT = 3, UNICAST = 1 };

struct neighbour_body { /* struct ndmsg */
	uint8_t family, pad[3];
	uint32_t link;
	uint16_t state;
	uint8_t flags, type;
};
enum { NEIGHBOUR_ADDRESS = 1, NEIGHBOUR_ETHERNET = 2, NEIGHBOUR_INCOMPLETE = 1, NEIGHBOUR_REACHABLE = 2 };

#define ATTRIBUTES_ROOM 256 /* bytes: what one message here has at most, and more */

static void add(struct netlink_message *m, const void *bytes, size_t n)
{
	memcpy(m->bytes + m->length, bytes, n);
	memset(m->bytes + m->length + n, 0, ROUND_UP(n, 4ul) - n);
	m->length += ROUND_UP(n, 4ul);
}

static void add_attribute(struct netlink_message *m, uint16_t type, const void *bytes, size_t n)
{
	uint16_t header[2] = {(uint16_t)(sizeof(header) + n), type};

	add(m, header, sizeof(header));
	add(m, bytes, n);
}

static void add_number(struct netlink_message *m, uint16_t type, uint32_t value) { add_attribute(m, type, &value, sizeof(value)); }

static size_t bytes_of(const struct net_address *a, const uint8_t **bytes)
{
	size_t n = net_is_ipv4(a) ? 4 : 16;

	*bytes = a->bytes + sizeof(a->bytes) - n;
	return n;
}

static void add_address(struct netlink_message *m, uint16_t type, const struct net_address *a)
{
	const uint8_t *bytes;
	size_t n = bytes_of(a, &bytes);

	add_attribute(m, type, bytes, n);
}

static struct netlink_message *begin(struct netlink_socket *n, const struct netlink_header *request, uint16_t type, const void *body, size_t length)
{
	struct netlink_header h = {.type = type, .flags = FLAG_MULTI, .sequence = request->sequence, .port = n->port};
	struct netlink_message *m = netlink_message(n, &h, length + ATTRIBUTES_ROOM);

	if (m)
		add(m, body, length);
	return m;
}

static int dump_links(struct netlink_socket *n, const struct netlink_header *request)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6];
	struct interface_link l;

	for (uint32_t index = LINK_LOOPBACK; interface_link(index, &l); index++) {
		bool loopback = index == LINK_LOOPBACK;
		struct link_body body = {.type = loopback ? HARDWARE_LOOPBACK : HARDWARE_ETHERNET, .index = index, .flags = (uint32_t)internet_flags(index) | LOWER_UP};
		struct netlink_message *m = begin(n, request, NEW_LINK, &body, sizeof(body));
		uint8_t state = loopback ? STATE_UNKNOWN : STATE_UP;

		if (!m)
			return -ENOBUFS;
		add_attribute(m, LINK_NAME, l.name, strlen(l.name) + 1);
		add_number(m, LINK_QUEUE_LENGTH, QUEUE_LENGTH);
		add_attribute(m, LINK_STATE, &state, sizeof(state));
		add_number(m, LINK_MTU, l.mtu);
		add_attribute(m, LINK_ADDRESS, l.ethernet, sizeof(l.ethernet));
		add_attribute(m, LINK_BROADCAST, loopback ? nobody : everybody, sizeof(everybody));
		netlink_end_message(m);
	}
	return 0;
}

static uint8_t scope_of(const struct interface_address *a)
{
	const uint8_t *b = a->address.bytes;

	if (a->link == LINK_LOOPBACK)
		return SCOPE_HOST;
	if (net_is_ipv4(&a->address) || b[0] != 0xfe)
		return SCOPE_UNIVERSE;
	return (b[1] & 0xc0) == 0x80 ? SCOPE_LINK : (b[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_UNIVERSE;
}

static void add_ipv4(struct netlink_message *m, const struct interface_address *a)
{
	struct interface_link l;
	struct net_address broadcast = a->address;

	add_address(m, ADDRESS_LOCAL, &a->address);
	if (a->link == LINK_DEVICE) {
		for (uint32_t bit = a->prefix_length; bit < 32; bit++)
			broadcast.bytes[12 + bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		add_address(m, ADDRESS_BROADCAST, &broadcast);
	}
	if (interface_link(a->link, &l))
		add_attribute(m, ADDRESS_LABEL, l.name, strlen(l.name) + 1);
}

static int dump_addresses(struct netlink_socket *n, const struct netlink_header *request, uint8_t family)
{
	struct interface_address a;

	for (uint32_t i = 0; interface_address(i, &a); i++) {
		struct address_body body = {.family = net_is_ipv4(&a.address) ? FAMILY_INET : FAMILY_INET6, .prefix_length = a.prefix_length, .index = a.link};
		struct netlink_message *m;

		if (family && family != body.family)
			continue;
		body.scope = scope_of(&a);
		body.flags = a.link == LINK_LOOPBACK || body.scope == SCOPE_LINK ? PERMANENT : 0;
		m = begin(n, request, NEW_ADDRESS, &body, sizeof(body));
		if (!m)
			return -ENOBUFS;
		add_address(m, ADDRESS_ADDRESS, &a.address);
		if (body.family == FAMILY_INET)
			add_ipv4(m, &a);
		netlink_end_message(m);
	}
	return 0;
}

static int dump_routes(struct netlink_socket *n, const struct netlink_header *request, uint8_t family)
{
	static const struct net_address none;
	struct interface_route r;

	for (uint32_t i = 0; interface_route(i, &r); i++) {
		struct net_address no_router = net_is_ipv4(&r.network) ? net_from_ipv4("\0\0\0\0") : none;
		bool direct = memcmp(&r.router, &no_router, sizeof(r.router)) == 0;
		struct route_body body = {.family = net_is_ipv4(&r.network) ? FAMILY_INET : FAMILY_INET6, .destination_bits = r.prefix_length, .table = TABLE_MAIN,
			.protocol = direct ? BY_KERNEL : BY_BOOT, .scope = direct && net_is_ipv4(&r.network) ? SCOPE_LINK : SCOPE_UNIVERSE, .type = UNICAST};
		struct netlink_message *m;

		if (family && family != body.family)
			continue;
		m = begin(n, request, NEW_ROUTE, &body, sizeof(body));
		if (!m)
			return -ENOBUFS;
		add_number(m, ROUTE_TABLE, TABLE_MAIN);
		if (r.prefix_length)
			add_address(m, ROUTE_DESTINATION, &r.network);
		if (!direct)
			add_address(m, ROUTE_ROUTER, &r.router);
		add_number(m, ROUTE_LINK, LINK_DEVICE);
		netlink_end_message(m);
	}
	return 0;
}

struct neighbours {
	struct netlink_socket *n;
	const struct netlink_header *request;
	uint8_t family;
	int error;
};

static void add_neighbour(void *data, const struct net_address *address, const uint8_t *ethernet)
{
	struct neighbours *d = data;
	struct neighbour_body body = {.family = net_is_ipv4(address) ? FAMILY_INET : FAMILY_INET6, .link = LINK_DEVICE, .state = ethernet ? NEIGHBOUR_REACHABLE : NEIGHBOUR_INCOMPLETE,
		.type = UNICAST};
	struct netlink_message *m;

	if (d->error || (d->family && d->family != body.family))
		return;
	m = begin(d->n, d->request, NEW_NEIGHBOUR, &body, sizeof(body));
	if (!m) {
		d->error = -ENOBUFS;
		return;
	}
	add_address(m, NEIGHBOUR_ADDRESS, address);
	if (ethernet)
		add_attribute(m, NEIGHBOUR_ETHERNET, ethernet, 6);
	netlink_end_message(m);
}

static int dump_neighbours(struct netlink_socket *n, const struct netlink_header *request, uint8_t family)
{
	struct neighbours d = {n, request, family, 0};

	net_each_neighbour(interface_stack(), add_neighbour, &d);
	return d.error;
}

static int say_done(struct netlink_socket *n, const struct netlink_header *request)
{
	int32_t result = 0;
	struct netlink_message *m = begin(n, request, MESSAGE_DONE, &result, sizeof(result));

	if (!m)
		return -ENOBUFS;
	netlink_end_message(m);
	return 0;
}

/* error 0: it is an acknowledgement. The request's header goes with it. */
static int say_error(struct netlink_socket *n, const struct netlink_header *request, int32_t error)
{
	struct netlink_header h = {.type = MESSAGE_ERROR, .sequence = request->sequence, .port = n->port};
	struct netlink_message *m = netlink_message(n, &h, sizeof(error) + sizeof(*request));

	if (!m)
		return -ENOBUFS;
	add(m, &error, sizeof(error));
	add(m, request, sizeof(*request));
	netlink_end_message(m);
	return 0;
}

int netlink_answer(struct netlink_socket *n, const struct netlink_header *request, const uint8_t *body, size_t length)
{
	uint8_t family = length ? body[0] : 0;
	int err;

	if (!(request->flags & FLAG_REQUEST) || request->type < FIRST_TYPE) /* nothing, or an answer: to that none is due but the one that is asked for */
		return request->flags & FLAG_ACKNOWLEDGE ? say_error(n, request, 0) : 0;
	if (request->type % 4 != KIND_GET && self->proc->euid)
		return say_error(n, request, -EPERM);
	if ((request->flags & FLAG_DUMP) != FLAG_DUMP)
		return say_error(n, request, -EOPNOTSUPP);
	switch (request->type) {
	case GET_LINK:
		err = dump_links(n, request);
		break;
	case GET_ADDRESS:
		err = dump_addresses(n, request, family);
		break;
	case GET_ROUTE:
		err = dump_routes(n, request, family);
		break;
	case GET_NEIGHBOUR:
		err = dump_neighbours(n, request, family);
		break;
	default:
		return say_error(n, request, -EOPNOTSUPP);
	}
	return err ? err : say_done(n, request);
}
