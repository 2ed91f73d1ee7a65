/* /proc/net: what netstat, route and arp read, in Linux's formats. Where there is no stack yet, the files are as empty as they would be. */
#include <exos/file/procfs.h>
#include <exos/interface/interface.h>

#define DEVICE "eth0"

/* Hexadecimal as Linux has it here, in capitals. */
static void add_hex(struct text *t, uint32_t value, int digits)
{
	while (digits-- > 0)
		text_add(t, &"0123456789ABCDEF"[value >> 4 * digits & 15], 1);
}

static uint32_t number(const uint8_t *a) { return (uint32_t)a[3] << 24 | (uint32_t)a[2] << 16 | (uint32_t)a[1] << 8 | a[0]; } /* as this machine reads it */

static void add_name(struct text *t, const struct net_name *n, bool ipv6)
{
	for (int i = ipv6 ? 0 : 12; i < 16; i += 4)
		add_hex(t, number(n->address.bytes + i), 8);
	text_add(t, ":", 1);
	add_hex(t, n->port, 4);
}

static uint32_t state_of(const struct net_endpoint *e, struct net_tcp_info *info)
{
	static const uint8_t states[] = {
		[TCP_ESTABLISHED] = 1, [TCP_SYN_SENT] = 2, [TCP_SYN_RECEIVED] = 3, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_TIME_WAIT] = 6, [TCP_CLOSED] = 7,
		[TCP_CLOSE_WAIT] = 8, [TCP_LAST_ACK] = 9, [TCP_LISTEN] = 10, [TCP_CLOSING] = 11,
	};
	struct net_name remote;

	if (net_kind_of(e) != NET_TCP)
		return states[net_remote(e, &remote) ? TCP_ESTABLISHED : TCP_CLOSED];
	net_tcp_info(e, info);
	return states[info->state];
}

static void write_endpoints(struct text *t, enum net_kind kind, bool ipv6)
{
	const struct net_stack *s = interface_stack();
	bool raw = kind == NET_ICMP || kind == NET_ICMPV6; /* shown together with raw ones of any protocol */
	int line = 0;

	text_print(t, ipv6 ? "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
			   : "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	for (const struct net_endpoint *e = s ? net_next(s, NULL) : NULL; e; e = net_next(s, e)) {
		struct net_tcp_info info = { .unsent = 0 };
		struct net_name local, remote;

		if ((net_kind_of(e) != kind && (!raw || net_kind_of(e) != NET_RAW)) || net_is_ipv6(e) != ipv6 || !net_local(e, &local))
			continue;
		net_remote(e, &remote);
		text_print(t, "%4d: ", line++);
		add_name(t, &local, ipv6);
		text_add(t, " ", 1);
		add_name(t, &remote, ipv6);
		text_add(t, " ", 1);
		add_hex(t, state_of(e, &info), 2);
		text_add(t, " ", 1);
		add_hex(t, info.unacknowledged + info.unsent, 8);
		text_add(t, ":", 1);
		add_hex(t, info.received, 8);
		text_print(t, " 00:00000000 00000000     0        0 0 1 0000000000000000\n");
	}
}

static void write_tcp(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_TCP, false);
}

static void write_tcp6(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_TCP, true);
}

static void write_udp(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_UDP, false);
}

static void write_udp6(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_UDP, true);
}

static void write_raw(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_ICMP, false);
}

static void write_raw6(struct text *t, struct proc *p)
{
	(void)p;
	write_endpoints(t, NET_ICMPV6, true);
}

static void write_dev(struct text *t, struct proc *p)
{
	static const struct net_counters none;
	const struct net_counters *c = interface_stack() ? net_counters(interface_stack()) : &none;
	struct interface_counts counts = interface_counts();

	(void)p;
	text_print(t, "Inter-|   Receive                                                |  Transmit\n"
		      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n");
	text_print(t, "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n");
	if (interface_info())
		text_print(t, "  " DEVICE ": %7lu %7lu %4lu %4lu    0     0          0         0 %8lu %7lu    0 %4lu    0     0       0          0\n", c->bytes_in, c->frames_in,
			c->malformed + c->checksum_errors, counts.dropped_in, c->bytes_out, c->frames_out, counts.lost_out);
}

static void add_route(struct text *t, uint32_t destination, uint32_t router, uint32_t flags, uint32_t mask)
{
	text_print(t, DEVICE "\t");
	add_hex(t, destination, 8);
	text_add(t, "\t", 1);
	add_hex(t, router, 8);
	text_add(t, "\t", 1);
	add_hex(t, flags, 4);
	text_print(t, "\t0\t0\t0\t");
	add_hex(t, mask, 8);
	text_print(t, "\t0\t0\t0\n");
}

static void write_route(struct text *t, struct proc *p)
{
	enum { UP = 1, GATEWAY = 2 };
	const struct net_ipv4 *c = interface_stack() ? net_ipv4(interface_stack()) : NULL;

	(void)p;
	text_print(t, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
	if (!c || !number(c->address))
		return;
	if (number(c->router))
		add_route(t, 0, number(c->router), UP | GATEWAY, 0);
	add_route(t, number(c->address) & number(c->mask), 0, UP, number(c->mask));
}

static void add_neighbour(void *data, const struct net_address *address, const uint8_t *e)
{
	static const uint8_t unknown[6];
	const uint8_t *a = address->bytes + 12;
	char ip[16], mac[18];
	bool known = e != NULL;

	if (!net_is_ipv4(address))
		return;
	e = known ? e : unknown;
	format(ip, sizeof(ip), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	format(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e[0], e[1], e[2], e[3], e[4], e[5]);
	text_print(data, "%-16s 0x1         0x%x         %s     *        " DEVICE "\n", ip, known ? 2 : 0, mac);
}

static void write_arp(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "IP address       HW type     Flags       HW address            Mask     Device\n");
	if (interface_stack())
		net_each_neighbour(interface_stack(), add_neighbour, t);
}

/* Linux's own numbers for how far an address reaches. */
static uint32_t scope_of(const struct interface_address *a)
{
	enum { GLOBAL = 0, HOST = 0x10, LINK = 0x20, SITE = 0x40 };
	const uint8_t *b = a->address.bytes;

	if (a->link == LINK_LOOPBACK)
		return HOST;
	return b[0] != 0xfe ? GLOBAL : (b[1] & 0xc0) == 0x80 ? LINK : (b[1] & 0xc0) == 0xc0 ? SITE : GLOBAL;
}

static void write_if_inet6(struct text *t, struct proc *p)
{
	enum { PERMANENT = 0x80 };
	struct interface_address a;
	struct interface_link l;

	(void)p;
	for (uint32_t n = 0; interface_stack() && interface_address(n, &a); n++) {
		if (net_is_ipv4(&a.address) || !interface_link(a.link, &l))
			continue;
		for (int i = 0; i < 16; i++)
			text_print(t, "%02x", a.address.bytes[i]);
		text_print(t, " %02x %02x %02x %02x %8s\n", a.link, a.prefix_length, scope_of(&a), PERMANENT, l.name);
	}
}

const struct procfs_entry procfs_net_entries[] = {
	{ .name = "arp", .mode = TYPE_FILE | 0444, .write = write_arp },
	{ .name = "dev", .mode = TYPE_FILE | 0444, .write = write_dev },
	{ .name = "if_inet6", .mode = TYPE_FILE | 0444, .write = write_if_inet6 },
	{ .name = "raw", .mode = TYPE_FILE | 0444, .write = write_raw },
	{ .name = "raw6", .mode = TYPE_FILE | 0444, .write = write_raw6 },
	{ .name = "route", .mode = TYPE_FILE | 0444, .write = write_route },
	{ .name = "tcp", .mode = TYPE_FILE | 0444, .write = write_tcp },
	{ .name = "tcp6", .mode = TYPE_FILE | 0444, .write = write_tcp6 },
	{ .name = "udp", .mode = TYPE_FILE | 0444, .write = write_udp },
	{ .name = "udp6", .mode = TYPE_FILE | 0444, .write = write_udp6 },
	{ .name = NULL },
};
