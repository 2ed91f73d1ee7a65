/* Options of raw sockets (ICMP filters, where checksums lie), and what is told beside a datagram's bytes (RFC 3542): how many hops it had left, and to which address it was sent. */
#include <exos/interface/interface.h>
#include <exos/linux/socket.h>
#include <exos/socket/internet.h>

enum { LEVEL_IP = 0, LEVEL_IPV6 = 41, LEVEL_ICMPV6 = 58, LEVEL_RAW = 255 };
enum { IP_HOPS = 2, IP_ARRIVAL = 8, IP_TELL_ERRORS = 11, IP_TELL_HOPS = 12, IPV6_CHECKSUM = 7, IPV6_TELL_ERRORS = 25, IPV6_TELL_ARRIVAL = 49, IPV6_ARRIVAL = 50, IPV6_TELL_HOPS = 51, IPV6_HOPS = 52, ICMP_FILTER = 1 };
#define CHECKSUM_MOST 65535

struct linux_arrival_ipv4 { /* struct in_pktinfo */
	uint32_t link;
	uint8_t local[4], destination[4];
};
struct linux_arrival_ipv6 { /* struct in6_pktinfo */
	uint8_t destination[16];
	uint32_t link;
};

/* Where it is kept that something is to be told; null: it is no such option. */
static bool *told(struct socket *s, int level, int name)
{
	struct internet_socket *i = internet_socket(s);
	bool ipv6 = s->family == FAMILY_INET6;

	if (s->type == SOCKET_STREAM || level != (ipv6 ? LEVEL_IPV6 : LEVEL_IP))
		return NULL;
	if (name == (ipv6 ? IPV6_TELL_ERRORS : IP_TELL_ERRORS))
		return &i->tell_errors; /* glibc's resolver asks no name server without */
	if (name == (ipv6 ? IPV6_TELL_HOPS : IP_TELL_HOPS))
		return &i->tell_hops;
	return name == (ipv6 ? IPV6_TELL_ARRIVAL : IP_ARRIVAL) ? &i->tell_arrival : NULL;
}

/* Of the types that are blocked so many bytes are the program's to set; 0: it is no filter. */
static uint32_t filter_size(const struct socket *s, int level, int name)
{
	if (s->type != SOCKET_RAW || name != ICMP_FILTER)
		return 0;
	if (s->family == FAMILY_INET)
		return level == LEVEL_RAW && s->protocol == PROTOCOL_ICMP ? sizeof(uint32_t) : 0; /* the first 32 types */
	return level == LEVEL_ICMPV6 && s->protocol == PROTOCOL_ICMPV6 ? 8 * sizeof(uint32_t) : 0;
}

static bool is_checksum(const struct socket *s, int level, int name)
{
	return s->type == SOCKET_RAW && s->family == FAMILY_INET6 && (level == LEVEL_IPV6 || level == LEVEL_RAW) && name == IPV6_CHECKSUM;
}

/* Of ICMPv6 it lies where it lies (RFC 3542 3.1). */
static int set_checksum(struct socket *s, int value)
{
	struct net_raw_options *o = net_raw_options(internet_socket(s)->e);

	if (s->protocol == PROTOCOL_ICMPV6)
		return value == o->checksum ? 0 : -EINVAL;
	if (value > CHECKSUM_MOST || (value > 0 && value % 2))
		return -EINVAL;
	o->checksum = MAX(value, -1);
	return 0;
}

int linux_set_raw(struct socket *s, int level, int name, uint64_t program, uint32_t length)
{
	uint32_t filter = filter_size(s, level, name), blocked[8];
	bool *flag = told(s, level, name);
	int value = 0;

	if (filter) {
		filter = MIN(filter, length);
		if (copy_in(blocked, ADDRESS(const void, program), filter))
			return -EFAULT;
		memcpy(net_raw_options(internet_socket(s)->e)->blocked, blocked, filter);
		return 0;
	}
	if (!flag && !is_checksum(s, level, name))
		return -ENOPROTOOPT;
	if (length < sizeof(value))
		return -EINVAL;
	if (copy_in(&value, ADDRESS(const void, program), sizeof(value)))
		return -EFAULT;
	if (!flag)
		return set_checksum(s, value);
	*flag = value;
	return 0;
}

int linux_get_raw(struct socket *s, int level, int name, uint64_t program, uint64_t program_length)
{
	uint32_t filter = filter_size(s, level, name);
	const bool *flag = told(s, level, name);
	int value;

	if (filter)
		return linux_option_out(program, program_length, net_raw_options(internet_socket(s)->e)->blocked, filter);
	if (!flag && !is_checksum(s, level, name))
		return -ENOPROTOOPT;
	value = flag ? *flag : net_raw_options(internet_socket(s)->e)->checksum;
	return linux_option_out(program, program_length, &value, sizeof(value));
}

static uint32_t link_of(const struct net_address *a)
{
	static const struct net_address own = {{[15] = 1}};

	return (net_is_ipv4(a) ? a->bytes[12] == 127 : memcmp(a, &own, sizeof(own)) == 0) ? LINK_LOOPBACK : LINK_DEVICE;
}

int linux_arrival_out(const struct socket *s, const struct message *m, struct control_out *c)
{
	bool ipv6 = s->family == FAMILY_INET6;
	int level = ipv6 ? LEVEL_IPV6 : LEVEL_IP, hops = m->arrival.hops, err = 0;
	struct linux_arrival_ipv4 four;
	struct linux_arrival_ipv6 six;
	struct net_address place;

	memcpy(place.bytes, m->arrival.place, sizeof(place.bytes));
	if (m->arrival.place_told) {
		six.link = four.link = link_of(&place);
		memcpy(six.destination, place.bytes, sizeof(six.destination));
		memcpy(four.destination, place.bytes + 12, sizeof(four.destination));
		memcpy(four.local, four.destination, sizeof(four.local));
		err = ipv6 ? linux_control_out(c, level, IPV6_ARRIVAL, &six, sizeof(six)) : linux_control_out(c, level, IP_ARRIVAL, &four, sizeof(four));
	}
	if (m->arrival.hops_told && !err)
		err = linux_control_out(c, level, ipv6 ? IPV6_HOPS : IP_HOPS, &hops, sizeof(hops));
	return err;
}
