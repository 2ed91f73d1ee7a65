/* Environments: what Aegis knows of a protection domain. No processes, no names, no parents: a keeper and an account.
 *
 * An environment lives in a frame that its creator donated. Owner of all fields: the kernel lock (calls.h: who holds it), except
 * that the saved context of the environment that a CPU runs belongs to that CPU. */
#pragma once

#include <aegis/env.h>
#include <aegis/upcall.h>
#include <kernel/x86_64/cpu.h>

#define NO_POSITION UINT32_MAX
#define NO_ALARM UINT32_MAX

/* How an environment goes on when it is given the CPU. */
enum resume_kind {
	RESUME_CALL, /* it gave the CPU away by a call: rip, rsp and the call's result */
	RESUME_TRAP, /* it was interrupted where no upcall was possible: everything */
};

struct env {
	uint8_t *upcall_end;           /* 0: entry.S: byte 256 of the upcall page, in the physical map */
	struct aegis_entries entries;  /* 8: entry.S */
	uint64_t root;                 /* 40: physical address of the page-table root */
	uint64_t rip, rsp;             /* 48, 56: RESUME_CALL */
	uint64_t result;               /* 64 */
	uint64_t argument;             /* 72: rdi on the first run */
	env_id id;                     /* 80 */
	uint32_t state;                /* 84: enum aegis_env_state; mirrored in info */
	env_id peer;                   /* 88: the callee that it waits for while ENV_AWAY */
	uint32_t resume;               /* 92: enum resume_kind */
	struct aegis_env_info *info;   /* 96 */
	uint64_t wanted;               /* 104: ENV_SLEEPING: the events that end it */
	struct env *account;           /* whose account it is charged to; itself for an account's own */
	env_id account_creator;        /* of an account's own environment: the account that made it */
	env_id keeper;
	uint64_t frames_held, frame_limit; /* of the account */
	uint64_t environments;         /* charged to the account, itself included */
	uint64_t deadline;             /* ENV_SLEEPING: ticks, 0 none */
	uint32_t alarm;                /* place in the alarm heap, or NO_ALARM */
	uint32_t slices;               /* first of its positions, or NO_POSITION (one CPU's vector so far) */
	uint64_t excess;
	bool preempted;                /* trap and what follows it have been written to */
	frame_t object_frame, root_frame, upcall_frame;
	struct trap trap;              /* RESUME_TRAP */
	uint64_t fs_base, gs_base;
	uint8_t vectors[2816] __attribute__((aligned(64))); /* RESUME_TRAP: xsave */
};
_Static_assert(sizeof(struct env) <= FRAME_SIZE, "an environment is one frame");
_Static_assert(__builtin_offsetof(struct env, entries.exception) == 8 && __builtin_offsetof(struct env, entries.foreign) == 24 &&
		       __builtin_offsetof(struct env, root) == 40 && __builtin_offsetof(struct env, state) == 84 &&
		       __builtin_offsetof(struct env, wanted) == 104 && __builtin_offsetof(struct aegis_env_info, state) == 12,
	"entry.S");


extern uint32_t env_slots;      /* both written once at start */
extern struct env **env_table;  /* by slot; null: free */

void env_start(uint32_t slots); /* tables from boot memory */
struct env *env_find(env_id id); /* null: none; 0 is the current one */
/* May the current environment's account command e? Its own account, or one that it created. */
bool env_mine(const struct env *e);
/* Fills in an environment in frames whose use was checked. Null: no free slot. */
struct env *env_make(const struct aegis_env_spec *spec, struct env *account);
static inline struct aegis_upcall *env_upcall(const struct env *e) { return (struct aegis_upcall *)(e->upcall_end - 256); }
void env_set_state(struct env *e, enum aegis_env_state state);
/* It will not run again; its keeper is told. */
void env_stop(struct env *e, uint64_t cause, uint64_t rip);
