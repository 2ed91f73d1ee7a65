/* What client and server compare when they are bound: for rpc_client.c and rpc_server.c. */
#pragma once

#include <exos/lib/ipc/rpc.h>

struct rpc_bind_request {
	uint64_t name; /* FNV-1a of it */
	uint32_t version, procedures;
};

static inline struct rpc_bind_request rpc_bind_request(const struct rpc_interface *i)
{
	uint64_t name = 0xcbf29ce484222325;

	for (const char *c = i->name; *c; c++)
		name = (name ^ (unsigned char)*c) * 0x100000001b3;
	return (struct rpc_bind_request){name, i->version, i->procedures};
}
