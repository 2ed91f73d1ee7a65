/* See rights.h. */
#include <exos/heap.h>
#include <exos/socket/rights.h>
#include <exos/socket/unix.h>

struct list unix_flying = {&unix_flying, &unix_flying};

static struct rights *rights_new(uint32_t room)
{
	struct rights *r = heap_alloc(sizeof(*r) + room * sizeof(*r->files));

	if (r)
		list_init(&r->link);
	return r;
}
_Static_assert(sizeof(struct rights) + RIGHTS_MAX * sizeof(struct file *) <= HEAP_MAX, "a piece of the heap");

bool rights_grow(struct rights **r, uint32_t more)
{
	struct rights *old = *r, *new = rights_new((old ? old->count : 0) + more);

	if (!new)
		return false;
	if (old) {
		new->count = old->count;
		memcpy(new->files, old->files, old->count * sizeof(*old->files));
		heap_free(old);
	}
	*r = new;
	return true;
}

struct rights *rights_copy(const struct rights *r)
{
	struct rights *copy = rights_new(r->count);

	if (!copy)
		return NULL;
	copy->count = r->count;
	for (uint32_t n = 0; n < r->count; n++) {
		copy->files[n] = r->files[n];
		file_ref(r->files[n]);
	}
	return copy;
}

static struct list dropped = {&dropped, &dropped}; /* domain lock */

/* Sockets that end on the way only say that others may have become garbage: it is looked for once, when nothing else is left to do. */
static void drop_all(void)
{
	static bool busy;

	if (busy)
		return;
	busy = true;
	do {
		while (!list_empty(&dropped)) {
			struct rights *r = CONTAINER_OF(dropped.next, struct rights, link);

			list_remove(&r->link);
			for (uint32_t n = 0; n < r->count; n++)
				file_put(r->files[n]);
			heap_free(r);
		}
		garbage_find(&dropped);
	} while (!list_empty(&dropped));
	busy = false;
}

void rights_drop(struct rights *r)
{
	list_append(&dropped, &r->link);
	drop_all();
}

void rights_look(void) { drop_all(); }

void rights_enter(const struct rights *r)
{
	for (uint32_t n = 0; n < r->count; n++) {
		struct unix_socket *u = unix_of(r->files[n]);

		if (u) {
			if (!u->in_flight++)
				list_append(&unix_flying, &u->flying);
			u->suspect = false;
		}
	}
}

void rights_leave(const struct rights *r)
{
	for (uint32_t n = 0; n < r->count; n++) {
		struct unix_socket *u = unix_of(r->files[n]);

		if (u) {
			u->suspect = false;
			if (!--u->in_flight)
				list_remove(&u->flying);
		}
	}
}
