/* A transport of an application's own: calls go to the first of two servers that lives (docs/ipc.md, "Write your own"). */
#pragma once

#include <exos/lib/ipc/rpc.h>

/* listing: begin */
struct failover {
	struct rpc_transport transport;
	struct rpc_transport *server, *spare;
};

/* Stubs build messages for the first, and read its replies. */
static void failover_use(struct failover *f, struct rpc_transport *server)
{
	f->server = server;
	f->transport.request = server->request;
	f->transport.request_size = server->request_size;
	f->transport.reply_size = server->reply_size;
}

static int64_t failover_cross(struct rpc_transport *t, uint64_t bytes)
{
	struct failover *f = (struct failover *)t;
	int64_t n = f->server->cross(f->server, bytes);

	if ((n == -ESRCH || n == -EPIPE) && f->spare && bytes <= f->spare->request_size) {
		memcpy(f->spare->request, f->server->request, bytes); /* the call is made again, perhaps after it was served: for calls that may be */
		failover_use(f, f->spare);
		f->spare = NULL;
		n = f->server->cross(f->server, bytes);
	}
	f->transport.reply = f->server->reply;
	return n;
}

static void failover_connect(struct failover *f, struct rpc_transport *first, struct rpc_transport *second)
{
	*f = (struct failover){.transport = {.cross = failover_cross}, .spare = second};
	failover_use(f, first);
}
/* listing: end */
