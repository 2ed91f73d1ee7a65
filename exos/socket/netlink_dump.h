/* Between netlink.c, which carries messages, and netlink_dump.c, which says what is in them. */
#pragma once

#include <exos/socket/netlink.h>

struct netlink_header { /* struct nlmsghdr */
	uint32_t length; /* this included */
	uint16_t type, flags;
	uint32_t sequence, port;
};
struct netlink_message { /* one that waits to be received */
	struct list link;
	size_t length, cost; /* bytes; of memory, which is the room for them and this */
	uint8_t bytes[];
};
struct netlink_socket {
	struct socket s; /* first */
	struct list link;
	uint32_t port;    /* 0: none yet */
	struct list queue; /* of netlink_message, oldest first */
	size_t queued;    /* their costs */
};

/* An answer with this header, put at the queue's end; `room` bytes may be added to it. netlink_end_message puts its length into its header. Null: no memory */
struct netlink_message *netlink_message(struct netlink_socket *n, const struct netlink_header *h, size_t room);
void netlink_end_message(struct netlink_message *m);

/* The answers to a request, whose body is `length` bytes. 0, -ENOBUFS: no memory for all of them */
int netlink_answer(struct netlink_socket *n, const struct netlink_header *request, const uint8_t *body, size_t length);
