/* UNIX sockets that only messages refer to, which wait in queues of such sockets: they hold each other, and nobody can ever receive them.
 *
 * The rule: a socket all of whose references are in flight is suspect. It is reachable after all if one of those messages waits in a queue that is not a suspect's, or in that
 * of a suspect that is reachable. The messages of the others are dropped, and the sockets end with them. Looked for whenever a UNIX socket ends while any is in
 * flight. Other files hold no sockets (an epoll file none either), so this finds every cycle. The cost is
 * that of walking the UNIX sockets in flight and what waits in the suspects' queues. */
#include <exos/socket/rights.h>
#include <exos/socket/unix.h>

static void each_message(struct unix_socket *u, void (*visit)(struct unix_socket *in_it))
{
	LIST_FOR_EACH(l, &u->marks) {
		const struct rights *r = CONTAINER_OF(l, struct unix_mark, link)->rights;

		for (uint32_t n = 0; r && n < r->count; n++) {
			struct unix_socket *in_it = unix_of(r->files[n]);

			if (in_it && in_it->suspect)
				visit(in_it);
		}
	}
}

/* What waits to be accepted is the listener's. */
static void each_child(struct unix_socket *u, void (*visit)(struct unix_socket *child))
{
	each_message(u, visit);
	LIST_FOR_EACH(l, &u->pending)
		each_message(CONTAINER_OF(l, struct unix_socket, client), visit);
}

static void held_by_suspect(struct unix_socket *child) { child->from_outside--; }

static struct list reached; /* domain lock; only during a look */

static void reach(struct unix_socket *child)
{
	child->suspect = false;
	list_append(&reached, &child->found);
}

static void find_suspects(void)
{
	LIST_FOR_EACH(l, &unix_flying) {
		struct unix_socket *u = CONTAINER_OF(l, struct unix_socket, flying);

		u->suspect = u->in_flight && u->s.file && u->s.file->refs == u->in_flight;
		u->from_outside = u->in_flight;
	}
	LIST_FOR_EACH(l, &unix_flying) {
		struct unix_socket *u = CONTAINER_OF(l, struct unix_socket, flying);

		if (u->suspect)
			each_child(u, held_by_suspect);
	}
}

static void clear_reachable(void)
{
	list_init(&reached);
	LIST_FOR_EACH(l, &unix_flying) {
		struct unix_socket *u = CONTAINER_OF(l, struct unix_socket, flying);

		if (u->suspect && u->from_outside)
			reach(u);
	}
	while (!list_empty(&reached)) {
		struct unix_socket *u = CONTAINER_OF(reached.next, struct unix_socket, found);

		list_remove(&u->found);
		each_child(u, reach);
	}
}

/* Takes the rights out of a queue; the messages stay. */
static void take_rights(struct unix_socket *u, struct list *garbage)
{
	LIST_FOR_EACH(l, &u->marks) {
		struct unix_mark *mark = CONTAINER_OF(l, struct unix_mark, link);

		if (!mark->rights)
			continue;
		rights_leave(mark->rights);
		list_append(garbage, &mark->rights->link);
		mark->rights = NULL;
	}
}

void garbage_find(struct list *garbage)
{
	struct list doomed;

	if (list_empty(&unix_flying))
		return;
	find_suspects();
	clear_reachable();
	list_init(&doomed);
	LIST_FOR_EACH(l, &unix_flying) {
		struct unix_socket *u = CONTAINER_OF(l, struct unix_socket, flying);

		if (u->suspect)
			list_append(&doomed, &u->found);
	}
	while (!list_empty(&doomed)) { /* none ends before its references, which are in here, are given back */
		struct unix_socket *u = CONTAINER_OF(doomed.next, struct unix_socket, found);

		list_remove(&u->found);
		take_rights(u, garbage);
		LIST_FOR_EACH(pending, &u->pending)
			take_rights(CONTAINER_OF(pending, struct unix_socket, client), garbage);
	}
}
