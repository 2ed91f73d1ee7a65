/* Client and server in one process. Stubs call the procedures themselves; only binding and batches are messages. */
#include <errno.h>
#include <stdlib.h>

#include <exos/lib/ipc/rpc_transports.h>

static int64_t direct_cross(struct rpc_transport *t, uint64_t bytes)
{
	return (int64_t)rpc_dispatch(((struct rpc_direct *)t)->server, t->request, bytes, t->request + t->request_size, t->reply_size);
}

int rpc_direct_connect(struct rpc_direct *d, const struct rpc_server *server, uint64_t size)
{
	unsigned char *bytes;

	size = RPC_ALIGN(size);
	bytes = malloc(2 * size);
	if (!bytes)
		return -ENOMEM;
	*d = (struct rpc_direct){{direct_cross, bytes, size, bytes + size, size, server}, server};
	return 0;
}

void rpc_direct_close(struct rpc_direct *d) { free(d->transport.request); }
