/* ioctl of sockets: what ifconfig, route and the C library ask of interfaces, in Linux's structures. Domain lock held. To be changed here is nothing: addresses come by DHCP and by router advertisements. */
#include <exos/interface/interface.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/internet.h>
#include <exos/vm/copy.h>

#define NAME_SIZE 16
struct name_in_request { /* struct sockaddr_in */
	uint16_t family, port;
	uint8_t address[4], zero[8];
};
struct interface_request { /* struct ifreq */
	char name[NAME_SIZE];
	union {
		struct name_in_request at;
		struct {
			uint16_t type;
			uint8_t bytes[14];
		} hardware;
		int32_t number;
		int16_t flags;
		uint8_t bytes[24];
	} u;
};
_Static_assert(sizeof(struct interface_request) == 40, "struct ifreq of x86-64");
struct interface_list { /* struct ifconf */
	int32_t length, pad;
	uint64_t requests;
};

enum {
	ADD_ROUTE = 0x890b, REMOVE_ROUTE, GET_NAME = 0x8910, GET_LIST = 0x8912, GET_FLAGS, SET_FLAGS, GET_ADDRESS, SET_ADDRESS, GET_PEER, SET_PEER, GET_BROADCAST, SET_BROADCAST, GET_MASK, SET_MASK,
	GET_METRIC, SET_METRIC, GET_MTU = 0x8921, SET_MTU, SET_HARDWARE = 0x8924, GET_HARDWARE = 0x8927, GET_INDEX = 0x8933, GET_QUEUE = 0x8942, GET_MAP = 0x8970
};
enum { UP = 1, BROADCAST = 2, LOOPBACK = 8, RUNNING = 0x40, MULTICAST = 0x1000 };
enum { HARDWARE_ETHERNET = 1, HARDWARE_LOOPBACK = 772 };
#define QUEUE_LENGTH 1000

static void *at(uint64_t program) { return (void *)(uintptr_t)program; } /* for copy_in and copy_out alone */

int internet_flags(uint32_t link) { return link == LINK_LOOPBACK ? UP | LOOPBACK | RUNNING : UP | BROADCAST | RUNNING | MULTICAST; }

/* Its IPv4 address. */
static bool address_of(uint32_t link, struct interface_address *a)
{
	for (uint32_t n = 0; interface_address(n, a); n++)
		if (a->link == link && net_is_ipv4(&a->address))
			return true;
	return false;
}

static struct name_in_request name_of(const struct interface_address *a, uint32_t command)
{
	struct name_in_request name = {.family = FAMILY_INET};

	for (uint32_t bit = 0; bit < 32; bit++) {
		bool ours = bit < a->prefix_length, one = a->address.bytes[12 + bit / 8] >> (7 - bit % 8) & 1;

		if (command == GET_MASK ? ours : command == GET_BROADCAST ? one || !ours : one)
			name.address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return name;
}

static int get_address(const struct interface_link *l, uint32_t command, struct interface_request *r)
{
	struct interface_address a;
	int err = internet_addresses();

	if (err)
		return err;
	if (!address_of(l->index, &a))
		return -EADDRNOTAVAIL;
	r->u.at = name_of(&a, command);
	if (command == GET_BROADCAST && l->index == LINK_LOOPBACK)
		r->u.at = (struct name_in_request){.family = FAMILY_INET};
	return 0;
}

static int get(const struct interface_link *l, uint32_t command, struct interface_request *r)
{
	memset(&r->u, 0, sizeof(r->u));
	switch (command) {
	case GET_FLAGS:
		r->u.flags = (int16_t)internet_flags(l->index);
		return 0;
	case GET_ADDRESS:
	case GET_PEER:
	case GET_BROADCAST:
	case GET_MASK:
		return get_address(l, command, r);
	case GET_MTU:
		r->u.number = (int32_t)l->mtu;
		return 0;
	case GET_HARDWARE:
		r->u.hardware.type = l->index == LINK_LOOPBACK ? HARDWARE_LOOPBACK : HARDWARE_ETHERNET;
		memcpy(r->u.hardware.bytes, l->ethernet, sizeof(l->ethernet));
		return 0;
	case GET_INDEX:
		r->u.number = (int32_t)l->index;
		return 0;
	case GET_QUEUE:
		r->u.number = QUEUE_LENGTH;
		return 0;
	case GET_METRIC: /* none, */
	case GET_MAP:    /* and no memory of a card's to be told of */
		return 0;
	default:
		return -ENOTTY;
	}
}

/* Those with an IPv4 address, as Linux has it; how many bytes they are, if there is no place for them. */
static int get_list(uint64_t program)
{
	struct interface_list list;
	struct interface_link l;
	struct interface_address a;
	int32_t used = 0;
	int err = internet_addresses();

	if (err)
		return err;
	if (copy_in(&list, at(program), sizeof(list)))
		return -EFAULT;
	for (uint32_t index = LINK_LOOPBACK; interface_link(index, &l); index++) {
		struct interface_request r = {.name = ""};

		if (!address_of(index, &a))
			continue;
		if (list.requests && list.length - used < (int32_t)sizeof(r))
			break;
		memcpy(r.name, l.name, strlen(l.name));
		r.u.at = name_of(&a, GET_ADDRESS);
		if (list.requests && copy_out(at(list.requests + (uint32_t)used), &r, sizeof(r)))
			return -EFAULT;
		used += (int32_t)sizeof(r);
	}
	list.length = used;
	return copy_out(at(program), &list, sizeof(list));
}

static int get_name(uint64_t program)
{
	struct interface_request r;
	struct interface_link l;

	if (copy_in(&r, at(program), sizeof(r)))
		return -EFAULT;
	if (r.u.number <= 0 || !interface_link((uint32_t)r.u.number, &l))
		return -ENODEV;
	memset(r.name, 0, sizeof(r.name));
	memcpy(r.name, l.name, strlen(l.name));
	return copy_out(at(program), &r, sizeof(r));
}

static int get_of_named(uint32_t command, uint64_t program)
{
	struct interface_request r;
	struct interface_link l;
	int err;

	if (copy_in(&r, at(program), sizeof(r)))
		return -EFAULT;
	r.name[NAME_SIZE - 1] = 0;
	if (!interface_link(interface_link_named(r.name), &l))
		return -ENODEV;
	err = get(&l, command, &r);
	return err ? err : copy_out(at(program), &r, sizeof(r));
}

static bool is_change(uint32_t command)
{
	static const uint16_t changes[] = {ADD_ROUTE, REMOVE_ROUTE, SET_FLAGS, SET_ADDRESS, SET_PEER, SET_BROADCAST, SET_MASK, SET_METRIC, SET_MTU, SET_HARDWARE};

	for (size_t i = 0; i < ARRAY_LENGTH(changes); i++)
		if (changes[i] == command)
			return true;
	return false;
}

int64_t internet_control(struct socket *s, uint32_t command, uint64_t argument)
{
	(void)s;
	if (command >> 8 != ADD_ROUTE >> 8)
		return -ENOTTY;
	if (is_change(command))
		return self->proc->euid ? -EPERM : -EOPNOTSUPP;
	if (command == GET_NAME)
		return get_name(argument);
	return command == GET_LIST ? get_list(argument) : get_of_named(command, argument);
}
