/* An interface with arguments of every kind, its procedures, and a server of them: for the tests of RPC. */
#pragma once

#include <exos/lib/ipc/rpc_interface.h>
#include "lib.h"

#define TABLE(procedure) \
	procedure(table, reset) \
	procedure(table, add, (in, uint32_t, by), (out, uint64_t, total)) \
	procedure(table, sum, (bytes_in, bytes), (out, uint64_t, result)) \
	procedure(table, fill, (in, uint8_t, with), (in, uint64_t, n), (bytes_out, bytes)) \
	procedure(table, swap, (bytes_in, one), (bytes_in, two), (bytes_out, first), (bytes_out, second)) \
	procedure(table, refuse, (in, int, error), (out, uint64_t, nothing)) \
	procedure(table, die)
RPC_INTERFACE(table, 3, TABLE)
RPC_SERVER(table, TABLE)

static int reset(void *context)
{
	*(uint64_t *)context = 0;
	return 0;
}

static int add(void *context, uint32_t by, uint64_t *total)
{
	*total = *(uint64_t *)context += by;
	return 0;
}

static int sum(void *context, const void *bytes, uint64_t length, uint64_t *result)
{
	(void)context;
	for (uint64_t i = 0; i < length; i++)
		*result += ((const unsigned char *)bytes)[i];
	return 0;
}

static int fill(void *context, uint8_t with, uint64_t n, void *bytes, uint64_t *length)
{
	(void)context;
	if (n > *length)
		return -ERANGE;
	memset(bytes, with, n);
	*length = n;
	return 0;
}

static int swap(void *context, const void *one, uint64_t one_length, const void *two, uint64_t two_length, void *first, uint64_t *first_length, void *second,
	uint64_t *second_length)
{
	(void)context;
	if (two_length > *first_length || one_length > *second_length)
		return -ERANGE;
	memcpy(first, two, *first_length = two_length);
	memcpy(second, one, *second_length = one_length);
	return 0;
}

static int refuse(void *context, int error, uint64_t *nothing)
{
	(void)context;
	*nothing = 1;
	return -error;
}

static int die(void *context)
{
	(void)context;
	kill(getpid(), SIGKILL);
	while (getppid())
		;
	return 0;
}

static const struct table_procedures procedures = {reset, add, sum, fill, swap, refuse, die};

static uint64_t total; /* their context, */
static struct rpc_server server;
static struct rpc_arena arena; /* and the memory that the server shares with its client */

enum { ARENA = 65536 };

static void make_server(void)
{
	arena = (struct rpc_arena){mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), ARENA};
	CHECK(arena.base != MAP_FAILED);
	server = table_server(&procedures, &total, &arena);
	signal(SIGPIPE, SIG_IGN);
}
