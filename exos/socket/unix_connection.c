/* Connections of UNIX sockets (stream and seqpacket): asked for, waiting, accepted. See unix.h.
 *
 * connect makes the other end itself and leaves it in the listener's queue: both ends can be written to before anybody accepts. */
#include <exos/socket/unix.h>

#define BACKLOG_MAX 4096 /* as Linux's limit (somaxconn) */

int unix_listen(struct socket *s, uint32_t backlog)
{
	struct unix_socket *u = unix_socket(s);

	if (s->type == SOCKET_DATAGRAM)
		return -EOPNOTSUPP;
	if (!u->name_length || u->peer || (s->input_shut && !s->listening))
		return -EINVAL;
	s->listening = true;
	u->backlog = MIN(backlog, BACKLOG_MAX);
	u->own = unix_credentials();
	wake_all(&s->writers);
	return 0;
}

/* The listener, with a reference, once it has room for one more. */
static int find_room(struct socket *s, const struct socket_address *a, uint32_t length, struct unix_socket **out)
{
	struct patience patience = socket_patience(s, false, s->send_timeout);

	for (;;) {
		struct unix_socket *to;
		int err = unix_find(a, length, s->type, &to);

		if (err)
			return err;
		*out = to;
		if (!to->s.listening || to->s.input_shut)
			err = -ECONNREFUSED;
		else if (to->pending_count <= to->backlog)
			return 0;
		else
			err = socket_wait(s, &to->s.writers, &patience, false);
		unix_put(to);
		if (err)
			return err;
	}
}

/* The end that will be accepted has the listener's name. */
static int make_end(struct unix_socket *to, struct unix_socket *u)
{
	struct socket *s;
	struct unix_socket *end;
	int err = unix_new(to->s.type, 0, &s);

	if (err)
		return err;
	end = unix_socket(s);
	end->name = to->name;
	end->name_length = to->name_length;
	end->own = u->others = to->own;
	u->own = end->others = unix_credentials();
	end->peer = u;
	u->peer = end;
	s->pass_credentials = to->s.pass_credentials;
	list_append(&to->pending, &end->client);
	to->pending_count++;
	unix_look(u);
	return 0;
}

int unix_connect(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct unix_socket *u = unix_socket(s), *to;
	int err;

	if (length < sizeof(a->family) || a->family != FAMILY_UNIX)
		return -EINVAL;
	if (s->listening)
		return -EINVAL;
	if (s->pass_credentials && !u->name_length)
		unix_autobind(u);
	err = u->peer ? -EISCONN : find_room(s, a, length, &to);
	if (err)
		return err;
	/* Another thread may have done the same meanwhile. */
	err = u->peer || s->listening ? -EISCONN : make_end(to, u);
	if (!err) {
		s->input_shut = s->output_shut = false;
		wake_one(&to->s.readers); /* one of those that wait to accept: each takes one */
		wake_all(&to->s.polled);
	}
	unix_put(to);
	return err;
}

int unix_accept(struct socket *s, bool now, struct socket **out)
{
	struct unix_socket *u = unix_socket(s), *end;
	struct patience patience = socket_patience(s, now, s->receive_timeout);
	int err = 0, refused;

	if (s->type == SOCKET_DATAGRAM)
		return -EOPNOTSUPP;
	if (!s->listening)
		return -EINVAL;
	/* Who is woken and has a signal too takes what it was woken for, unless that would end with it. */
	while (!(refused = socket_may_accept()) && list_empty(&u->pending)) {
		if (err)
			return err;
		if (s->input_shut || !s->listening)
			return -EINVAL;
		err = socket_wait(s, &s->readers, &patience, false);
	}
	if (refused) {
		if (!list_empty(&u->pending))
			wake_one(&s->readers);
		return refused;
	}
	end = CONTAINER_OF(u->pending.next, struct unix_socket, client);
	list_remove(&end->client);
	if (u->pending_count-- == u->backlog + 1)
		wake_all(&s->writers);
	if (!list_empty(&u->pending))
		wake_one(&s->readers);
	*out = &end->s;
	return 0;
}
