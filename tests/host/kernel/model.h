/* A model of what the kernel's calls mean, in plain arrays: who holds each frame, what each entry of each page table says and by what right, who holds each
 * slice, what each account may hold. It knows include/aegis, and of the kernel only the order in which the calls refuse. Each function
 * changes the model as the call should have changed the kernel and returns what the call should have returned. */
#pragma once

#include "machine.h"

struct m_frame {
	uint8_t state;
	env_id owner;  /* while free: who held it last */
	uint32_t epoch;
	uint32_t bound, uses, used; /* entries that name it; of those, as a table; entries in it */
	uint32_t held, sent;        /* how often it is part of a ring, and is being sent from */
};
struct m_entry {
	frame_t frame;
	uint16_t flags; /* BIND_; 0: nothing is bound */
	bool by_cap;
	uint32_t epoch; /* of the capability */
	env_id account; /* who bound it */
	env_id own;     /* of another account's frame: as this environment's own upcall page or root */
};
struct m_env {
	bool live, stopping, taken;
	env_id id, account, maker, commander;
	uint32_t cap_epoch; /* of the slot: the next environment in it goes on with it */
	uint32_t depth;
	frame_t object, root, upcall;
	struct aegis_limits held, limits;      /* of an account's own */
	struct aegis_demand demands[REVOKE_KINDS];
	env_id demander[REVOKE_KINDS];
	uint64_t losses;
};
struct m_slice {
	env_id env;
	uint32_t epoch;
};
extern struct m_frame m_frames[MACHINE_FRAMES];
extern struct m_entry m_entries[MACHINE_FRAMES][512];
extern struct m_env m_envs[MACHINE_SLOTS];
extern struct m_slice m_slices[MACHINE_CPUS][MACHINE_POSITIONS];
extern env_id m_running[MACHINE_CPUS]; /* 0: idle */
extern struct aegis_limits m_total; /* limits of all accounts together */

struct m_env *m_find(env_id id); /* 0: the current one; null: none */
struct m_env *m_current(void);
static inline struct m_env *m_account(const struct m_env *e) { return m_find(e->account); }
bool m_commands(const struct m_env *e); /* the current environment's account commands it */
bool m_below(const struct m_env *e);    /* it made its account, or an account that made it, ... */
bool m_owns(const struct m_env *account, uint64_t f);
bool m_is_table(frame_t f); /* of any level */
static inline uint32_t m_level(frame_t table) { return (uint32_t)m_frames[table].state - FRAME_TABLE1; } /* of its entries */
uint32_t m_count_free(void);
static inline bool m_in_use(frame_t f) { return m_frames[f].bound || m_frames[f].held || m_frames[f].sent; }
void m_given(struct m_env *account, uint32_t kind, uint32_t n);
void m_lost(env_id account);
/* Pointers to what the call found in memory; null where it reaches no user memory. */
#define EPOCH_VALID(of_cap, of_resource) ((of_cap) == (of_resource) || (of_cap) == UINT32_MAX)
#define REACHED(p) do { if (!(p)) return -E_FAULT; } while (0)

/* model_frames.c. `out` is what the kernel chose, looked at only where the choice is free. */
int64_t m_frame_alloc(const frame_t *list, const frame_t *out, uint64_t n);
int64_t m_frame_free(const frame_t *list, uint64_t n);
int64_t m_frame_break(const frame_t *list, uint64_t n);
int64_t m_revoke(env_id env, const struct aegis_demand *demand);
int64_t m_repossess(env_id env, uint64_t kind, const uint64_t *names, uint64_t n);

/* model_bind.c. genuine: the capability is one that the kernel sealed. */
frame_t m_walk(frame_t root, uint64_t va, uint32_t level); /* the table with va's entry of a level; 0: none */
void m_unbind(frame_t table, uint32_t i);                   /* one entry, and what ends with it */
int64_t m_break_all(frame_t f);
/* list: only `reached` of its n entries are in user memory. */
int64_t m_bind(env_id env, const struct aegis_binding *list, uint64_t n, uint64_t reached, const struct aegis_cap *cap, bool has_cap, bool genuine);
uint64_t m_hardware(const struct m_entry *x, uint32_t level); /* the entry as the CPU should find it, accessed and dirty bits aside */

/* model_env.c */
int64_t m_env_create(const struct aegis_env_spec *spec, int64_t result);
int64_t m_env_destroy(env_id env, int64_t result);
int64_t m_env_bind(const struct aegis_cap *cap, bool genuine);
void m_env_stop(struct m_env *e);
int64_t m_account_resize(env_id env, const struct aegis_limits *limits);
int64_t m_slice_alloc(uint64_t cpu, uint64_t position, env_id env, const struct aegis_cap *cap, bool has_cap, bool genuine, int64_t result);
int64_t m_slice_free(uint64_t cpu, uint64_t position);
int64_t m_cap_mint(struct aegis_cap *out, uint64_t kind, uint64_t rights, uint64_t first, uint64_t count);
int64_t m_cap_narrow(struct aegis_cap *cap, bool genuine, uint64_t rights, uint64_t first, uint64_t count);
int64_t m_cap_end(const struct aegis_cap *cap, bool genuine);

/* check.c: compares the kernel with the model. */
void check_cheap(void);  /* frames, accounts, environments, slices, what CPUs remember */
void check_costly(void); /* every page-table entry, every reverse link, the free list, the contents of clean frames */
uint64_t check_hash(void); /* of all that a call that fails must not change */
void check_tlb_fill(void); /* CPUs use, and so remember, what is bound now */

/* trace.c: what happened, for the report of a failure. */
extern uint64_t trace_step;
void trace_start(uint64_t seed); /* also for crashes */
void trace_call(const char *text, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void trace_fail(const char *text, ...) __attribute__((format(printf, 1, 2)));
#define CHECK(condition, ...) ((condition) ? (void)0 : trace_fail(__VA_ARGS__))
