/* The client's side of a call by protected control transfer. The message: rsi, rdx, r9, r8 there, rsi and rdx back. */
#pragma once

#include <aegis/x86_64/stubs.h>

struct lrpc_words {
	uint64_t word[2];
};

/* Transfers to an environment that is not trusted. Everything but the words is hidden from it, and everything that it may have changed put back
 * (lrpc.S). Returns 0 with the reply, or -E_STATE, -E_NOENV. */
int64_t lrpc_transfer(env_id to, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct lrpc_words *reply);

/* To one that is trusted to keep what a procedure keeps, and the FS base. */
static inline int64_t tlrpc_transfer(env_id to, uint64_t a, uint64_t b, uint64_t c, uint64_t d, struct lrpc_words *reply)
{
	register uint64_t r9 __asm__("r9") = c;
	register uint64_t r8 __asm__("r8") = d;
	int64_t result = AEGIS_CALL((int64_t)CALL_transfer);
	uint64_t name = to;

	__asm__ volatile("syscall"
			 : "+a"(result), "+D"(name), "+S"(a), "+d"(b), "+r"(r8), "+r"(r9)
			 :
			 : "rcx", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
			 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	*reply = (struct lrpc_words){{a, b}};
	return result;
}

/* The server's side (lrpc.S): the transfer entries, what they call, and ExOS's serve, which returns -EINTR when a signal has come. */
struct exos_service;
typedef struct lrpc_words lrpc_procedure(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller);
extern lrpc_procedure *lrpc_server_procedure;
void lrpc_entry(void), tlrpc_entry(void), lrpc_async_entry(void);
int64_t lrpc_sleep(const struct exos_service *service);
