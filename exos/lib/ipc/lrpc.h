/* Calls into another process by protected control transfer (paper 6.1: `lrpc` and `tlrpc`; Bershad's LRPC): the caller's own time runs the server's
 * procedure, and a few words go over in registers.
 *
 * Who calls it: a server calls lrpc_serve and is called from then on; clients find it by pid (peer_find) and call. A call waits as long as the
 * server is busy with another or has been preempted, giving it the CPU. One procedure is entered by one caller at a time.
 *
 *   lrpc    neither trusts the other. The client saves its callee-saved registers, its FS base and control words itself, and hands over nothing but the four words
 *           and its stack pointer, which the kernel keeps. The server believes only the caller's name, which the kernel wrote, and hands back only the reply.
 *   tlrpc   the client trusts the server to keep what a procedure keeps; the server sets a stack and an FS base of its own, and takes the caller's
 *           floating-point modes as they are. It may be called only if it serves with `trusted`: an lrpc server clears what a tlrpc client counts on.
 *
 * The procedure runs on the stack of who called lrpc_serve. While it serves, signals are held back and only the end of a slice interrupts it.
 * A signal handler of a client's that comes on the few instructions around the transfer may find another FS base: it should not need thread-local data. */
#pragma once

#include <exos/lib/ipc/peer.h>
#include <exos/lib/ipc/x86_64/transfer.h>

/* Serves calls with a procedure, which gets the words and the name of who calls, until a signal has come: -EINTR. -ENOSYS on Linux. */
int lrpc_serve(lrpc_procedure *procedure, bool trusted);

/* What a refused transfer means: 0: try again, or -ESRCH. */
int lrpc_refused(const struct peer *server, int64_t result, uint32_t round);

/* Calls. 0; or -ESRCH: there is no such process any more, and if it died while it served this call nobody knows how far it came. */
static inline int lrpc_call(const struct peer *server, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct lrpc_words *reply)
{
	for (uint32_t round = 0;; round++) {
		int64_t result = lrpc_transfer(server->env, a, b, c, d, reply);

		if (__builtin_expect(result == 0, 1))
			return 0;
		result = lrpc_refused(server, result, round);
		if (result)
			return (int)result;
	}
}

static inline int tlrpc_call(const struct peer *server, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct lrpc_words *reply)
{
	for (uint32_t round = 0;; round++) {
		int64_t result = tlrpc_transfer(server->env, a, b, c, d, reply);

		if (__builtin_expect(result == 0, 1))
			return 0;
		result = lrpc_refused(server, result, round);
		if (result)
			return (int)result;
	}
}
