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
};

enum { ENV_NEW_ACCOUNT = 1 }; /* the environment is charged to an account of its own, limited to frame_limit */

struct aegis_env_spec {
	frame_t object; /* three frames donated by the caller's account: kernel object, */
	frame_t root;   /* root of the page tables, */
	frame_t upcall; /* upcall page (stays bindable by its account) */
	uint32_t flags;
	uint64_t frame_limit;
	env_id keeper; /* told by EVENT_PEER when the environment is stopped */
	uint32_t reserved;
	struct aegis_entries entries;
	uint64_t rip, rsp, argument; /* first run: rdi is argument */
};

enum aegis_env_state {
	ENV_FREE,     /* the slot names no environment */
	ENV_RUNNABLE, /* runs in its slices */
	ENV_SLEEPING, /* until one of the events it named, or its deadline */
	ENV_AWAY,     /* has transferred to a callee that has not transferred back */
	ENV_STOPPED,  /* will not run again: only destroying it is left */
};

/* One entry of the environment table, bound read-only by whoever asks. */
struct aegis_env_info {
	env_id id;
	env_id account; /* the environment that its account is named after */
	env_id keeper;
	uint32_t state; /* enum aegis_env_state */
	uint64_t stop_cause; /* of a stopped one: the exception that could not be delivered */
	uint64_t stop_rip;
};
