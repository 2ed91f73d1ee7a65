/* What endpoints of all kinds have in common, and the calls of stack.h that ask their kind for the rest. */
#include <exos/net/ip.h>

static const struct net_kind_ops *ops_of(enum net_kind kind)
{
	return kind == NET_TCP ? &tcp_ops : kind == NET_UDP ? &udp_ops : kind == NET_RAW ? &raw_ops : &icmp_ops;
}

static void look_at_clock(struct net_stack *s) { s->now = s->port.now(s->port.data); }

struct net_endpoint *net_endpoint_make(struct net_stack *s, enum net_kind kind, bool ipv6)
{
	struct net_endpoint *e = net_allocate(s, ops_of(kind)->size);

	if (!e)
		return NULL;
	e->stack = s;
	e->kind = kind;
	e->ipv6 = ipv6;
	if (!ipv6) {
		e->local.address = net_from_ipv4("\0\0\0\0");
		e->remote.address = e->local.address;
	}
	list_init(&e->bucket);
	list_init(&e->port);
	list_init(&e->ready);
	list_append(&s->endpoints, &e->all);
	return e;
}

struct net_endpoint *net_endpoint_new(struct net_stack *s, enum net_kind kind, bool ipv6, net_event event, void *owner)
{
	struct net_endpoint *e = net_endpoint_make(s, kind, ipv6);

	if (!e)
		return NULL;
	net_own(e, event, owner);
	if (ops_of(kind)->start)
		ops_of(kind)->start(e);
	return e;
}

void net_endpoint_free(struct net_endpoint *e)
{
	net_leave(e);
	list_remove(&e->ready);
	list_remove(&e->all);
	net_free(e->stack, e);
}

void net_endpoint_end(struct net_endpoint *e)
{
	ops_of(e->kind)->end(e);
	net_endpoint_free(e);
}

void net_own(struct net_endpoint *e, net_event event, void *owner)
{
	e->event = event;
	e->owner = owner;
}

void net_close(struct net_endpoint *e)
{
	look_at_clock(e->stack);
	net_own(e, NULL, NULL);
	list_remove(&e->ready);
	e->closed = true;
	ops_of(e->kind)->close(e);
}

static void changed(struct net_endpoint *e)
{
	if (ops_of(e->kind)->changed)
		ops_of(e->kind)->changed(e);
}

void net_set_flags(struct net_endpoint *e, uint32_t flags)
{
	e->flags = flags;
	changed(e);
}

void net_tune(struct net_endpoint *e, const struct net_tuning *t)
{
	struct net_tuning *own = &e->tuning;

#define TAKE(field) own->field = t->field ? t->field : own->field
	TAKE(receive_size);
	TAKE(send_size);
	TAKE(keep_idle);
	TAKE(keep_interval);
	TAKE(keep_count);
	TAKE(user_timeout);
	TAKE(mss);
	TAKE(ttl);
	TAKE(tos);
	TAKE(linger);
#undef TAKE
	changed(e);
}
void net_tuning(const struct net_endpoint *e, struct net_tuning *t) { *t = e->tuning; }

static bool may_bind(const struct net_endpoint *e, const struct net_address *a)
{
	if (net_is_any(a) || net_is_own(e->stack, a))
		return true;
	return e->kind == NET_UDP && (net_is_multicast(a) || (net_is_ipv4(a) && net_is_broadcast(e->stack, a)));
}

int net_bind_common(struct net_endpoint *e, const struct net_name *name)
{
	int error;

	if (!e->ipv6 && !net_is_ipv4(&name->address))
		return -EINVAL;
	if (!may_bind(e, &name->address))
		return -EADDRNOTAVAIL;
	e->local = *name;
	if (!name->port) {
		e->local.port = net_free_port(e->stack, e->kind, &name->address, NULL);
		if (!e->local.port)
			return -EADDRINUSE;
	}
	error = net_enter(e);
	if (error)
		e->local.port = 0;
	e->bound = !error;
	return error;
}

int net_bind(struct net_endpoint *e, const struct net_name *name)
{
	const struct net_kind_ops *ops = ops_of(e->kind);

	if (e->bound)
		return -EINVAL;
	return ops->bind ? ops->bind(e, name) : net_bind_common(e, name);
}

int net_connect(struct net_endpoint *e, const struct net_name *name)
{
	look_at_clock(e->stack);
	if (!e->ipv6 && !net_is_ipv4(&name->address))
		return -EINVAL;
	return ops_of(e->kind)->connect(e, name);
}

int net_shutdown(struct net_endpoint *e, bool input, bool output)
{
	look_at_clock(e->stack);
	return ops_of(e->kind)->shutdown ? ops_of(e->kind)->shutdown(e, input, output) : -EOPNOTSUPP;
}

bool net_local(const struct net_endpoint *e, struct net_name *name)
{
	*name = e->local;
	return e->local.port != 0;
}

bool net_remote(const struct net_endpoint *e, struct net_name *name)
{
	*name = e->remote;
	return !net_is_any(&e->remote.address);
}

uint32_t net_ready(const struct net_endpoint *e) { return ops_of(e->kind)->ready(e) | (e->error ? NET_ERROR : 0); }

int net_error(struct net_endpoint *e)
{
	int error = e->error;

	e->error = 0;
	return error;
}

const struct net_endpoint *net_next(const struct net_stack *s, const struct net_endpoint *after)
{
	const struct list *l = after ? after->all.next : s->endpoints.next;

	return l == &s->endpoints ? NULL : CONTAINER_OF(l, struct net_endpoint, all);
}

enum net_kind net_kind_of(const struct net_endpoint *e) { return e->kind; }
bool net_is_ipv6(const struct net_endpoint *e) { return e->ipv6; }

bool net_unfinished(const struct net_stack *s)
{
	LIST_FOR_EACH(l, &s->endpoints) {
		const struct net_endpoint *e = CONTAINER_OF(l, struct net_endpoint, all);
		struct net_tcp_info info;

		if (e->kind != NET_TCP)
			continue;
		net_tcp_info(e, &info);
		switch (info.state) {
		case TCP_ESTABLISHED:
		case TCP_CLOSE_WAIT:
			if (info.unacknowledged || info.unsent)
				return true;
			break;
		case TCP_FIN_WAIT_1:
		case TCP_CLOSING:
		case TCP_LAST_ACK:
			return true;
		default:
			break;
		}
	}
	return false;
}

uint32_t net_filter(const struct net_endpoint *e) { return e->filter; }
