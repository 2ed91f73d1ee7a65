/* Sockets: what the families have in common, and the way from an open file to one. Domain lock held.
 *
 * A socket lies behind a struct file whose inode is of TYPE_SOCKET, and lives as long as that; one that waits to be accepted has no file yet. A family is a
 * struct socket_ops. The personality (linux/socket.c and its neighbours) decodes calls and structures. Results are as those of read(2): a count or 0, or -errno;
 * -ERESTART when a signal came before anything was done. Addresses and flags have the values of Linux's interface, which programs bring with them. */
#pragma once

#include <exos/file/file.h>

enum { FAMILY_ANY = 0, FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10, FAMILY_NETLINK = 16 };
enum { SOCKET_STREAM = 1, SOCKET_DATAGRAM = 2, SOCKET_RAW = 3, SOCKET_SEQPACKET = 5 };
enum {
	MESSAGE_OUT_OF_BAND = 1,
	MESSAGE_PEEK = 2,
	MESSAGE_CONTROL_CUT = 8, /* results: of what came beside the bytes, and of the bytes, there was more */
	MESSAGE_CUT = 0x20,
	MESSAGE_NOW = 0x40, /* without waiting */
	MESSAGE_RECORD = 0x80,
	MESSAGE_ALL = 0x100, /* receive: wait for as much as was asked for */
	MESSAGE_NO_SIGNAL = 0x4000,
	MESSAGE_MORE = 0x8000,
	MESSAGE_CLOSE_ON_EXEC = 0x40000000
};

struct socket_address {
	uint16_t family;
	uint8_t bytes[126];
};
_Static_assert(sizeof(struct socket_address) == 128, "sockaddr_storage");

struct credentials {
	int pid;
	uint32_t uid, gid;
};

struct rights;

/* What a call sends or receives: buffers of the program's, one after the other, and what goes beside the bytes. */
struct message {
	char *at;                         /* the present buffer; a program address */
	size_t left;                      /* of it */
	size_t length;                    /* of it and all that follow */
	int (*more)(struct message *m);   /* the next buffer, when this one is used up and `length` is not 0: 0 or -EFAULT. Null: there is but one */
	bool library;                     /* `at` is the library's own memory (sendfile) */
	bool ancillary;                   /* receive: the caller can take rights and credentials */
	uint32_t flags;                   /* MESSAGE_ */
	uint32_t result;                  /* receive: MESSAGE_ */
	struct rights *rights;            /* open files that go along, with their references; receive: the caller's now */
	struct credentials credentials;
	bool has_credentials;
	struct {
		bool hops_told, place_told;
		uint8_t hops, place[16];
	} arrival;                        /* receive, of internet sockets that asked: hops that were left, and the address that it was sent to, as the stack has it */
	uint32_t name_length;             /* send: of the address given, 0: none. Receive: of the one below */
	struct socket_address name;
};
/* The next n bytes, and n is not more than m->length. 0 or -EFAULT: then it is not known how many were moved. */
int message_in(struct message *m, void *to, size_t n);
int message_out(struct message *m, const void *from, size_t n);

struct socket;
struct socket_ops {
	const struct file_ops *file;
	int (*bind)(struct socket *s, const struct socket_address *a, uint32_t length);
	int (*connect)(struct socket *s, const struct socket_address *a, uint32_t length);
	int (*listen)(struct socket *s, uint32_t backlog);
	int (*accept)(struct socket *s, bool now, struct socket **out); /* *out has no file yet */
	int (*name)(struct socket *s, bool peer, struct socket_address *a); /* the length */
	ssize (*send)(struct socket *s, struct message *m);
	ssize (*receive)(struct socket *s, struct message *m);
	int (*shutdown)(struct socket *s, bool input, bool output);
	uint32_t (*poll)(struct socket *s);
	size_t (*available)(struct socket *s); /* bytes that a receive would get */
	void (*changed)(struct socket *s);     /* of the fields below what options set. May be null */
	int64_t (*control)(struct socket *s, uint32_t command, uint64_t argument); /* ioctl; may be null */
	void (*release)(struct socket *s);     /* its file is gone, or never came; frees it */
};

struct socket {
	const struct socket_ops *ops;
	struct file *file;                /* null: waits to be accepted */
	uint16_t family, type;
	int protocol;
	bool listening, input_shut, output_shut;
	bool pass_credentials, keep_alive, reuse_address, reuse_port, broadcast, linger;
	int error;                        /* positive: what the next call, or SO_ERROR, is told; once */
	uint32_t send_size, receive_size; /* buffers, bytes */
	uint32_t linger_seconds;
	uint64_t send_timeout, receive_timeout; /* ns; 0: none */
	struct wait_queue readers, writers; /* who waits for input (connections too), for room */
	struct wait_queue polled;         /* who waits for either (file.h, poll) */
};
#define SOCKET_SIZE     212992u /* buffers, unless somebody says otherwise; */
#define SOCKET_SIZE_MIN 4608u
#define SOCKET_SIZE_MAX (64u << 20)

void socket_init(struct socket *s, const struct socket_ops *ops, uint16_t family, uint16_t type, int protocol);
/* A fresh one of any family. -EAFNOSUPPORT -EPROTONOSUPPORT -ESOCKTNOSUPPORT -EPERM -ENOMEM */
int socket_new(uint16_t family, uint16_t type, int protocol, struct socket **out);
int socket_pair(uint16_t family, uint16_t type, int protocol, struct socket *out[2]);
/* The open file of one that has none, which takes it over: when there is no memory (null), the socket is released. flags: OPEN_NONBLOCK. */
struct file *socket_file(struct socket *s, uint32_t flags);
/* The socket behind an open file, or null. */
struct socket *socket_of(const struct file *f);

/* One that waits. Set up before the first wait: for ever, for some time, or not at all. */
struct patience {
	bool none;
	uint64_t timeout, deadline; /* ns; ticks, once it runs */
};
static inline struct patience socket_patience(const struct socket *s, bool now, uint64_t timeout)
{
	return (struct patience){.none = now || (s->file && s->file->flags & OPEN_NONBLOCK), .timeout = timeout};
}
/* 0: look again (the socket is still there). -EAGAIN: no patience left; -ERESTART, -EINTR: a signal. `turn`: it may be a conversation (sched/turn.h). */
int socket_wait(struct socket *s, struct wait_queue *q, struct patience *p, bool turn);
static inline void socket_wake_readers(struct socket *s)
{
	wake_all(&s->readers);
	wake_all(&s->polled);
}
static inline void socket_wake_writers(struct socket *s)
{
	wake_all(&s->writers);
	wake_all(&s->polled);
}
/* Before a connection is taken: who is at his end would take it with him, and who has no descriptor left could not hold it. 0, -EINTR, -EMFILE: it is left to others. */
int socket_may_accept(void);
void socket_wake(struct socket *s); /* everybody */
int socket_error(struct socket *s); /* 0, or the error that waits to be told, as -errno; it is told now */
/* -EPIPE, with SIGPIPE unless the flags say otherwise. */
int socket_broken(uint32_t flags);

/* File operations that need nothing of a family; for those who make a table of their own. */
ssize socket_read(struct file *f, void *program, size_t n, uint64_t *offset);
ssize socket_write(struct file *f, const void *program, size_t n, uint64_t *offset);
ssize socket_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset);
int64_t socket_control(struct file *f, uint64_t command, uint64_t argument);
uint32_t socket_poll(struct file *f, struct wait_queue **queue);
size_t socket_available(struct file *f);
void socket_release(struct file *f);
extern const struct file_ops socket_file_ops;
