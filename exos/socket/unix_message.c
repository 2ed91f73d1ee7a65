/* What goes beside the bytes of a UNIX socket: marks in its queue. See unix.h. */
#include <exos/heap.h>
#include <exos/socket/unix.h>

struct unix_mark *unix_mark_new(struct unix_socket *from, const struct unix_socket *to, struct message *m, bool named)
{
	uint32_t name_length = named ? MIN(from->name_length, (uint32_t)sizeof(from->name)) : 0;
	struct unix_mark *mark = heap_alloc(sizeof(*mark) + name_length);

	if (!mark)
		return NULL;
	mark->cost = (uint32_t)sizeof(*mark) + name_length;
	if (m->has_credentials || from->s.pass_credentials || to->s.pass_credentials) {
		mark->has_credentials = true;
		mark->credentials = m->has_credentials ? m->credentials : unix_credentials();
	}
	if (m->rights) {
		mark->cost += m->rights->count * (uint32_t)sizeof(struct file);
		mark->rights = m->rights;
		m->rights = NULL;
	}
	mark->name_length = (uint16_t)name_length;
	memcpy(mark->name, &from->name, name_length);
	return mark;
}

void unix_mark_enter(struct unix_socket *to, struct unix_mark *mark)
{
	to->load += mark->cost;
	list_append(&to->marks, &mark->link);
	if (mark->rights)
		rights_enter(mark->rights);
}

void unix_mark_remove(struct unix_socket *u, struct unix_mark *mark)
{
	struct rights *rights = mark->rights;

	u->load -= mark->cost;
	list_remove(&mark->link);
	heap_free(mark);
	if (!rights)
		return;
	rights_leave(rights);
	rights_drop(rights);
}

int unix_mark_give(struct unix_mark *mark, struct message *m)
{
	if (mark->has_credentials) {
		m->has_credentials = true;
		m->credentials = mark->credentials;
	}
	if (!mark->rights || !m->ancillary)
		return 0;
	if (m->flags & MESSAGE_PEEK) {
		m->rights = rights_copy(mark->rights);
		return m->rights ? 0 : -ENOMEM;
	}
	rights_leave(mark->rights);
	m->rights = mark->rights;
	mark->rights = NULL;
	return 0;
}
