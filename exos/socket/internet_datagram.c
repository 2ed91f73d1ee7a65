/* UDP, ICMP and raw packets behind sockets. See internet.h.
 *
 * A datagram to be sent is copied into a buffer of the domain's, since the stack wants its bytes in one piece and the program's may not be there. What cannot go at once is lost, as
 * datagrams are: sending never waits. */
#include <exos/frames.h>
#include <exos/interface/interface.h>
#include <exos/socket/internet.h>

#define BUFFER_FRAMES 16
#define DATAGRAM_MAX  65507
_Static_assert(DATAGRAM_MAX <= BUFFER_FRAMES * FRAME_SIZE, "it fits");

/* One for all, under the lock: nothing waits while it is in use. Null: no memory */
static char *buffer(void)
{
	static uint32_t bound; /* domain lock */

	while (bound < BUFFER_FRAMES) {
		frame_t f = frame_get();

		if (f == NO_FRAME)
			return NULL;
		if (!frame_bind_shared(DATAGRAM_VA + bound * FRAME_SIZE, f, 1, BIND_READ | BIND_WRITE)) {
			frame_put(f);
			return NULL;
		}
		bound++;
	}
	return (char *)DATAGRAM_VA;
}

static int datagram_connect(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct internet_socket *i = internet_socket(s);
	struct net_name name = {0};
	int err = length >= sizeof(a->family) && a->family == FAMILY_ANY ? 0 : internet_name_in(s, a, length, &name);

	if (!err)
		err = internet_go_out(s, &name);
	if (err)
		return err;
	internet_changed(s);
	err = net_connect(i->e, &name);
	interface_turn();
	i->connected = !err && a->family != FAMILY_ANY;
	return a->family == FAMILY_ANY ? 0 : err;
}

static ssize datagram_send(struct socket *s, struct message *m)
{
	struct internet_socket *i = internet_socket(s);
	size_t length = m->length;
	struct net_name to;
	char *bytes;
	int err = 0;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (length > DATAGRAM_MAX)
		return -EMSGSIZE;
	if (m->name_length)
		err = internet_name_in(s, &m->name, m->name_length, &to);
	if (!err && m->name_length)
		err = internet_go_out(s, &to);
	if (!err)
		err = internet_error(s);
	if (err)
		return err;
	if (!m->name_length && !i->connected)
		return -EDESTADDRREQ;
	bytes = buffer();
	err = bytes ? message_in(m, bytes, length) : -ENOMEM;
	if (err)
		return err;
	err = net_send_datagram(i->e, m->name_length ? &to : NULL, NULL, bytes, (uint32_t)length);
	interface_turn();
	return err == -EAGAIN ? -ENOBUFS : err ? err : (ssize)length;
}

/* The first datagram's bytes, which may lie in several places. */
static int copy_datagram(struct internet_socket *i, struct message *m, size_t n)
{
	uint32_t skip = 0;

	while (skip < n) {
		const uint8_t *data;
		uint32_t part = net_datagram_peek(i->e, skip, &data);
		int err;

		part = (uint32_t)MIN((size_t)part, n - skip);
		err = part ? message_out(m, data, part) : -EIO;
		if (err)
			return err;
		skip += part;
	}
	return 0;
}

static ssize give_datagram(struct internet_socket *i, struct message *m, ssize length, const struct net_name *from, const struct net_name *to)
{
	size_t n = MIN((size_t)length, m->length);
	int err = copy_datagram(i, m, n);

	if (err)
		return err;
	m->name_length = internet_name_out(&i->s, from, &m->name);
	m->arrival.hops_told = i->tell_hops;
	m->arrival.hops = net_datagram_ttl(i->e);
	m->arrival.place_told = i->tell_arrival;
	memcpy(m->arrival.place, to->address.bytes, sizeof(to->address.bytes));
	if (n < (size_t)length)
		m->result |= MESSAGE_CUT;
	if (!(m->flags & MESSAGE_PEEK))
		net_datagram_done(i->e);
	return m->flags & MESSAGE_CUT ? length : (ssize)n;
}

static ssize datagram_receive(struct socket *s, struct message *m)
{
	struct internet_socket *i = internet_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->receive_timeout);
	struct net_name from, to;
	const uint8_t *data;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	for (;;) {
		ssize length = net_datagram(i->e, &data, &from, &to);
		int err;

		if (length >= 0)
			return give_datagram(i, m, length, &from, &to);
		err = internet_error(s);
		if (err)
			return err;
		if (s->input_shut) {
			m->name_length = 0;
			return 0;
		}
		err = internet_wait(i, &s->readers, &patience);
		if (err)
			return err;
	}
}

static int datagram_listen(struct socket *s, uint32_t backlog)
{
	(void)s, (void)backlog;
	return -EOPNOTSUPP;
}

static int datagram_accept(struct socket *s, bool now, struct socket **out)
{
	(void)s, (void)now, (void)out;
	return -EOPNOTSUPP;
}

static int datagram_shutdown(struct socket *s, bool input, bool output)
{
	if (!internet_socket(s)->connected)
		return -ENOTCONN;
	s->input_shut |= input;
	s->output_shut |= output;
	socket_wake(s);
	return 0;
}

static size_t datagram_available(struct socket *s)
{
	struct net_name from, to;
	const uint8_t *data;
	ssize length = net_datagram(internet_socket(s)->e, &data, &from, &to);

	return length > 0 ? (size_t)length : 0;
}

const struct socket_ops internet_datagram_ops = {
	.file = &socket_file_ops,
	.bind = internet_bind,
	.connect = datagram_connect,
	.listen = datagram_listen,
	.accept = datagram_accept,
	.name = internet_name,
	.send = datagram_send,
	.receive = datagram_receive,
	.shutdown = datagram_shutdown,
	.poll = internet_poll,
	.available = datagram_available,
	.changed = internet_changed,
	.release = internet_release,
};
