/* Environments as their creator describes them and as everyone may see them. */
#pragma once

#include <aegis/types.h>

/* Where the kernel enters an environment (paper 5.1.2). All are user addresses; 0 where there is none: an upcall
 * or transfer that needs it then stops the environment or is refused. */
struct aegis_entries {
	uint64_t exception; /* exceptions; see upcall.h */
	uint64_t event;     /* events; see upcall.h */
	uint64_t foreign;   /* a system call with a number that is not Aegis's; rip and rflags are in the upcall page, rcx and r11 free */
	uint64_t transfer;  /* synchronous protected control transfer; rax holds the caller's env_id */
	uint64_t async;     /* asynchronous ones. Who names both entries takes transfers while it sleeps; who names one or none does not */
};

/* What an account may hold at most. An account that is made gets its limits from those of the account that makes it, which has so much less
 * to take, until it is destroyed: nobody can give what he may not have himself. Filters: what an account holds is their number, or a fifth of the nodes that they need (one for each atom, and one), or
 * the programs and handlers among them that have machine code, whichever is most. */
struct aegis_limits {
	uint32_t frames, slices, environments, filters;
};

enum { ENV_NEW_ACCOUNT = 1 }; /* the environment is charged to an account of its own, with `limits` */

struct aegis_env_spec {
	frame_t object; /* four frames donated by the caller's account: kernel object, */
	frame_t root;   /* root of the page tables, with the frame after it (bind.h: tables are pairs), */
	frame_t upcall; /* upcall page (stays bindable by the caller's account, and by the environment itself, which may read its root, too) */
	uint32_t flags;
	struct aegis_limits limits;
	env_id keeper; /* of the caller's account: told by EVENT_PEER when the environment is stopped; 0: nobody */
	uint32_t reserved;
	struct aegis_entries entries;
	uint64_t rip, rsp, argument; /* first run: rdi is argument */
};

enum aegis_env_state {
	ENV_FREE,     /* the slot names no environment */
	ENV_LIVE,     /* what it is doing its claim word says */
	ENV_STOPPED,  /* will not run again: only destroying it is left */
};

/* One entry of the environment table, bound read-only by whoever asks. */
struct aegis_env_info {
	env_id id;
	env_id account; /* the environment that its account is named after */
	env_id keeper;
	uint32_t state; /* enum aegis_env_state */
	uint64_t stop_cause; /* of a stopped one: the exception that could not be delivered, or CAUSE_EXCESS */
	uint64_t stop_rip;
	struct aegis_limits held, limits; /* of an account's own environment */
	uint64_t excess; /* ticks used past the ends of its slices so far, in all */
	uint32_t object;    /* frame of the kernel object */
	uint32_t cap_epoch; /* of capabilities for it */
};

/* One entry of the claim table, which runs beside the environment table: who may give the environment a CPU. Taking it is one atomic
 * exchange for 0, so that of several CPUs that want it one gets it. In the low half the env_id, in the high half one of these; 0 as a whole: it runs, or
 * waits for a callee, or never will run. */
enum {
	CLAIM_IDLE,   /* sleeps, and takes transfers */
	CLAIM_READY,  /* runs when given the CPU */
	CLAIM_ASLEEP, /* sleeps, and takes none */
	CLAIM_FRESH,  /* has not run, and does not before it has a slice or who commands it yields to it */
};
