/* Internet sockets: what TCP, UDP, ICMP and raw packets have in common. See internet.h. */
#include <exos/heap.h>
#include <exos/interface/interface.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/internet.h>

#define PORT_UNPRIVILEGED 1024
#define ADDRESS_PATIENCE_NS 3000000000ul

struct name_ipv4 {
	uint16_t family;
	uint8_t port[2], address[4], zero[8];
};
struct name_ipv6 {
	uint16_t family;
	uint8_t port[2], flow[4], address[16];
	uint32_t scope;
};
#define NAME_IPV6_LEAST 24 /* without the scope */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int internet_name_in(const struct socket *s, const struct socket_address *a, uint32_t length, struct net_name *name)
{
	if (length < (s->family == FAMILY_INET ? sizeof(struct name_ipv4) : NAME_IPV6_LEAST))
		return -EINVAL;
	if (a->family != s->family)
		return -EAFNOSUPPORT;
	if (a->family == FAMILY_INET) {
		const struct name_ipv4 *n = (const struct name_ipv4 *)a;

		memcpy(name->address.bytes, mapped, sizeof(mapped));
		memcpy(name->address.bytes + sizeof(mapped), n->address, sizeof(n->address));
		name->port = (uint16_t)(n->port[0] << 8 | n->port[1]);
	} else {
		const struct name_ipv6 *n = (const struct name_ipv6 *)a;

		memcpy(name->address.bytes, n->address, sizeof(n->address));
		name->port = (uint16_t)(n->port[0] << 8 | n->port[1]);
	}
	return 0;
}

uint32_t internet_name_out(const struct socket *s, const struct net_name *name, struct socket_address *a)
{
	const uint8_t port[2] = {(uint8_t)(name->port >> 8), (uint8_t)name->port};

	*a = (struct socket_address){.family = s->family};
	memcpy(a->bytes, port, sizeof(port));
	if (s->family == FAMILY_INET) {
		memcpy(((struct name_ipv4 *)a)->address, name->address.bytes + sizeof(mapped), 4);
		return sizeof(struct name_ipv4);
	}
	memcpy(((struct name_ipv6 *)a)->address, name->address.bytes, sizeof(name->address));
	return sizeof(struct name_ipv6);
}

void internet_event(void *owner, uint32_t what)
{
	struct socket *s = owner;
	const uint32_t everybody = NET_ERROR | NET_HANGUP | NET_CONNECTED;

	if (s->listening)
		wake_one(&s->readers); /* each of those that wait to accept takes one, and wakes the next */
	else if (what & (NET_READABLE | NET_INPUT_END | everybody))
		wake_all(&s->readers);
	if (what & (NET_WRITABLE | everybody))
		wake_all(&s->writers);
	wake_all(&s->polled);
}

struct internet_socket *internet_make(const struct socket_ops *ops, uint16_t family, uint16_t type, int protocol)
{
	struct internet_socket *i = heap_alloc(sizeof(*i));

	if (i)
		socket_init(&i->s, ops, family, type, protocol);
	return i;
}

static int protocol_of(uint16_t family, uint16_t type, int protocol)
{
	int echo = family == FAMILY_INET ? PROTOCOL_ICMP : PROTOCOL_ICMPV6, usual = type == SOCKET_STREAM ? PROTOCOL_TCP : PROTOCOL_UDP;

	if (type != SOCKET_STREAM && type != SOCKET_DATAGRAM && type != SOCKET_RAW)
		return -ESOCKTNOSUPPORT;
	if (type != SOCKET_RAW) {
		if (protocol && protocol != usual && !(type == SOCKET_DATAGRAM && protocol == echo))
			return -EPROTONOSUPPORT;
		return protocol ? protocol : usual;
	}
	if (protocol < 0 || protocol > PROTOCOL_MAX)
		return -EINVAL;
	if (!protocol || protocol == PROTOCOL_MAX) /* with that, programs would make the headers of IP too */
		return -EPROTONOSUPPORT;
	return self->proc->euid ? -EPERM : protocol; /* it hears what others are told, and speaks in their name */
}

int internet_new(uint16_t family, uint16_t type, int protocol, struct socket **out)
{
	struct internet_socket *i;
	int err;

	protocol = protocol_of(family, type, protocol);
	if (protocol < 0)
		return protocol;
	err = interface_start();
	if (err)
		return err;
	i = internet_make(type == SOCKET_STREAM ? &internet_stream_ops : &internet_datagram_ops, family, type, protocol);
	if (!i)
		return -ENOMEM;
	i->e = net_endpoint_new(interface_stack(), type == SOCKET_RAW ? NET_RAW : (enum net_kind)protocol, family == FAMILY_INET6, internet_event, i);
	if (!i->e) {
		heap_free(i);
		return -ENOMEM;
	}
	if (type == SOCKET_RAW)
		net_raw_protocol(i->e, (uint8_t)protocol);
	*out = &i->s;
	return 0;
}

static bool stays_here(const struct net_address *a)
{
	static const struct net_address any, own = {{[15] = 1}};

	if (net_is_ipv4(a))
		return !a->bytes[12] || a->bytes[12] == 127;
	return memcmp(a, &any, sizeof(any)) == 0 || memcmp(a, &own, sizeof(own)) == 0;
}

int internet_go_out(struct socket *s, const struct net_name *to)
{
	struct file *f = s->file;
	bool ipv4 = net_is_ipv4(&to->address);
	int err;

	if (stays_here(&to->address) || (ipv4 ? net_configured : net_configured_ipv6)(interface_stack()))
		return 0;
	file_ref(f); /* another thread may close it meanwhile */
	err = (ipv4 ? interface_await : interface_await_ipv6)(time_deadline(ADDRESS_PATIENCE_NS));
	file_put(f);
	return err == -EINTR ? err : 0;
}

int internet_addresses(void)
{
	int err = interface_start();

	if (!err && !net_configured(interface_stack()))
		err = interface_await(time_deadline(ADDRESS_PATIENCE_NS));
	return err == -EINTR || err == -ENOMEM ? err : 0;
}

int internet_bind(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct net_name name;
	int err = internet_name_in(s, a, length, &name);

	if (err)
		return err;
	if (name.port && name.port < PORT_UNPRIVILEGED && self->proc->euid && (s->protocol == PROTOCOL_TCP || s->protocol == PROTOCOL_UDP))
		return -EACCES;
	internet_changed(s);
	err = net_bind(internet_socket(s)->e, &name);
	interface_turn();
	return err;
}

int internet_name(struct socket *s, bool peer, struct socket_address *a)
{
	struct internet_socket *i = internet_socket(s);
	struct net_name name;

	if (!(peer ? net_remote : net_local)(i->e, &name) && peer)
		return -ENOTCONN;
	if (peer && s->type == SOCKET_STREAM && !(net_ready(i->e) & NET_CONNECTED))
		return -ENOTCONN;
	return (int)internet_name_out(s, &name, a);
}

int internet_error(struct socket *s)
{
	if (!s->error)
		s->error = net_error(internet_socket(s)->e);
	return socket_error(s);
}

/* Packets of what one waits for come to oneself, without a way round by the keeper. */
int internet_wait(struct internet_socket *i, struct wait_queue *q, struct patience *patience)
{
	if (!patience->none)
		interface_wait(i->e);
	return socket_wait(&i->s, q, patience, !i->s.listening);
}

void internet_changed(struct socket *s)
{
	struct internet_socket *i = internet_socket(s);
	struct net_tuning t = {.send_size = s->send_size == SOCKET_SIZE ? 0 : s->send_size,
		.receive_size = s->receive_size == SOCKET_SIZE ? 0 : s->receive_size, /* what nobody has set grows by itself */
		.linger = s->linger ? (int32_t)s->linger_seconds + 1 : 0};

	net_tune(i->e, &t);
	net_set_flags(i->e, i->flags | (s->reuse_address ? NET_REUSE_ADDRESS : 0) | (s->reuse_port ? NET_REUSE_PORT : 0) | (s->keep_alive ? NET_KEEPALIVE : 0) |
				    (s->broadcast ? NET_BROADCAST : 0));
	if (!s->error)
		s->error = net_error(i->e); /* for SO_ERROR */
	interface_turn();
}

uint32_t internet_poll(struct socket *s)
{
	struct internet_socket *i = internet_socket(s);
	uint32_t what = net_ready(i->e), ready = 0;

	ready |= what & (NET_READABLE | NET_INPUT_END) ? POLL_IN : 0;
	ready |= what & NET_WRITABLE ? POLL_OUT : 0;
	ready |= what & NET_ERROR ? POLL_ERROR : 0;
	ready |= what & NET_HANGUP ? POLL_HANGUP : 0;
	ready |= what & NET_INPUT_END ? POLL_PEER_DONE : 0;
	if (!ready && !s->listening)
		interface_wait(i->e);
	return ready;
}

void internet_release(struct socket *s)
{
	struct internet_socket *i = internet_socket(s);

	if (s->linger && !s->linger_seconds)
		net_abort(i->e);
	else
		net_close(i->e);
	if (i->tail != NO_FRAME)
		frame_put(i->tail);
	socket_wake(s); /* of the threads of a process one may poll what another closes */
	heap_free(i);
	interface_turn();
}
