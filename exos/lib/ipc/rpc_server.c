/* The server's half of RPC: nothing that arrives is believed. Messages may lie in memory that the caller still writes, so everything is copied
 * before it is checked. */
#include <exos/lib/ipc/rpc.h>
#include <exos/lib/ipc/rpc_bind.h>

/* A buffer in the arena, or null. */
static unsigned char *rpc_arena_buffer(const struct rpc_server *s, struct rpc_call *call, const struct rpc_buffer *b)
{
	if (b->offset > s->arena.size || b->length > s->arena.size - b->offset) {
		rpc_fail(call, -EPROTO);
		return NULL;
	}
	return s->arena.base + b->offset;
}

const void *rpc_fetch_buffer(const struct rpc_server *s, struct rpc_call *call, const struct rpc_buffer *b)
{
	return b->offset == RPC_INLINE ? rpc_advance(call, b->length) : rpc_arena_buffer(s, call, b);
}

void *rpc_reserve_buffer(const struct rpc_server *s, struct rpc_call *call, const struct rpc_buffer *b)
{
	return b->offset == RPC_INLINE ? rpc_reserve(call, b->length) : rpc_arena_buffer(s, call, b);
}

void rpc_trim(struct rpc_call *call, const struct rpc_buffer *offered, const void *p, uint64_t length)
{
	if (length > offered->length)
		rpc_fail(call, -EPROTO);
	else if (offered->offset == RPC_INLINE && (const unsigned char *)p + RPC_ALIGN(offered->length) == call->to)
		call->to -= RPC_ALIGN(offered->length) - RPC_ALIGN(length);
}

static int rpc_serve_bind(const struct rpc_server *s, struct rpc_call *call)
{
	struct rpc_bind_request mine = rpc_bind_request(s->interface), theirs;

	rpc_fetch(call, &theirs, sizeof(theirs));
	if (call->error)
		return call->error;
	return memcmp(&mine, &theirs, sizeof(mine)) ? -EPROTONOSUPPORT : 0;
}

static int rpc_serve_call(const struct rpc_server *s, uint32_t procedure, struct rpc_call *call)
{
	if (procedure == RPC_BIND)
		return rpc_serve_bind(s, call);
	if (procedure >= s->interface->procedures)
		return -ENOSYS;
	return s->table[procedure].serve(s, call);
}

uint64_t rpc_dispatch(const struct rpc_server *server, const unsigned char *request, uint64_t bytes, unsigned char *reply, uint64_t reply_size)
{
	struct rpc_call all = {.at = request, .end = request + bytes};
	unsigned char *to = reply, *to_end = reply + (reply_size & ~(uint64_t)7);

	while (all.at < all.end && (uint64_t)(to_end - to) >= sizeof(struct rpc_header)) {
		const unsigned char *message = all.at;
		struct rpc_call call = {.to = to + sizeof(struct rpc_header), .to_end = to_end};
		struct rpc_header h, answer;

		rpc_fetch(&all, &h, sizeof(h));
		if (all.error || h.bytes < sizeof(h) || h.bytes > (uint64_t)(all.end - message) || h.bytes % 8) {
			answer = (struct rpc_header){RPC_BIND, -EPROTO, sizeof(h)};
			all.at = all.end; /* where the next one begins nobody knows */
		} else {
			call.at = all.at;
			call.end = all.at = message + h.bytes;
			answer = (struct rpc_header){h.procedure, rpc_serve_call(server, h.procedure, &call), 0};
			if (answer.status)
				call.to = to + sizeof(h); /* results of a call that failed are not sent */
			answer.bytes = (uint64_t)(call.to - to);
		}
		memcpy(to, &answer, sizeof(answer));
		to += answer.bytes;
	}
	return (uint64_t)(to - reply);
}
