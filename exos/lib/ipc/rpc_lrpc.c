/* RPC by protected control transfer: the message lies in a channel, its length and the channel's number go over in registers. */
#include <exos/lib/ipc/rpc_transports.h>

static int64_t answered(int error, const struct lrpc_words *reply) { return error ? error : (int64_t)reply->word[0]; }

static int64_t lrpc_cross(struct rpc_transport *t, uint64_t bytes)
{
	struct rpc_lrpc *l = (struct rpc_lrpc *)t;
	struct lrpc_words reply;

	return answered(lrpc_call(&l->server, l->number, bytes, 0, 0, &reply), &reply);
}

static int64_t tlrpc_cross(struct rpc_transport *t, uint64_t bytes)
{
	struct rpc_lrpc *l = (struct rpc_lrpc *)t;
	struct lrpc_words reply;

	return answered(tlrpc_call(&l->server, l->number, bytes, 0, 0, &reply), &reply);
}

static int lrpc_open(struct rpc_lrpc *l, const struct rpc_channel *c, uint64_t number, int server_pid, int64_t (*cross)(struct rpc_transport *, uint64_t))
{
	*l = (struct rpc_lrpc){.transport = {cross, rpc_channel_request(c), c->size, rpc_channel_reply(c), c->size, NULL}, .number = number};
	return peer_find(&l->server, server_pid);
}

int rpc_lrpc_connect(struct rpc_lrpc *l, const struct rpc_channel *c, uint64_t number, int server_pid)
{
	return lrpc_open(l, c, number, server_pid, lrpc_cross);
}

int rpc_tlrpc_connect(struct rpc_lrpc *l, const struct rpc_channel *c, uint64_t number, int server_pid)
{
	return lrpc_open(l, c, number, server_pid, tlrpc_cross);
}

static struct rpc_lrpc_channel *served; /* a process serves in one place at a time */
static uint64_t served_count;

/* Any process of the domain can come here with any words. */
static struct lrpc_words lrpc_serve_message(uint64_t number, uint64_t bytes, uint64_t c, uint64_t d, env_id caller)
{
	struct rpc_lrpc_channel *l;
	int64_t result;

	(void)c, (void)d;
	if (number >= served_count)
		return (struct lrpc_words){{(uint64_t)-EINVAL}};
	l = &served[number];
	if (!l->client)
		l->client = caller;
	if (l->client != caller)
		result = -EPERM;
	else if (bytes > l->channel.size)
		result = -EMSGSIZE;
	else
		result = (int64_t)rpc_dispatch(l->server, rpc_channel_request(&l->channel), bytes, rpc_channel_reply(&l->channel), l->channel.size);
	return (struct lrpc_words){{(uint64_t)result}};
}

static int serve(struct rpc_lrpc_channel *list, uint64_t n, bool trusted)
{
	served = list;
	served_count = n;
	return lrpc_serve(lrpc_serve_message, trusted);
}

int rpc_lrpc_serve(struct rpc_lrpc_channel *list, uint64_t n) { return serve(list, n, false); }
int rpc_tlrpc_serve(struct rpc_lrpc_channel *list, uint64_t n) { return serve(list, n, true); }
