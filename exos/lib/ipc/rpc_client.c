/* The client's half of RPC: messages are built in the transport's request area, and replies believed only after a check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exos/lib/ipc/rpc.h>
#include <exos/lib/ipc/rpc_bind.h>

#define ERRORS 4095 /* numbers of errors are less */

/* A queued call: what to do with its reply, and behind this where its results go. */
struct rpc_queued {
	rpc_finish *finish;
	uint64_t results_bytes; /* a multiple of 8 */
};

void *rpc_begin(struct rpc_client *c, uint32_t procedure, uint64_t bytes, uint64_t extra)
{
	uint64_t whole = sizeof(struct rpc_header) + RPC_ALIGN(bytes) + extra;
	struct rpc_header *h = (struct rpc_header *)(void *)(c->transport->request + c->used);

	if (whole > c->transport->request_size - c->used)
		return NULL;
	*h = (struct rpc_header){.procedure = procedure, .bytes = whole};
	c->put = (unsigned char *)(h + 1) + RPC_ALIGN(bytes);
	return h + 1;
}

struct rpc_buffer rpc_put(struct rpc_client *c, const void *p, uint64_t n)
{
	struct rpc_buffer b = rpc_room(c, p, n);

	if (b.offset == RPC_INLINE) {
		memcpy(c->put, p, n);
		c->put += RPC_ALIGN(n);
	}
	return b;
}

/* What rpc_begin and the buffers have built becomes part of the request. */
static void rpc_close_message(struct rpc_client *c) { c->used = (uint64_t)(c->put - c->transport->request); }

/* Carries the request over. The bytes of the reply, or an error. */
static int64_t rpc_cross(struct rpc_client *c)
{
	int64_t n = c->transport->cross(c->transport, c->used);

	c->used = 0;
	return n > (int64_t)c->transport->reply_size || n < -ERRORS ? -EPROTO : n;
}

/* The next message of a reply that has `left` bytes from `at`: its status and contents. Bytes taken, or an error. */
static int64_t rpc_next_reply(const unsigned char *at, uint64_t left, int *status, struct rpc_call *reply)
{
	struct rpc_call whole = {.at = at, .end = at + left};
	struct rpc_header h;

	if (!left)
		return -EMSGSIZE; /* there was no room for it */
	rpc_fetch(&whole, &h, sizeof(h));
	if (whole.error || h.bytes < sizeof(h) || h.bytes > left || h.bytes % 8 || h.status > 0 || h.status < -ERRORS)
		return -EPROTO;
	*status = h.status;
	*reply = (struct rpc_call){.at = whole.at, .end = at + h.bytes};
	return (int64_t)h.bytes;
}

static int rpc_queue_call(struct rpc_client *c, rpc_finish *finish, const void *results, uint64_t bytes)
{
	struct rpc_queued q = {finish, RPC_ALIGN(bytes)};
	uint64_t need = c->queue_bytes + sizeof(q) + q.results_bytes;

	if (need > c->queue_size) {
		unsigned char *larger = realloc(c->queue, 2 * need);

		if (!larger)
			return -ENOMEM;
		c->queue = larger;
		c->queue_size = 2 * need;
	}
	memcpy(c->queue + c->queue_bytes, &q, sizeof(q));
	memcpy(c->queue + c->queue_bytes + sizeof(q), results, bytes);
	c->queue_bytes = need;
	rpc_close_message(c);
	return 0;
}

int rpc_send(struct rpc_client *c, rpc_finish *finish, const void *results, uint64_t results_bytes)
{
	struct rpc_call reply;
	int64_t n;
	int status;

	if (c->batching)
		return rpc_queue_call(c, finish, results, results_bytes);
	rpc_close_message(c);
	n = rpc_cross(c);
	if (n >= 0)
		n = rpc_next_reply(c->transport->reply, (uint64_t)n, &status, &reply);
	if (n < 0)
		return (int)n;
	return status ? status : finish(results, c, &reply);
}

int rpc_filled(const struct rpc_client *c, struct rpc_call *reply, void *p, uint64_t capacity, uint64_t length)
{
	uint64_t left = (uint64_t)(reply->end - reply->at);

	if (length > capacity)
		return -EPROTO;
	if (rpc_in_arena(c, p, capacity))
		return 0;
	if (length > left)
		return -EPROTO;
	memcpy(p, reply->at, length);
	reply->at += left < RPC_ALIGN(capacity) ? left : RPC_ALIGN(capacity); /* the last one is sent without its unused end */
	return 0;
}

void rpc_batch_begin(struct rpc_client *c) { c->batching = true; }

int rpc_batch_end(struct rpc_client *c, int *statuses)
{
	const unsigned char *at = c->transport->reply;
	int64_t left = c->queue_bytes ? rpc_cross(c) : 0, n = left;
	struct rpc_queued q;
	int first = 0;

	c->batching = false;
	for (uint64_t done = 0; done < c->queue_bytes; done += sizeof(q) + q.results_bytes) {
		struct rpc_call reply;
		int status = 0;

		memcpy(&q, c->queue + done, sizeof(q));
		if (n >= 0) /* else nothing that follows can be found either */
			n = rpc_next_reply(at, (uint64_t)left, &status, &reply);
		if (n < 0) {
			status = (int)n;
		} else {
			at += n;
			left -= n;
			status = status ? status : q.finish(c->queue + done + sizeof(q), c, &reply);
		}
		first = first ? first : status;
		if (statuses)
			*statuses++ = status;
	}
	c->queue_bytes = 0;
	return first;
}

static int rpc_bound(const void *results, const struct rpc_client *c, struct rpc_call *reply)
{
	(void)results, (void)c, (void)reply;
	return 0;
}

int rpc_bind(struct rpc_client *c, const struct rpc_interface *interface, struct rpc_transport *t, const struct rpc_arena *arena)
{
	struct rpc_bind_request *request;
	int error;

	*c = (struct rpc_client){.transport = t};
	request = rpc_begin(c, RPC_BIND, sizeof(*request), 0);
	if (!request)
		return -EMSGSIZE;
	*request = rpc_bind_request(interface);
	error = rpc_send(c, rpc_bound, NULL, 0);
	if (error)
		return error;
	c->direct = t->direct;
	c->arena = arena ? *arena : (struct rpc_arena){NULL, 0};
	return 0;
}

void rpc_unbind(struct rpc_client *c)
{
	free(c->queue);
	*c = (struct rpc_client){.transport = NULL};
}
