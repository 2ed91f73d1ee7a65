/* Open files in messages (SCM_RIGHTS). Domain lock held.
 *
 * A message holds a reference to each of its files. Those that are UNIX sockets count as `in flight` while the message waits in a queue; garbage.c finds the sockets that
 * nothing but messages in each other's queues refers to any more. */
#pragma once

#include <exos/socket/socket.h>

#define RIGHTS_MAX 253 /* of one message: Linux's limit */
struct rights {
	struct list link; /* of those that are being dropped */
	uint32_t count;
	struct file *files[];
};

bool rights_grow(struct rights **r, uint32_t more); /* has room for so many more; *r may be null. False: no memory, and all is as it was */
struct rights *rights_copy(const struct rights *r); /* null: no memory */
/* Gives the references back. What ends with them may hold more rights, and so on without limit: those end one after the other, not inside each other. */
void rights_drop(struct rights *r);
/* They go into a queue, they have come out of it. */
void rights_enter(const struct rights *r);
void rights_leave(const struct rights *r);
/* A UNIX socket has ended: are there others that nobody can reach? What waits in their queues is dropped. */
void rights_look(void);
void garbage_find(struct list *garbage); /* the rights in the queues of such sockets, appended to the list; for rights.c */
extern struct list unix_flying; /* the UNIX sockets that are in flight */
