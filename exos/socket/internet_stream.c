/* TCP behind sockets. What is written is copied once, into frames that segments are sent from; what is received is copied once, from where the stack has it. See internet.h.
 *
 * Small writes share frames: each is a piece of the same one, which has a reference for each. sendfile copies nothing: the pieces are the file's own frames, and what is written to the file
 * before the other side has acknowledged them is what it gets, as on Linux. */
#include <exos/heap.h>
#include <exos/interface/interface.h>
#include <exos/socket/internet.h>

#define BACKLOG_LEAST 512u
#define BACKLOG_MOST  4096u

struct send_piece {
	struct net_piece piece; /* first */
	frame_t frame;          /* with a reference */
};

static void piece_release(struct net_piece *piece)
{
	frame_put(((struct send_piece *)piece)->frame);
	heap_free(piece);
}

/* A piece of a frame, which gets a reference of its own. Null: no memory */
static struct send_piece *piece_new(frame_t frame, size_t at, size_t n)
{
	struct send_piece *p = heap_alloc(sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct send_piece){.piece = {.data = (const uint8_t *)frame_address(frame) + at,
					 .physical = (uint64_t)frame * FRAME_SIZE + at,
					 .length = (uint32_t)n,
					 .sum = NET_NO_SUM,
					 .release = piece_release},
		.frame = frame};
	frame_ref(frame);
	return p;
}

static struct send_piece *piece_of_library(struct message *m, size_t n)
{
	size_t at = (uintptr_t)m->at % FRAME_SIZE;
	struct send_piece *p;

	n = MIN(n, FRAME_SIZE - at);
	p = piece_new(address_frame(m->at), at, n);
	m->at += p ? n : 0;
	m->left -= p ? n : 0;
	m->length -= p ? n : 0;
	return p;
}

/* The next bytes, in the frame that has room. Null, with *err. */
static struct send_piece *piece_of_program(struct internet_socket *i, struct message *m, size_t n, int *err)
{
	struct send_piece *p;

	if (i->tail != NO_FRAME && frame_refs(i->tail) == 1)
		i->tail_used = 0; /* nothing in it is on its way any more */
	if (i->tail != NO_FRAME && i->tail_used == FRAME_SIZE) {
		frame_put(i->tail);
		i->tail = NO_FRAME;
	}
	if (i->tail == NO_FRAME) {
		i->tail = frame_get();
		i->tail_used = 0;
	}
	*err = -ENOMEM;
	if (i->tail == NO_FRAME)
		return NULL;
	n = MIN(n, FRAME_SIZE - i->tail_used);
	*err = message_in(m, (char *)frame_address(i->tail) + i->tail_used, n);
	if (*err)
		return NULL;
	p = piece_new(i->tail, i->tail_used, n);
	*err = p ? 0 : -ENOMEM;
	i->tail_used += p ? (uint32_t)n : 0;
	return p;
}

/* Why nothing can be sent, or 0: wait. */
static int cannot_send(struct internet_socket *i, uint32_t flags)
{
	uint32_t what = net_ready(i->e);
	int err = internet_error(&i->s);

	if (err)
		return err == -EPIPE ? socket_broken(flags) : err;
	if (!i->connecting && !(what & NET_CONNECTED))
		return socket_broken(flags);
	return i->s.output_shut ? socket_broken(flags) : 0;
}

static int send_part(struct internet_socket *i, struct message *m)
{
	size_t n = MIN(m->length, (size_t)net_room(i->e));
	struct send_piece *p;
	int err = -ENOMEM;

	p = m->library ? piece_of_library(m, n) : piece_of_program(i, m, n, &err);
	if (!p)
		return err;
	err = net_write(i->e, &p->piece, m->length || m->flags & MESSAGE_MORE);
	if (err)
		piece_release(&p->piece);
	return err;
}

static ssize stream_send(struct socket *s, struct message *m)
{
	struct internet_socket *i = internet_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->send_timeout);
	size_t wanted = m->length, sent = 0;
	int err = 0;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (s->listening)
		return socket_broken(m->flags);
	while (m->length && !err) {
		if (net_room(i->e) && !s->output_shut) {
			err = send_part(i, m);
			sent = err ? sent : wanted - m->length;
			continue;
		}
		err = cannot_send(i, m->flags);
		if (err)
			break;
		interface_turn(); /* which may make room */
		if (net_room(i->e))
			continue;
		err = internet_wait(i, &s->writers, &patience);
	}
	interface_turn();
	return sent ? (ssize)sent : err;
}

static ssize take_bytes(struct internet_socket *i, struct message *m, uint32_t *skip)
{
	const uint8_t *data;
	uint32_t n = net_peek(i->e, *skip, &data);
	int err;

	n = (uint32_t)MIN((size_t)n, m->length);
	err = message_out(m, data, n);
	if (err)
		return err;
	if (m->flags & MESSAGE_PEEK)
		*skip += n;
	else
		net_consume(i->e, n);
	return n;
}

/* Nothing is there: 0 at the end, -errno, or 1: look again. */
static int wait_input(struct internet_socket *i, struct patience *patience)
{
	uint32_t what;
	int err = internet_error(&i->s);

	if (err)
		return err;
	what = net_ready(i->e);
	if (what & NET_INPUT_END || i->s.input_shut)
		return 0;
	if (!i->connecting && !(what & NET_CONNECTED))
		return i->connected ? 0 : -ENOTCONN;
	err = internet_wait(i, &i->s.readers, patience);
	return err ? err : 1;
}

static ssize stream_receive(struct socket *s, struct message *m)
{
	struct internet_socket *i = internet_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->receive_timeout);
	size_t wanted = m->length, done = 0;
	uint32_t skip = 0;
	ssize result = 0;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EINVAL;
	if (s->listening)
		return -ENOTCONN;
	m->name_length = 0;
	while (m->length) {
		if (net_available(i->e) > skip) {
			result = take_bytes(i, m, &skip);
			if (result < 0)
				break;
			done = wanted - m->length;
			continue;
		}
		if (done && (!(m->flags & MESSAGE_ALL) || m->flags & MESSAGE_PEEK))
			break;
		interface_turn();
		result = wait_input(i, &patience);
		if (result <= 0)
			break;
	}
	interface_turn();
	return done ? (ssize)done : result;
}

/* How the connection that was asked for has gone: 1: it is not known yet. */
static int outcome(struct internet_socket *i)
{
	uint32_t what = net_ready(i->e);
	int err;

	if (what & NET_CONNECTED) {
		i->connecting = false;
		i->connected = true;
		return 0;
	}
	err = internet_error(&i->s);
	if (!err && !(what & NET_HANGUP))
		return 1;
	i->connecting = false;
	return err ? err : -ECONNREFUSED;
}

static int begin(struct internet_socket *i, const struct socket_address *a, uint32_t length)
{
	static const struct net_address loopback = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	struct net_name name;
	int err = internet_name_in(&i->s, a, length, &name);

	if (err)
		return err;
	if (net_is_ipv4(&name.address) && !(name.address.bytes[12] | name.address.bytes[13] | name.address.bytes[14] | name.address.bytes[15]))
		name.address.bytes[12] = 127, name.address.bytes[15] = 1; /* nobody in particular is oneself, as on Linux */
	else if (!memcmp(name.address.bytes, loopback.bytes, 15) && !name.address.bytes[15])
		name.address = loopback;
	err = internet_go_out(&i->s, &name);
	if (err)
		return err;
	internet_changed(&i->s);
	err = net_connect(i->e, &name);
	interface_turn();
	i->connecting = !err || err == -EINPROGRESS;
	return i->connecting ? 0 : err;
}

static int stream_connect(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct internet_socket *i = internet_socket(s);
	struct patience patience = socket_patience(s, false, s->send_timeout);
	bool first = !i->connecting;
	int err;

	if (s->listening || i->connected)
		return -EISCONN;
	if (first) {
		err = begin(i, a, length);
		if (err)
			return err;
	}
	for (;;) {
		err = outcome(i);
		if (err <= 0)
			return err;
		if (patience.none)
			return first ? -EINPROGRESS : -EALREADY;
		err = internet_wait(i, &s->writers, &patience);
		if (err)
			return err;
		if (patience.none)
			return outcome(i) == 0 ? 0 : -EINPROGRESS;
	}
}

/* What the program asks for is a hint. Many a server asks for a handful, from times when memory was scarce, and a client whose SYN finds no room asks again only after a second or more; so it gets more, as POSIX lets us. */
static int stream_listen(struct socket *s, uint32_t backlog)
{
	struct internet_socket *i = internet_socket(s);
	int err;

	if (i->connected || i->connecting)
		return -EINVAL;
	internet_changed(s);
	err = net_listen(i->e, MIN(MAX(backlog, BACKLOG_LEAST), BACKLOG_MOST));
	s->listening |= !err;
	interface_turn();
	return err;
}

static int stream_accept(struct socket *s, bool now, struct socket **out)
{
	struct internet_socket *i = internet_socket(s), *end;
	struct patience patience = socket_patience(s, now, s->receive_timeout);
	struct net_endpoint *e;
	int err = 0, waited = 0;

	if (!s->listening)
		return -EINVAL;
	while (!(err = socket_may_accept()) && (err = net_accept(i->e, &e)) == -EAGAIN) {
		if (waited)
			return waited; /* but who was woken for a connection, and has a signal too, takes it */
		interface_turn();
		waited = internet_wait(i, &s->readers, &patience);
	}
	if (net_ready(i->e) & NET_READABLE)
		wake_one(&s->readers); /* for the next connection; or for this one, which is left to others */
	if (err)
		return err;
	end = internet_make(&internet_stream_ops, s->family, s->type, s->protocol);
	if (!end) {
		net_abort(e);
		interface_turn();
		return -ENOMEM;
	}
	end->e = e;
	end->connected = true;
	end->flags = i->flags;
	end->s.keep_alive = s->keep_alive;
	end->s.linger = s->linger;
	end->s.linger_seconds = s->linger_seconds;
	end->s.reuse_address = s->reuse_address;
	net_own(e, internet_event, end);
	interface_turn();
	*out = &end->s;
	return 0;
}

static int stream_shutdown(struct socket *s, bool input, bool output)
{
	struct internet_socket *i = internet_socket(s);
	int err = i->connected || i->connecting || s->listening ? net_shutdown(i->e, input, output) : -ENOTCONN;

	if (err)
		return err;
	s->input_shut |= input;
	s->output_shut |= output;
	interface_turn();
	socket_wake(s);
	return 0;
}

static size_t stream_available(struct socket *s) { return s->listening ? 0 : net_available(internet_socket(s)->e); }

const struct socket_ops internet_stream_ops = {
	.file = &socket_file_ops,
	.bind = internet_bind,
	.connect = stream_connect,
	.listen = stream_listen,
	.accept = stream_accept,
	.name = internet_name,
	.send = stream_send,
	.receive = stream_receive,
	.shutdown = stream_shutdown,
	.poll = internet_poll,
	.available = stream_available,
	.changed = internet_changed,
	.release = internet_release,
};
