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
	RESUME_CALL,  /* it gave the CPU away by a call: rip, rsp and the call's result */
	RESUME_TRAP,  /* it was interrupted where no upcall was possible: everything */
	RESUME_FIRST, /* it has not run yet: as RESUME_CALL, with its argument */
};

struct near { /* bind.c */
	uint64_t base;       /* address of the leaf's first page */
	uint64_t *table;
	uint32_t *entries;   /* the table's count, in the frame table */
	uint64_t first;      /* what a frame bound in the leaf's first page alone has as first binding and count */
	uint64_t generation; /* 0: none */
	bool shared;
};

/* What an account's own environment asks back, and for whom. */
struct demand {
	uint64_t deadline;
	uint32_t count;
	env_id from;
};

struct env {
	uint8_t *upcall_end;           /* 0: entry.S: byte 256 of the upcall page, in the physical map */
	struct aegis_entries entries;  /* 8: entry.S */
	uint64_t root;                 /* 48: physical address of the page-table root */
	uint64_t rip, rsp;             /* 56, 64: RESUME_CALL */
	uint64_t result;               /* 72 */
	env_id id;                     /* 80 */
	uint32_t resume;               /* 84: enum resume_kind */
	env_id peer;                   /* 88: the callee that it transferred to last; whether it still waits, the callee's `caller` says */
	uint32_t slices;               /* 92: first of its positions, or NO_POSITION */
	struct env *volatile caller;   /* 96: whom it serves and will transfer back to. Taken by atomic exchange */
	volatile uint64_t *claim;      /* 104: its claim word */
	uint64_t owned;                /* 112: identity of its account's frames, in the frame table */
	struct near near;              /* 120 to 167 */
	uint64_t ready;                /* 168: its claim word when it is ready to run */
	uint32_t listed;               /* 176: its positions are in the maps of those that are gone round to (slice.c) */
	uint64_t wanted;               /* the events that end its sleep */
	uint64_t idle_rip, idle_rsp;   /* where it sleeps: transfers that it serves meanwhile may use rip and rsp */
	uint64_t argument;             /* RESUME_FIRST: rdi */
	struct aegis_env_info *info;
	struct env *account;           /* whose account it is charged to; itself for an account's own */
	env_id account_creator;        /* of an account's own environment: the account that made it */
	uint32_t depth;                /* of an account's own environment: makers above it */
	env_id commander;              /* another account that commands it, bound by capability */
	env_id keeper;
	struct aegis_limits held, limits; /* of the account; mirrored in info */
	uint32_t filter_count, filter_nodes, filter_codes; /* of an account's own environment: what its filters come to (kernel/net/filters.c) */
	uint32_t rings, filters;       /* of an account's own environment: the first of its rings (a frame), and of its filters that have none; 0: none (kernel/net) */
	uint32_t queues;               /* of an account's own environment: the first of its disk queues (a frame), or 0 (kernel/disk) */
	struct demand demands[REVOKE_KINDS];
	uint64_t deadline;             /* of its sleep: ticks, 0 none */
	uint32_t alarm, alarm_cpu;     /* place in that CPU's alarm heap, or NO_ALARM */
	uint64_t excess_owed;          /* ticks past slice ends that it has not forfeited slices for yet */
	uint32_t ignored;              /* slice ends in a row that it was told of and did not yield at */
	bool alarmed;                  /* the deadline of its sleep came while it served a transfer */
	bool stopping;                 /* will not run again; claimed for good when taken is set too */
	bool taken;
	bool preempted;                /* trap and what follows it have been written to */
	frame_t object_frame, root_frame, upcall_frame;
	struct trap trap;              /* RESUME_TRAP */
	uint64_t fs_base, gs_base;
	uint8_t vectors[2816] __attribute__((aligned(64))); /* RESUME_TRAP: xsave */
};
_Static_assert(sizeof(struct env) <= FRAME_SIZE, "an environment is one frame");
#define AT(field, place) (__builtin_offsetof(struct env, field) == (place))
_Static_assert(AT(entries.exception, 8) && AT(entries.foreign, 24) && AT(entries.transfer, 32) && AT(entries.async, 40) && AT(root, 48) && AT(rip, 56) &&
		       AT(rsp, 64) && AT(result, 72) && AT(id, 80) && AT(resume, 84) && AT(peer, 88) && AT(caller, 96) && AT(claim, 104) && AT(owned, 112) && AT(near, 120) &&
		       AT(near.table, 128) && AT(near.entries, 136) && AT(near.first, 144) && AT(near.generation, 152) && AT(near.shared, 160) && AT(ready, 168) && AT(listed, 176),
	"entry.S, bind.S");
#undef AT

extern uint32_t env_slots, env_slot_mask; /* written once at start; a power of two, and that less one */
static inline uint32_t env_slot(env_id id) { return id & env_slot_mask; }
#define FIRST_ENVIRONMENT (env_slots + 1) /* the first name of the first slot */
/* By slot, at addresses that the linker script fixes, so that entry.S reaches an entry in one instruction. Null: free. */
extern struct env *env_table[];
extern uint64_t env_claims[]; /* exposed */

void env_start(uint32_t slots); /* tables from boot memory */
struct env *env_find(env_id id); /* null: none; 0 is the current one */
#define CALLEE_DEPTH 64 /* transfers that are followed; a longer chain keeps its first 64 waiting */
struct env *env_callee(const struct env *e); /* for whose answer it waits, or null */
/* May the current environment's account command e? One of its own account, bound to it by capability, or below it. */
bool env_mine(const struct env *e);
/* Is e in an account that the current one made, or one made by such a one? */
bool env_below(const struct env *e);
/* Fills in an environment in frames whose use was checked. Null: no free slot. */
struct env *env_make(const struct aegis_env_spec *spec, struct env *account);
static inline struct aegis_upcall *env_upcall(const struct env *e) { return (struct aegis_upcall *)(e->upcall_end - 256); }
/* It will not run again; its keeper is told. It must be the current environment of this CPU. */
void env_stop(struct env *e, uint64_t cause, uint64_t rip);
void env_let_go(struct env *e); /* one that is stopping, claimed: nobody will run it again, and its caller goes on with an error */

static inline env_id env_account(const struct env *e) { return (env_id)e->owned; } /* the name of its account, in one load */

/* Claims: whoever changes an environment's word from one of CLAIM_ to 0 has it. */
static inline uint64_t claim_word(const struct env *e, uint64_t kind) { return kind << 32 | e->id; }
static inline bool claim_take(struct env *e, uint64_t kind)
{
	uint64_t expected = claim_word(e, kind);

	return __atomic_compare_exchange_n(e->claim, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}
static inline bool claim_take_ready(struct env *e)
{
	uint64_t expected = e->ready;

	return __atomic_compare_exchange_n(e->claim, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}
static inline void claim_give(struct env *e, uint64_t kind) { __atomic_store_n(e->claim, claim_word(e, kind), __ATOMIC_SEQ_CST); }

/* Accounts (account.c). */
static inline void account_show(struct env *account) { account->info->held = account->held; }
bool account_split(struct env *from, const struct aegis_limits *limits); /* takes them from what it may hold; false: it may not hold so much */
void account_join(struct env *to, const struct aegis_limits *limits);
