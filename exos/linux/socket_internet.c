/* getsockopt and setsockopt of TCP, IP and IPv6: Linux's names for what the network stack can be told. What has no meaning here is refused. */
#include <exos/linux/socket.h>
#include <exos/socket/internet.h>

enum { LEVEL_IP = 0, LEVEL_TCP = 6, LEVEL_IPV6 = 41 };
enum {
	TCP_NO_DELAY = 1,
	TCP_SEGMENT_MAX,
	TCP_KEEP_CORK,
	TCP_KEEP_IDLE,
	TCP_KEEP_INTERVAL,
	TCP_KEEP_COUNT,
	TCP_INFORMATION = 11,
	TCP_QUICK_ACK,
	TCP_CONGESTION,
	TCP_PATIENCE = 18
};
enum { IP_SERVICE = 1, IP_HOPS = 2, IPV6_HOPS = 16, IPV6_ONLY = 26, IPV6_CLASS = 67 };

/* struct tcp_info, as far as there is something to say. */
struct linux_tcp_info {
	uint8_t state, congestion, retransmits, probes, backoff, options, scale, limited;
	uint32_t timeout, ack_timeout, send_mss, receive_mss;
	uint32_t unacknowledged, sacked, lost, retransmitting, forward_acks;
	uint32_t last_sent, last_ack_sent, last_received, last_ack_received;
	uint32_t path_mtu, receive_threshold, rtt, rtt_variance, send_threshold, send_window, advertised_mss, reordering;
	uint32_t receive_rtt, receive_space, retransmitted;
};
_Static_assert(sizeof(struct linux_tcp_info) == 104, "struct tcp_info of Linux, its first version");

static uint32_t flag_of(int level, int name)
{
	if (level == LEVEL_TCP && name == TCP_NO_DELAY)
		return NET_NO_DELAY;
	if (level == LEVEL_TCP && name == TCP_KEEP_CORK)
		return NET_CORK;
	return level == LEVEL_IPV6 && name == IPV6_ONLY ? NET_ONLY_IPV6 : 0;
}

/* Where the stack keeps an option, and what is allowed. False: it is none of these. */
static bool number_of(int level, int name, struct net_tuning *t, uint32_t **number, int *most)
{
	if (level != LEVEL_TCP)
		return false;
	*most = INT32_MAX;
	switch (name) {
	case TCP_SEGMENT_MAX:
		*number = &t->mss;
		*most = 32767;
		return true;
	case TCP_KEEP_IDLE:
		*number = &t->keep_idle;
		*most = 32767;
		return true;
	case TCP_KEEP_INTERVAL:
		*number = &t->keep_interval;
		*most = 32767;
		return true;
	case TCP_KEEP_COUNT:
		*number = &t->keep_count;
		*most = 127;
		return true;
	case TCP_PATIENCE:
		*number = &t->user_timeout;
		return true;
	default:
		return false;
	}
}

static uint8_t *byte_of(const struct socket *s, int level, int name, struct net_tuning *t)
{
	bool ipv6 = s->family == FAMILY_INET6;

	if ((level == LEVEL_IP && name == IP_SERVICE) || (ipv6 && level == LEVEL_IPV6 && name == IPV6_CLASS))
		return &t->tos;
	if ((level == LEVEL_IP && name == IP_HOPS) || (ipv6 && level == LEVEL_IPV6 && name == IPV6_HOPS))
		return &t->ttl;
	return NULL;
}

static int set_congestion(uint64_t program, uint32_t length)
{
	char name[16] = "";

	if (!length)
		return -EINVAL;
	if (copy_in(name, ADDRESS(const void, program), MIN(length, (uint32_t)sizeof(name) - 1)))
		return -EFAULT;
	return strcmp(name, "cubic") ? -ENOENT : 0; /* there is no other */
}

static int set_value(struct socket *s, int level, int name, int value)
{
	struct internet_socket *i = internet_socket(s);
	struct net_tuning t = {0};
	uint32_t flag = flag_of(level, name), *number;
	uint8_t *byte = byte_of(s, level, name, &t);
	int most;

	if (flag) {
		i->flags = value ? i->flags | flag : i->flags & ~flag;
		s->ops->changed(s);
		return 0;
	}
	if (byte) {
		if (value < -1 || value > 255 || (byte == &t.ttl && value == 0))
			return -EINVAL;
		*byte = value < 0 ? (byte == &t.ttl ? 64 : 0) : (uint8_t)value;
	} else if (number_of(level, name, &t, &number, &most)) {
		if (value < 1 || value > most)
			return -EINVAL;
		*number = (uint32_t)value;
	} else {
		return -ENOPROTOOPT;
	}
	net_tune(i->e, &t);
	return 0;
}

int linux_set_internet(struct socket *s, int level, int name, uint64_t program, uint32_t length)
{
	int value = 0, err;

	if (level == LEVEL_TCP && s->type != SOCKET_STREAM)
		return -ENOPROTOOPT;
	if (level == LEVEL_TCP && name == TCP_CONGESTION)
		return set_congestion(program, length);
	err = linux_set_raw(s, level, name, program, length);
	if (err != -ENOPROTOOPT)
		return err;
	if (!length)
		return -EINVAL;
	if (length < sizeof(value) && level == LEVEL_TCP)
		return -EINVAL;
	if (copy_in(&value, ADDRESS(const void, program), MIN(length, (uint32_t)sizeof(value))))
		return -EFAULT;
	if (level == LEVEL_TCP && name == TCP_QUICK_ACK)
		return 0; /* a hint, by Linux's own word: the stack acknowledges by its rules */
	return set_value(s, level, name, value);
}

static int get_information(struct internet_socket *i, uint64_t program, uint64_t program_length)
{
	static const uint8_t states[] = {[TCP_CLOSED] = 7, [TCP_LISTEN] = 10, [TCP_SYN_SENT] = 2, [TCP_SYN_RECEIVED] = 3, [TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4,
		[TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8, [TCP_CLOSING] = 11, [TCP_LAST_ACK] = 9, [TCP_TIME_WAIT] = 6};
	struct net_tcp_info n;
	struct linux_tcp_info l;
	uint32_t mss;

	net_tcp_info(i->e, &n);
	mss = MAX(n.mss, 1u);
	l = (struct linux_tcp_info){.state = states[n.state],
		.timeout = n.rto_us,
		.send_mss = n.mss,
		.receive_mss = n.mss,
		.unacknowledged = (n.unacknowledged + mss - 1) / mss,
		.rtt = n.rtt_us,
		.rtt_variance = n.rtt_variance_us,
		.send_threshold = n.slow_start_threshold / mss,
		.send_window = n.congestion_window / mss,
		.retransmitted = (uint32_t)n.retransmitted};
	return linux_option_out(program, program_length, &l, sizeof(l));
}

int linux_get_internet(struct socket *s, int level, int name, uint64_t program, uint64_t program_length)
{
	struct internet_socket *i = internet_socket(s);
	struct net_tuning t;
	uint32_t flag = flag_of(level, name), *number;
	const uint8_t *byte;
	int value, most;

	value = linux_get_raw(s, level, name, program, program_length);
	if (value != -ENOPROTOOPT)
		return value;
	if (level == LEVEL_TCP && s->type != SOCKET_STREAM)
		return -ENOPROTOOPT;
	if (level == LEVEL_TCP && name == TCP_INFORMATION)
		return get_information(i, program, program_length);
	if (level == LEVEL_TCP && name == TCP_CONGESTION)
		return linux_option_out(program, program_length, "cubic", sizeof("cubic"));
	net_tuning(i->e, &t);
	byte = byte_of(s, level, name, &t);
	if (flag)
		value = (i->flags & flag) != 0;
	else if (byte)
		value = *byte;
	else if (number_of(level, name, &t, &number, &most))
		value = (int)*number;
	else
		return -ENOPROTOOPT;
	return linux_option_out(program, program_length, &value, sizeof(value));
}
