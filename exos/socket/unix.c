/* UNIX sockets: their life, and what the kinds have in common. See unix.h. */
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/unix.h>

struct credentials unix_credentials(void)
{
	const struct proc *p = self->proc;

	return (struct credentials){p->pid, p->euid, p->egid};
}

int unix_new(uint16_t type, int protocol, struct socket **out)
{
	const struct socket_ops *ops = type == SOCKET_STREAM	  ? &unix_stream_ops
				       : type == SOCKET_DATAGRAM  ? &unix_datagram_ops
				       : type == SOCKET_SEQPACKET ? &unix_seqpacket_ops
								  : NULL;
	struct unix_socket *u;

	if (protocol && protocol != FAMILY_UNIX)
		return -EPROTONOSUPPORT;
	if (!ops)
		return -ESOCKTNOSUPPORT;
	u = heap_alloc(sizeof(*u));
	if (!u)
		return -ENOMEM;
	socket_init(&u->s, ops, FAMILY_UNIX, type, 0);
	u->refs = 1;
	u->others = (struct credentials){0, UINT32_MAX, UINT32_MAX};
	list_init(&u->clients);
	list_init(&u->client);
	list_init(&u->marks);
	list_init(&u->pending);
	list_init(&u->named);
	list_init(&u->flying);
	list_init(&u->found);
	*out = &u->s;
	return 0;
}

struct unix_socket *unix_of(const struct file *f)
{
	struct socket *s = socket_of(f);

	return s && s->family == FAMILY_UNIX ? unix_socket(s) : NULL;
}

void unix_ref(struct unix_socket *u) { u->refs++; }

void unix_put(struct unix_socket *u)
{
	if (!--u->refs)
		heap_free(u);
}

void unix_join(struct socket *a, struct socket *b)
{
	struct unix_socket *ends[2] = {unix_socket(a), unix_socket(b)};

	for (int n = 0; n < 2; n++) {
		ends[n]->peer = ends[!n];
		ends[n]->own = ends[!n]->others = unix_credentials();
		if (a->type == SOCKET_DATAGRAM)
			list_append(&ends[!n]->clients, &ends[n]->client);
	}
	unix_look(ends[0]);
}

int unix_name(struct socket *s, bool peer, struct socket_address *a)
{
	struct unix_socket *u = unix_socket(s);

	if (peer && !u->peer)
		return -ENOTCONN;
	u = peer ? u->peer : u;
	*a = (struct socket_address){.family = FAMILY_UNIX};
	if (u->name_length)
		memcpy(a, &u->name, MIN(u->name_length, sizeof(*a)));
	return u->name_length ? (int)u->name_length : (int)sizeof(a->family);
}

static void look_one(struct unix_socket *u)
{
	const struct unix_socket *to = u->peer;

	u->plain = to && u->s.type == SOCKET_STREAM && !u->s.error && !u->s.output_shut && !to->s.input_shut && !u->s.pass_credentials &&
		   !to->s.pass_credentials;
}

void unix_look(struct unix_socket *u)
{
	look_one(u);
	if (u->peer)
		look_one(u->peer);
}

void unix_changed(struct socket *s)
{
	unix_look(unix_socket(s));
	socket_wake_writers(s); /* there may be more room now */
}

int unix_shutdown(struct socket *s, bool input, bool output)
{
	struct unix_socket *u = unix_socket(s);

	if (s->type != SOCKET_DATAGRAM && !u->peer)
		return -ENOTCONN;
	s->input_shut |= input;
	s->output_shut |= output;
	if (u->peer && s->type != SOCKET_DATAGRAM) {
		u->peer->s.output_shut |= input;
		u->peer->s.input_shut |= output;
		socket_wake(&u->peer->s);
	}
	unix_look(u);
	socket_wake(s);
	return 0;
}

size_t unix_available(struct socket *s)
{
	const struct unix_socket *u = unix_socket(s);

	if (s->type == SOCKET_STREAM || list_empty(&u->marks))
		return u->in.length;
	return CONTAINER_OF(u->marks.next, struct unix_mark, link)->length;
}

/* The other ends learn of it. */
static void part(struct unix_socket *u)
{
	struct unix_socket *peer = u->peer;

	u->peer = NULL;
	list_remove(&u->client);
	if (peer && u->s.type != SOCKET_DATAGRAM) {
		peer->peer = NULL;
		peer->s.input_shut = peer->s.output_shut = true;
		if (u->in.length || !list_empty(&u->marks))
			peer->s.error = ECONNRESET; /* of what it has sent not all was read */
		unix_look(peer);
		socket_wake(&peer->s);
	}
	LIST_FOR_EACH_SAFE(l, following, &u->clients) {
		struct unix_socket *client = CONTAINER_OF(l, struct unix_socket, client);

		client->peer = NULL;
		client->orphaned = true;
		list_remove(&client->client);
		socket_wake(&client->s);
	}
}

static void drop_pending(struct unix_socket *u)
{
	while (!list_empty(&u->pending)) {
		struct unix_socket *one = CONTAINER_OF(u->pending.next, struct unix_socket, client);

		list_remove(&one->client);
		if (one->peer)
			one->peer->s.error = ECONNRESET;
		unix_release(&one->s);
	}
	u->pending_count = 0;
}

/* The end, but for the memory if somebody waits for it yet. Rights that are dropped may end others: this one is in order before. */
void unix_release(struct socket *s)
{
	struct unix_socket *u = unix_socket(s);

	u->ended = true;
	s->listening = false;
	unix_forget_name(u);
	part(u);
	unix_look(u);
	drop_pending(u);
	channel_free(&u->in);
	while (!list_empty(&u->marks))
		unix_mark_remove(u, CONTAINER_OF(u->marks.next, struct unix_mark, link));
	socket_wake(s);
	unix_put(u);
	rights_look();
}
