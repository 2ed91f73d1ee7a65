/* The transports that there are: each a `connect` for the client, whose struct then is the transport to bind to, and a `serve` for the server.
 *
 *   direct  the server is in the same process: its procedures are called as functions
 *   shm     one client, one server: messages in a shared channel, the CPU goes over by directed yield
 *   lrpc    many clients, a channel each: messages in the channel, control goes over by protected control transfer; neither trusts the other
 *   tlrpc   the same, and the client trusts the server
 *   ring    two rings: messages are copied in and out, of any size in small rings
 *   fd      two file descriptors: ordinary pipes
 *
 * Channels and rings are made before the fork. `size` is always the most bytes of a request, and of a reply. All return 0 or a negative error.
 * A serve returns 0 when the client has closed, -ESRCH when it is dead, -EPROTO when it sends what is no message. */
#pragma once

#include <exos/lib/ipc/lrpc.h>
#include <exos/lib/ipc/ring.h>
#include <exos/lib/ipc/rpc.h>

struct rpc_direct {
	struct rpc_transport transport;
	const struct rpc_server *server;
};
int rpc_direct_connect(struct rpc_direct *, const struct rpc_server *, uint64_t size);
void rpc_direct_close(struct rpc_direct *);

/* Memory that a client and a server share for messages. */
struct rpc_channel_memory {
	struct word turn; /* of shm: odd: the server's; counts up */
	_Alignas(64) uint64_t request_bytes, reply_bytes;
	_Alignas(64) unsigned char bytes[]; /* request, reply */
};
struct rpc_channel {
	struct rpc_channel_memory *memory;
	uint64_t size; /* one's own copy, a multiple of 64: what lies in the memory is not believed */
};
int rpc_channel_make(struct rpc_channel *, uint64_t size);
void rpc_channel_free(struct rpc_channel *);
static inline unsigned char *rpc_channel_request(const struct rpc_channel *c) { return c->memory->bytes; }
static inline unsigned char *rpc_channel_reply(const struct rpc_channel *c) { return c->memory->bytes + c->size; }

struct rpc_shm {
	struct rpc_transport transport;
	struct rpc_channel channel;
	struct peer server;
	uint64_t turn;
};
int rpc_shm_connect(struct rpc_shm *, const struct rpc_channel *, int server_pid);
void rpc_shm_close(struct rpc_shm *);
int rpc_shm_serve(const struct rpc_server *, const struct rpc_channel *, int client_pid);

struct rpc_lrpc {
	struct rpc_transport transport;
	struct peer server;
	uint64_t number; /* of the channel */
};
/* `number`: the channel's place in the server's list. */
int rpc_lrpc_connect(struct rpc_lrpc *, const struct rpc_channel *, uint64_t number, int server_pid);
int rpc_tlrpc_connect(struct rpc_lrpc *, const struct rpc_channel *, uint64_t number, int server_pid);
struct rpc_lrpc_channel {
	struct rpc_channel channel;
	const struct rpc_server *server; /* what is served on this channel */
	env_id client;                   /* whose it is; 0: whoever calls first */
};
/* Serves until a signal comes: -EINTR. -ENOSYS on Linux. */
int rpc_lrpc_serve(struct rpc_lrpc_channel *list, uint64_t n);
int rpc_tlrpc_serve(struct rpc_lrpc_channel *list, uint64_t n);

/* Streams of bytes, ring and fd: in front of each block its length. */
struct rpc_stream {
	struct rpc_transport transport;
	int64_t (*read)(void *from, void *bytes, uint64_t n);
	int64_t (*write)(void *to, const void *bytes, uint64_t n);
	void *from, *to; /* struct ring, or int */
	unsigned char *in, *out; /* a block with its length */
	uint64_t size;
};
int rpc_ring_connect(struct rpc_stream *, struct ring *to, struct ring *from, uint64_t size);
int rpc_ring_serve(const struct rpc_server *, struct ring *from, struct ring *to, uint64_t size);
/* The descriptors are read where they are: they must outlive the stream. */
int rpc_fd_connect(struct rpc_stream *, int *to, int *from, uint64_t size);
int rpc_fd_serve(const struct rpc_server *, int *from, int *to, uint64_t size);
void rpc_stream_close(struct rpc_stream *);
