/* Netlink sockets: their life, requests and answers. What the answers say is netlink_dump.c's. See netlink.h. */
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/internet.h>
#include <exos/socket/netlink_dump.h>

#define PROTOCOL_ROUTE 0
#define REQUEST_MAX    4096 /* bytes in one call; Linux's own programs send less than 100 */

static struct list all = {&all, &all}; /* by port, which must differ; domain lock */

struct name { /* struct sockaddr_nl */
	uint16_t family, pad;
	uint32_t port, groups;
};

static struct netlink_socket *netlink_of(struct socket *s) { return (struct netlink_socket *)s; }

static struct netlink_socket *with_port(uint32_t port)
{
	LIST_FOR_EACH(l, &all) {
		struct netlink_socket *n = CONTAINER_OF(l, struct netlink_socket, link);

		if (n->port == port)
			return n;
	}
	return NULL;
}

/* The process's number, as everybody expects, or one that no process has. */
static void find_port(struct netlink_socket *n)
{
	uint32_t port = (uint32_t)self->proc->pid;

	if (n->port)
		return;
	for (uint32_t other = UINT32_MAX; with_port(port); other--)
		port = other;
	n->port = port;
}

static int netlink_bind(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct netlink_socket *n = netlink_of(s), *owner;
	const struct name *name = (const struct name *)a;

	if (length < sizeof(*name) || a->family != FAMILY_NETLINK)
		return -EINVAL;
	if (name->groups)
		return -EOPNOTSUPP; /* changes are not told */
	if (n->port && name->port && name->port != n->port)
		return -EINVAL;
	owner = name->port ? with_port(name->port) : NULL;
	if (owner && owner != n)
		return -EADDRINUSE;
	n->port = name->port ? name->port : n->port;
	find_port(n);
	return 0;
}

static uint32_t name_out(uint32_t port, struct socket_address *a)
{
	struct name name = {.family = FAMILY_NETLINK, .port = port};

	memcpy(a, &name, sizeof(name));
	return sizeof(name);
}

/* The other side is the kernel, of which there is one. */
static int to_kernel(const struct socket_address *a, uint32_t length)
{
	const struct name *name = (const struct name *)a;

	if (length < sizeof(*name) || a->family != FAMILY_NETLINK)
		return -EINVAL;
	return name->port || name->groups ? -ECONNREFUSED : 0;
}

static int netlink_connect(struct socket *s, const struct socket_address *a, uint32_t length)
{
	int err = to_kernel(a, length);

	if (!err)
		find_port(netlink_of(s));
	return err;
}

static int netlink_name(struct socket *s, bool peer, struct socket_address *a) { return (int)name_out(peer ? 0 : netlink_of(s)->port, a); }

/* Each of the requests that lie one behind the other. Who never takes his answers gets no more. */
static int answer_all(struct netlink_socket *n, const uint8_t *bytes, size_t length)
{
	struct netlink_header h;

	while (length >= sizeof(h)) {
		int err;

		memcpy(&h, bytes, sizeof(h));
		if (h.length < sizeof(h) || h.length > length)
			return 0; /* Linux too takes no offence */
		if (n->queued > n->s.receive_size)
			return -ENOBUFS;
		err = netlink_answer(n, &h, bytes + sizeof(h), h.length - sizeof(h));
		if (err)
			return err;
		bytes += MIN(ROUND_UP((size_t)h.length, 4ul), length);
		length -= MIN(ROUND_UP((size_t)h.length, 4ul), length);
	}
	return 0;
}

static ssize netlink_send(struct socket *s, struct message *m)
{
	struct netlink_socket *n = netlink_of(s);
	size_t length = m->length;
	uint8_t *bytes;
	int err = m->name_length ? to_kernel(&m->name, m->name_length) : 0;

	if (!err && m->flags & MESSAGE_OUT_OF_BAND)
		err = -EOPNOTSUPP;
	if (!err && length > REQUEST_MAX)
		err = -EMSGSIZE;
	if (!err) { /* before anything is looked at: it lets go of the lock, and another thread may close the socket meanwhile */
		struct file *f = s->file;

		file_ref(f);
		err = internet_addresses();
		file_put(f);
	}
	if (err)
		return err;
	bytes = heap_alloc(MAX(length, (size_t)1));
	if (!bytes)
		return -ENOMEM;
	find_port(n);
	err = message_in(m, bytes, length);
	if (!err)
		err = answer_all(n, bytes, length);
	heap_free(bytes);
	socket_wake_readers(s);
	return err ? err : (ssize)length;
}

struct netlink_message *netlink_message(struct netlink_socket *n, const struct netlink_header *h, size_t room)
{
	struct netlink_message *answer = heap_alloc(sizeof(*answer) + sizeof(*h) + room);

	if (!answer)
		return NULL;
	memcpy(answer->bytes, h, sizeof(*h));
	answer->length = sizeof(*h);
	answer->cost = sizeof(*answer) + sizeof(*h) + room;
	n->queued += answer->cost;
	list_append(&n->queue, &answer->link);
	return answer;
}

void netlink_end_message(struct netlink_message *m)
{
	uint32_t length = (uint32_t)m->length;

	memcpy(m->bytes, &length, sizeof(length));
}

static void drop_first(struct netlink_socket *n)
{
	struct netlink_message *first = CONTAINER_OF(n->queue.next, struct netlink_message, link);

	list_remove(&first->link);
	n->queued -= first->cost;
	heap_free(first);
}

static ssize give(struct netlink_socket *n, struct message *m)
{
	struct netlink_message *first = CONTAINER_OF(n->queue.next, struct netlink_message, link);
	size_t length = first->length, part = MIN(length, m->length);
	int err = message_out(m, first->bytes, part);

	if (err)
		return err;
	m->name_length = name_out(0, &m->name);
	if (part < length)
		m->result |= MESSAGE_CUT;
	if (!(m->flags & MESSAGE_PEEK))
		drop_first(n);
	return m->flags & MESSAGE_CUT ? (ssize)length : (ssize)part;
}

static ssize netlink_receive(struct socket *s, struct message *m)
{
	struct netlink_socket *n = netlink_of(s);
	struct patience patience = socket_patience(s, m->flags & MESSAGE_NOW, s->receive_timeout);

	while (list_empty(&n->queue)) {
		int err = socket_wait(s, &s->readers, &patience, false);

		if (err)
			return err;
	}
	return give(n, m);
}

static int netlink_listen(struct socket *s, uint32_t backlog)
{
	(void)s, (void)backlog;
	return -EOPNOTSUPP;
}

static int netlink_accept(struct socket *s, bool now, struct socket **out)
{
	(void)s, (void)now, (void)out;
	return -EOPNOTSUPP;
}

static int netlink_shutdown(struct socket *s, bool input, bool output)
{
	(void)s, (void)input, (void)output;
	return -EOPNOTSUPP;
}

static uint32_t netlink_poll(struct socket *s) { return POLL_OUT | (list_empty(&netlink_of(s)->queue) ? 0 : POLL_IN); }

static size_t netlink_available(struct socket *s)
{
	struct netlink_socket *n = netlink_of(s);

	return list_empty(&n->queue) ? 0 : CONTAINER_OF(n->queue.next, struct netlink_message, link)->length;
}

static void netlink_release(struct socket *s)
{
	struct netlink_socket *n = netlink_of(s);

	while (!list_empty(&n->queue))
		drop_first(n);
	list_remove(&n->link);
	socket_wake(s);
	heap_free(n);
}

static const struct socket_ops netlink_ops = {
	.file = &socket_file_ops,
	.bind = netlink_bind,
	.connect = netlink_connect,
	.listen = netlink_listen,
	.accept = netlink_accept,
	.name = netlink_name,
	.send = netlink_send,
	.receive = netlink_receive,
	.shutdown = netlink_shutdown,
	.poll = netlink_poll,
	.available = netlink_available,
	.release = netlink_release,
};

int netlink_new(uint16_t type, int protocol, struct socket **out)
{
	struct netlink_socket *n;

	if (type != SOCKET_RAW && type != SOCKET_DATAGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != PROTOCOL_ROUTE)
		return -EPROTONOSUPPORT;
	n = heap_alloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	socket_init(&n->s, &netlink_ops, FAMILY_NETLINK, type, protocol);
	list_init(&n->queue);
	list_append(&all, &n->link);
	*out = &n->s;
	return 0;
}
