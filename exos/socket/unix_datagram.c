/* UNIX sockets that keep messages apart: datagrams, which anybody may send, and seqpacket, between two. See unix.h. */
#include <exos/heap.h>
#include <exos/socket/unix.h>

/* Sets the peer of a datagram socket, or takes it away (family 0). */
static int datagram_connect(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct unix_socket *u = unix_socket(s), *to = NULL;
	int err = 0;

	if (length < sizeof(a->family) || (a->family != FAMILY_ANY && a->family != FAMILY_UNIX))
		return -EINVAL;
	if (a->family == FAMILY_UNIX) {
		if (s->pass_credentials && !u->name_length)
			unix_autobind(u);
		err = unix_find(a, length, s->type, &to);
		if (!err && to->peer && to->peer != u)
			err = -EPERM; /* it hears its own peer only */
		if (err) {
			if (to)
				unix_put(to);
			return err;
		}
	}
	list_remove(&u->client);
	u->peer = to;
	if (!to)
		return 0;
	list_append(&to->clients, &u->client);
	unix_put(to);
	return 0;
}

/* Whom a message goes to, with a reference. */
static int find_receiver(struct unix_socket *u, const struct message *m, struct unix_socket **out)
{
	int err;

	if (u->orphaned) {
		u->orphaned = false;
		return -ECONNREFUSED;
	}
	if (m->name_length && u->s.type == SOCKET_DATAGRAM) {
		err = unix_find(&m->name, m->name_length, u->s.type, out);
		if (!err && (*out)->peer && (*out)->peer != u) {
			unix_put(*out);
			err = -EPERM;
		}
		return err;
	}
	if (u->s.output_shut && u->s.type == SOCKET_SEQPACKET)
		return -EPIPE;
	if (!u->peer)
		return -ENOTCONN;
	unix_ref(u->peer);
	*out = u->peer;
	return 0;
}

/* Waits until a message of so much fits into the queue of `to`, which has a reference. 0: it does. */
static int wait_room(struct unix_socket *u, struct unix_socket *to, size_t size, struct patience *patience)
{
	for (;;) {
		size_t waiting = unix_waiting(to);
		int err;

		if (to->ended)
			return u->s.type == SOCKET_SEQPACKET ? -EPIPE : -ECONNREFUSED;
		if (u->s.output_shut || to->s.input_shut)
			return -EPIPE;
		if (!waiting || waiting + size <= u->s.send_size) /* what counts beside the bytes keeps no message out for ever */
			return 0;
		err = socket_wait(&u->s, &to->s.writers, patience, true);
		if (err)
			return err;
	}
}

static int put_message(struct unix_socket *u, struct unix_socket *to, struct message *m)
{
	size_t length = m->length;
	struct unix_mark *mark = unix_mark_new(u, to, m, true);
	int err;

	if (!mark)
		return -ENOMEM;
	mark->length = length;
	err = channel_put(&to->in, m, length);
	if (err) {
		m->rights = mark->rights;
		heap_free(mark);
		return err;
	}
	unix_mark_enter(to, mark);
	socket_wake_readers(&to->s);
	return 0;
}

static ssize message_send(struct socket *s, struct message *m)
{
	struct unix_socket *u = unix_socket(s), *to;
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->send_timeout);
	size_t length = m->length, cost = sizeof(struct unix_mark) + u->name_length + (m->rights ? m->rights->count * sizeof(struct file) : 0);
	int err;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (length > s->send_size)
		return -EMSGSIZE;
	if (s->pass_credentials && !u->name_length)
		unix_autobind(u);
	err = find_receiver(u, m, &to);
	if (err)
		return err;
	err = wait_room(u, to, length + cost, &patience);
	if (!err)
		err = put_message(u, to, m);
	unix_put(to);
	return err ? err : (ssize)length;
}

/* The first message is done with: whoever waits to send looks again. */
static void message_done(struct unix_socket *u, struct unix_mark *mark)
{
	channel_take(&u->in, mark->length);
	unix_mark_remove(u, mark);
	wake_all(&u->s.writers);
	if (u->s.type == SOCKET_SEQPACKET && u->peer)
		wake_all(&u->peer->s.polled);
	LIST_FOR_EACH(l, &u->clients)
		wake_all(&CONTAINER_OF(l, struct unix_socket, client)->s.polled);
}

static ssize give_message(struct unix_socket *u, struct message *m)
{
	struct unix_mark *mark = CONTAINER_OF(u->marks.next, struct unix_mark, link);
	size_t length = mark->length, n = MIN(length, m->length);
	int err = channel_copy(&u->in, 0, m, n);

	if (!err)
		err = unix_mark_give(mark, m);
	if (err)
		return err;
	m->name = (struct socket_address){0};
	memcpy(&m->name, mark->name, MIN(mark->name_length, sizeof(m->name)));
	m->name_length = u->s.type == SOCKET_DATAGRAM ? mark->name_length : 0;
	if (u->s.type == SOCKET_SEQPACKET)
		m->result |= MESSAGE_RECORD;
	if (n < length)
		m->result |= MESSAGE_CUT;
	if (!(m->flags & MESSAGE_PEEK))
		message_done(u, mark);
	return m->flags & MESSAGE_CUT ? (ssize)length : (ssize)n;
}

static ssize message_receive(struct socket *s, struct message *m)
{
	struct unix_socket *u = unix_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->receive_timeout);

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (s->type == SOCKET_SEQPACKET && !u->peer && !s->input_shut)
		return -ENOTCONN;
	while (list_empty(&u->marks)) {
		int err;

		if (s->error)
			return socket_error(s);
		if (s->input_shut) {
			m->name_length = 0;
			return patience.none && s->type == SOCKET_DATAGRAM ? -EAGAIN : 0;
		}
		err = socket_wait(s, &s->readers, &patience, true);
		if (err)
			return err;
	}
	return give_message(u, m);
}

static uint32_t message_poll(struct socket *s)
{
	const struct unix_socket *u = unix_socket(s);
	uint32_t ready = 0;

	if (s->listening)
		return list_empty(&u->pending) ? 0 : POLL_IN;
	if (!list_empty(&u->marks) || s->input_shut)
		ready |= POLL_IN;
	if (s->input_shut)
		ready |= POLL_PEER_DONE;
	if (s->input_shut && s->output_shut)
		ready |= POLL_HANGUP;
	if (s->type == SOCKET_SEQPACKET && !u->peer && !s->input_shut)
		return ready | POLL_HANGUP | POLL_OUT;
	if (!u->peer || 2 * unix_waiting(u->peer) <= s->send_size)
		ready |= POLL_OUT;
	return ready;
}

#define SAME_IN_BOTH \
	.file = &socket_file_ops, .bind = unix_bind, .listen = unix_listen, .accept = unix_accept, .name = unix_name, .send = message_send, .receive = message_receive, \
	.shutdown = unix_shutdown, .poll = message_poll, .available = unix_available, .changed = unix_changed, .release = unix_release

const struct socket_ops unix_datagram_ops = {SAME_IN_BOTH, .connect = datagram_connect};
const struct socket_ops unix_seqpacket_ops = {SAME_IN_BOTH, .connect = unix_connect};
