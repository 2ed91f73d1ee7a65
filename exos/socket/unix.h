/* UNIX sockets: both ends are in the domain, and one puts its bytes straight where the other takes them. Domain lock held.
 *
 * Every socket has the queue of what was sent to it: a channel of bytes, and marks that say where messages begin and what goes with them. A stream has marks only where
 * something goes with its bytes. How much may wait is the sender's SO_SNDBUF, in which every mark counts too. */
#pragma once

#include <exos/socket/channel.h>
#include <exos/socket/rights.h>

struct unix_mark {
	struct list link;
	uint64_t at;              /* stream: where the bytes are that this goes with (channel.h, taken) */
	size_t length;            /* how many */
	struct rights *rights;    /* or null */
	struct credentials credentials;
	bool has_credentials;
	uint32_t cost;            /* counted in `load` */
	uint16_t name_length;     /* of who sent it, behind this */
	uint8_t name[];
};

struct unix_socket {
	struct socket s;          /* first */
	uint32_t refs;            /* its file or its listener, and who waits for it */
	bool ended;               /* neither its file nor a listener has it any more */
	bool plain;               /* a stream whose writes need nothing but bytes put at the peer: unix_look */
	bool orphaned;            /* a datagram socket whose peer has ended, which the next sending is told */
	struct unix_socket *peer; /* or null. A connection's is mutual */
	struct list clients;      /* of datagrams: those whose peer this is */
	struct list client;       /* among its peer's clients; among those that wait to be accepted */
	struct channel in;
	struct list marks;
	size_t load;              /* what the marks cost */
	struct list pending;      /* a listener's: connections that wait to be accepted */
	uint32_t pending_count, backlog;
	struct credentials own, others; /* as it was bound to its end: SO_PEERCRED */
	struct inode *inode;      /* of the name that it was bound to, or null */
	struct list named;        /* among the abstract names */
	uint32_t name_length;     /* of `name`, 0: it has none */
	struct socket_address name;
	uint32_t in_flight;       /* rights.h; garbage.c: */
	struct list flying, found;
	bool suspect;
	uint32_t from_outside;
};
static inline struct unix_socket *unix_socket(struct socket *s) { return (struct unix_socket *)s; }

int unix_new(uint16_t type, int protocol, struct socket **out);
void unix_join(struct socket *a, struct socket *b); /* as socketpair does */
struct unix_socket *unix_of(const struct file *f);  /* or null */

/* unix_name.c. The socket that has this name, with a reference. -ECONNREFUSED, or what the path led to. */
int unix_find(const struct socket_address *a, uint32_t length, uint16_t type, struct unix_socket **out);
int unix_bind(struct socket *s, const struct socket_address *a, uint32_t length);
int unix_autobind(struct unix_socket *u); /* an abstract name that nobody has */
void unix_forget_name(struct unix_socket *u);

/* unix.c: for the kinds. */
void unix_ref(struct unix_socket *u);
void unix_put(struct unix_socket *u);
int unix_name(struct socket *s, bool peer, struct socket_address *a);
int unix_shutdown(struct socket *s, bool input, bool output);
void unix_changed(struct socket *s);
void unix_look(struct unix_socket *u); /* after whatever changes what `plain` says, of u and its peer */
void unix_release(struct socket *s);
size_t unix_available(struct socket *s);
struct credentials unix_credentials(void); /* of the current process */

/* unix_message.c. A mark for m's rights, credentials and (named) its sender's name; the rights are taken over. Null: no memory. */
struct unix_mark *unix_mark_new(struct unix_socket *from, const struct unix_socket *to, struct message *m, bool named);
void unix_mark_enter(struct unix_socket *to, struct unix_mark *mark);
void unix_mark_remove(struct unix_socket *u, struct unix_mark *mark); /* with what goes with it, unless that was taken out */
/* What goes with the mark's bytes, for a receiver: taken out of it, or (peek) copied. 0 or -ENOMEM */
int unix_mark_give(struct unix_mark *mark, struct message *m);
static inline bool unix_wants_mark(const struct unix_socket *from, const struct unix_socket *to, const struct message *m)
{
	return m->rights || m->has_credentials || from->s.pass_credentials || to->s.pass_credentials;
}
static inline size_t unix_waiting(const struct unix_socket *u) { return u->in.length + u->load; } /* bytes that count */

extern const struct socket_ops unix_stream_ops, unix_datagram_ops, unix_seqpacket_ops;
/* unix_connection.c: of streams and seqpacket. */
int unix_connect(struct socket *s, const struct socket_address *a, uint32_t length);
int unix_listen(struct socket *s, uint32_t backlog);
int unix_accept(struct socket *s, bool now, struct socket **out);
