/* Serving calls, and what a client does whose call is refused. */
#include <errno.h>

#include <exos/lib/ipc/lrpc.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

_Static_assert(EXOS_CALL_serve == 0x1008 && CALL_transfer == 15 && CALL_transfer_back == 17, "x86_64/lrpc.S");

lrpc_procedure *lrpc_server_procedure;

int lrpc_serve(lrpc_procedure *procedure, bool trusted)
{
	struct exos_service service = {.transfer = trusted ? tlrpc_entry : lrpc_entry, .async = lrpc_async_entry};

	lrpc_server_procedure = procedure;
	return (int)lrpc_sleep(&service);
}

int lrpc_refused(const struct peer *server, int64_t result, uint32_t round)
{
	if (result == -E_NOENV)
		return -ESRCH;
	/* It serves somebody else, was preempted at that, or does not serve yet. If it can run it gets the CPU. */
	return round % 2 == 0 && give_yield(server->env) == 0 ? 0 : peer_wait(server, round);
}
