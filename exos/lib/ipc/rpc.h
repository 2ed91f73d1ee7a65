/* Extensible RPC: an interface described once (rpc_interface.h), bound at run time to whatever carries it.
 *
 * Who calls it: clients bind an interface to a transport and call the stubs; servers make a `struct rpc_server` of their procedures and
 * hand it to the serving half of a transport; who needs another way to carry bytes writes a transport, which is one function.
 *
 * What is promised. Calls carry scalars and buffers. A buffer that lies in an arena which both sides share is passed as offset and length: nothing is copied. The server
 * believes nothing that arrives: it copies a call's scalars once and checks the copy, and every offset and length; an unknown procedure or a damaged message is
 * refused, with an error to the caller. A client believes as little of a reply. Buffers may be memory that the other side can still write, if the
 * transport or an arena shares it: a procedure copies what it checks.
 *
 * Results are negative Linux error numbers: those of the procedure itself, and
 *   EMSGSIZE   the call or its reply does not fit into what the transport carries
 *   ENOSYS     the server has no such procedure
 *   EPROTO     what came is no message, or its buffers lie outside of it or of the arena
 *   EPROTONOSUPPORT   (rpc_bind) the server serves another interface, version, or number of procedures
 *   ESRCH EPIPE   the other end is dead, has closed */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rpc_interface {
	const char *name;
	uint32_t version, procedures;
};

/* Memory that client and server share, at whatever address each has it: from before a fork. */
struct rpc_arena {
	unsigned char *base;
	uint64_t size;
};

/* A transport, the client's end. Stubs build messages in `request`; `cross` carries them to the server and brings back the reply, which can be read at `reply` until
 * the next cross. It returns the bytes of the reply or a negative error. A transport of one's own begins with this struct. */
struct rpc_transport {
	int64_t (*cross)(struct rpc_transport *, uint64_t request_bytes);
	unsigned char *request; /* 8-byte aligned */
	uint64_t request_size;
	const unsigned char *reply;
	uint64_t reply_size; /* the most that comes back */
	const struct rpc_server *direct; /* the server, if it is in this process: its procedures are called as functions; else null */
};

/* The serving half of a transport hands what arrived to this. One message or several (a batch), one after the
 * other in `request`; their replies come in the same order in `reply`, up to the first for which there is no room: from that on they are not served. Returns the bytes of the reply, at most reply_size. */
struct rpc_server;
uint64_t rpc_dispatch(const struct rpc_server *server, const unsigned char *request, uint64_t bytes, unsigned char *reply, uint64_t reply_size);

struct rpc_call;
struct rpc_procedure {
	int (*serve)(const struct rpc_server *, struct rpc_call *);
};
/* Filled in by NAME_server() of an interface. */
struct rpc_server {
	const struct rpc_interface *interface;
	const struct rpc_procedure *table;
	const void *procedures; /* struct NAME_procedures */
	void *context;          /* their first argument */
	struct rpc_arena arena; /* or zero */
};

struct rpc_client {
	struct rpc_transport *transport;
	const struct rpc_server *direct;
	struct rpc_arena arena;
	uint64_t used;      /* bytes of whole messages in transport->request */
	unsigned char *put; /* where the next buffer of the message that is being built goes */
	bool batching;
	unsigned char *queue; /* where the results of queued calls go: struct rpc_queued, one after the other */
	uint64_t queue_bytes, queue_size;
};

/* Binds an interface to a transport: asks the server whether it is this interface in this version. `arena`: memory shared with the server, or null. 0 or an error. */
int rpc_bind(struct rpc_client *, const struct rpc_interface *, struct rpc_transport *, const struct rpc_arena *arena);
void rpc_unbind(struct rpc_client *);

/* Between these two calls stubs only queue: they return 0, or why the call cannot be queued (EMSGSIZE: it does not fit with the others; ENOMEM), and their results are
 * written by rpc_batch_end, so what the results point to must live until then. That sends all in one crossing. 0 or the first error; `statuses`, if not
 * null, receives each call's, in the order in which they were queued. */
void rpc_batch_begin(struct rpc_client *);
int rpc_batch_end(struct rpc_client *, int *statuses);

/* ---- What stubs and dispatch of rpc_interface.h are made of --------------------------------------------------------------- */

#define RPC_BIND UINT32_MAX /* the procedure that rpc_bind calls */
#define RPC_ALIGN(n) (((n) + 7) & ~(uint64_t)7)

/* In front of each message; `bytes` counts it too and is a multiple of 8. */
struct rpc_header {
	uint32_t procedure; /* in a reply: the same */
	int32_t status;     /* in a reply: the procedure's result */
	uint64_t bytes;
};

/* A buffer in a message: offset in the arena, or RPC_INLINE: it follows the scalars in the message. */
#define RPC_INLINE UINT64_MAX
struct rpc_buffer {
	uint64_t offset, length;
};

/* A message that is being read or, on the server, a call that is being served. What is read is copied; `error` remembers the first thing that was wrong. */
struct rpc_call {
	const unsigned char *at, *end; /* of the message that came */
	unsigned char *to, *to_end;    /* of the reply: where it goes on, how far it may go; both 8-byte aligned */
	int error;
};

/* Client: a message with `bytes` of scalars and room for `extra`; null: it does not fit. Then the scalars are filled in, buffers put in order, and it is sent:
 * `finish` reads the reply into where `results` says. */
typedef int rpc_finish(const void *results, const struct rpc_client *, struct rpc_call *reply);
void *rpc_begin(struct rpc_client *, uint32_t procedure, uint64_t bytes, uint64_t extra);
int rpc_send(struct rpc_client *, rpc_finish *finish, const void *results, uint64_t results_bytes);

static inline bool rpc_in_arena(const struct rpc_client *c, const void *p, uint64_t n)
{
	uint64_t offset = (uint64_t)((uintptr_t)p - (uintptr_t)c->arena.base);

	return offset < c->arena.size && n <= c->arena.size - offset;
}
/* What a buffer that goes to the server takes up in the message: at most more than fits. */
static inline uint64_t rpc_extra(const struct rpc_client *c, const void *p, uint64_t n)
{
	if (rpc_in_arena(c, p, n))
		return 0;
	return n < c->transport->request_size ? RPC_ALIGN(n) : c->transport->request_size;
}
struct rpc_buffer rpc_put(struct rpc_client *, const void *p, uint64_t n);
/* Names a buffer that the server is to fill. */
static inline struct rpc_buffer rpc_room(const struct rpc_client *c, const void *p, uint64_t n)
{
	return (struct rpc_buffer){rpc_in_arena(c, p, n) ? (uint64_t)((uintptr_t)p - (uintptr_t)c->arena.base) : RPC_INLINE, n};
}
/* The bytes that the server has put into it: `capacity` is what it was offered, `length` what it says. */
int rpc_filled(const struct rpc_client *, struct rpc_call *reply, void *p, uint64_t capacity, uint64_t length);

static inline void rpc_fail(struct rpc_call *call, int error) { call->error = call->error ? call->error : error; }

/* Both: n bytes of the message, rounded up; null: it has not so many. */
static inline const unsigned char *rpc_advance(struct rpc_call *call, uint64_t n)
{
	const unsigned char *p = call->at;
	uint64_t left = (uint64_t)(call->end - p);

	if (n > left) {
		rpc_fail(call, -EPROTO);
		return NULL;
	}
	call->at += RPC_ALIGN(n) < left ? RPC_ALIGN(n) : left;
	return p;
}

/* The scalars of a message (zeros if it is too short), copied: the other side may write them at this moment, so it is the copy that is looked at, which the fence tells the compiler. */
static inline void rpc_fetch(struct rpc_call *call, void *scalars, uint64_t bytes)
{
	const unsigned char *p = rpc_advance(call, bytes);

	if (p)
		memcpy(scalars, p, bytes);
	else
		memset(scalars, 0, bytes);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Room in the reply, for scalars or a buffer. Null: there is not so much. */
static inline void *rpc_reserve(struct rpc_call *call, uint64_t bytes)
{
	unsigned char *p = call->to;
	uint64_t room = (uint64_t)(call->to_end - p); /* a multiple of 8 */

	if (bytes > room) {
		rpc_fail(call, -EMSGSIZE);
		return NULL;
	}
	call->to += RPC_ALIGN(bytes);
	return p;
}

/* Server: the buffer that came; the one that is to be filled. Null after an error. */
const void *rpc_fetch_buffer(const struct rpc_server *, struct rpc_call *, const struct rpc_buffer *);
void *rpc_reserve_buffer(const struct rpc_server *, struct rpc_call *, const struct rpc_buffer *);
/* The reply's last buffer has become shorter. */
void rpc_trim(struct rpc_call *, const struct rpc_buffer *offered, const void *p, uint64_t length);
