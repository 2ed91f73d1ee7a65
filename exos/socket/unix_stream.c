/* UNIX stream sockets. A write puts bytes into the peer's channel, a read takes them out of one's own; with no call of the kernel unless somebody waits. See unix.h. */
#include <exos/heap.h>
#include <exos/sched/turn.h>
#include <exos/socket/unix.h>
#include <exos/vm/copy.h>

#define STEP FRAME_SIZE /* so much is put at a time: what of a write is in counts though the rest could not be read */

/* How much more may be put by u into `to`. */
static size_t room(const struct unix_socket *u, const struct unix_socket *to)
{
	size_t waiting = unix_waiting(to);

	return waiting < u->s.send_size ? u->s.send_size - waiting : 0;
}

static bool half_free(const struct unix_socket *u, size_t waiting) { return 2 * waiting <= u->s.send_size; }

/* What `to` has waiting was `before`: those who wait for room hear of it when half of it is free, so that they do not come for every byte. */
static inline void taken(struct unix_socket *to, size_t before)
{
	struct unix_socket *u = to->peer;

	if (u && !half_free(u, before) && half_free(u, unix_waiting(to)))
		socket_wake_writers(&u->s);
}

/* One part of a message; 0 or -errno. */
static int put_part(struct unix_socket *u, struct unix_socket *to, struct message *m, size_t n)
{
	struct unix_mark *mark = NULL;
	int err;

	if (unix_wants_mark(u, to, m)) {
		mark = unix_mark_new(u, to, m, false);
		if (!mark)
			return -ENOMEM;
		mark->at = to->in.taken + to->in.length;
		mark->length = n;
	}
	err = channel_put(&to->in, m, n);
	if (!mark)
		return err;
	if (err) {
		m->rights = mark->rights; /* the caller's again */
		heap_free(mark);
		return err;
	}
	unix_mark_enter(to, mark);
	return 0;
}

static int writable(struct unix_socket *u, const struct message *m)
{
	if (u->s.error)
		return u->s.error == ECONNRESET && !u->peer ? (u->s.error = 0, socket_broken(m->flags)) : socket_error(&u->s);
	if (u->s.output_shut)
		return socket_broken(m->flags);
	if (!u->peer)
		return -ENOTCONN;
	return u->peer->s.input_shut ? socket_broken(m->flags) : 0;
}

static ssize stream_send(struct socket *s, struct message *m)
{
	struct unix_socket *u = unix_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->send_timeout);
	size_t wanted = m->length;
	int err;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (m->name_length)
		return u->peer ? -EISCONN : -EOPNOTSUPP;
	if (!wanted && u->peer && !s->output_shut)
		return 0; /* and what should go along has nothing to go with */
	do {
		size_t n;

		err = writable(u, m);
		if (err)
			break;
		n = MIN(MIN(m->length, room(u, u->peer)), STEP);
		if (n) {
			err = put_part(u, u->peer, m, n);
			if (!err)
				continue;
			break;
		}
		socket_wake_readers(&u->peer->s);
		err = socket_wait(s, &s->writers, &patience, true);
	} while (!err && m->length);
	if (u->peer && m->length != wanted)
		socket_wake_readers(&u->peer->s);
	return m->length == wanted ? err : (ssize)(wanted - m->length);
}

/* Of a stream that has bytes behind the first `skip`: how many are moved, or -errno. `last`: what follows is another message's. */
static ssize take_part(struct unix_socket *u, struct message *m, size_t skip, bool *last)
{
	struct unix_mark *mark = list_empty(&u->marks) ? NULL : CONTAINER_OF(u->marks.next, struct unix_mark, link);
	size_t n = MIN(m->length, u->in.length - skip), before = unix_waiting(u);
	uint64_t at = u->in.taken + skip;
	bool reached = false;
	int err;

	/* Whose bytes they are is told only if they are all one's. */
	if (mark && mark->at > at && mark->has_credentials && u->s.pass_credentials) {
		n = MIN(n, mark->at - at);
		*last = true;
	} else if (mark) {
		n = MIN(n, mark->at + mark->length - at);
		reached = at + n > mark->at;
	}
	err = channel_copy(&u->in, skip, m, n);
	if (!err && reached) {
		*last = mark->rights || u->s.pass_credentials;
		err = unix_mark_give(mark, m);
	}
	if (err)
		return err;
	if (m->flags & MESSAGE_PEEK) {
		*last |= mark != NULL; /* looking behind the first mark is left */
		return (ssize)n;
	}
	channel_take(&u->in, n);
	if (mark && mark->at + mark->length == u->in.taken)
		unix_mark_remove(u, mark);
	taken(u, before);
	return (ssize)n;
}

/* Nothing is there: 0 at the end, -errno, or 1: look again. */
static int wait_input(struct unix_socket *u, struct patience *patience)
{
	int err;

	if (u->s.error)
		return socket_error(&u->s);
	if (u->s.input_shut)
		return 0;
	if (!u->peer)
		return -EINVAL;
	err = socket_wait(&u->s, &u->s.readers, patience, true);
	return err ? err : 1;
}

static ssize stream_receive(struct socket *s, struct message *m)
{
	struct unix_socket *u = unix_socket(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->receive_timeout);
	size_t wanted = m->length, skip = 0;
	bool last = false;
	ssize result = 0;

	if (m->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	m->name_length = 0;
	while (m->length && !last) {
		if (u->in.length > skip) {
			result = take_part(u, m, skip, &last);
			if (result < 0)
				break;
			skip += m->flags & MESSAGE_PEEK ? (size_t)result : 0;
			continue;
		}
		if (m->length != wanted && (!(m->flags & MESSAGE_ALL) || m->flags & MESSAGE_PEEK))
			break;
		result = wait_input(u, &patience);
		if (result <= 0)
			break;
	}
	return m->length == wanted ? result : (ssize)(wanted - m->length);
}

static uint32_t stream_poll(struct socket *s)
{
	const struct unix_socket *u = unix_socket(s);
	uint32_t ready = 0;

	if (s->listening)
		return list_empty(&u->pending) ? 0 : POLL_IN;
	if (u->in.length || s->input_shut)
		ready |= POLL_IN;
	if (s->input_shut)
		ready |= POLL_PEER_DONE;
	if (s->output_shut && s->input_shut)
		ready |= POLL_HANGUP;
	if (!u->peer && !s->input_shut)
		return ready | POLL_HANGUP | POLL_OUT; /* never connected */
	if (!u->peer || half_free(u, unix_waiting(u->peer)))
		ready |= POLL_OUT;
	return ready;
}

/* The way of most calls: bytes within a frame, and nothing beside them. */
static ssize stream_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	struct unix_socket *u = f->data, *to = u->peer;

	if (!u->plain || !channel_puts_at_once(&to->in, n) || unix_waiting(to) + n > u->s.send_size)
		return socket_write(f, program, n, offset);
	if (copy_in(to->in.put, program, n))
		return -EFAULT;
	channel_has_put(&to->in, n);
	socket_wake_readers(&to->s);
	return (ssize)n;
}

static ssize stream_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct unix_socket *u = f->data;
	size_t before = u->in.length, part;

	if (!before && u->plain && turn_due() && !(f->flags & OPEN_NONBLOCK)) {
		file_ref(f);
		turn_give(&u->s.readers);
		file_put(f);
		before = u->in.length;
	}
	part = MIN(n, before);
	if (!part || !list_empty(&u->marks) || !channel_takes_at_once(&u->in, part))
		return socket_read(f, program, n, offset);
	if (copy_out(program, u->in.take, part))
		return -EFAULT;
	channel_has_taken(&u->in, part);
	taken(u, before);
	return (ssize)part;
}

static const struct file_ops stream_file_ops = {
	.read = stream_read,
	.write = stream_write,
	.write_library = socket_write_library,
	.control = socket_control,
	.poll = socket_poll,
	.available = socket_available,
	.release = socket_release,
};

const struct socket_ops unix_stream_ops = {
	.file = &stream_file_ops,
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.name = unix_name,
	.send = stream_send,
	.receive = stream_receive,
	.shutdown = unix_shutdown,
	.poll = stream_poll,
	.available = unix_available,
	.changed = unix_changed,
	.release = unix_release,
};
