/* What the attacks share: a victim that must come to no harm, and the way to get everything back from a tenant, whatever he does. */
#pragma once

#include <tests/kernel/lib.h>

#define READ_WRITE (BIND_READ | BIND_WRITE)
#define OF(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY 0x7ff00001u /* a name that no environment has */
#define PAGE_FAULT 14
#define MOST_FRAMES (1u << 17) /* of the machine that the tests run on */

/* The victim: computes in an account of its own. */
extern struct child victim;
extern volatile uint64_t victim_rounds, victim_wrong;
void victim_start(uint32_t slices);
void victim_end(void);                   /* two points: it went on, and computed right */
void compute(void *rounds);              /* what it does, for ever; counts wrong results into victim_wrong */

/* A tenant: a child with an account of its own. */
bool tenant_run(struct child *c, void (*run)(void *), void *argument); /* makes it and gives it the CPU until `run` is done; false: it was stopped */
#define TENANT_FRAMES 64
void tenant_tables(uint64_t va); /* in a tenant: page tables of its own frames down to va, where it has none yet */
int64_t tenant_bind(uint64_t va, frame_t f, uint64_t flags, const struct aegis_cap *cap); /* in a tenant: one page; 1, or why not */
frame_t tenant_pair(void); /* in a tenant: a frame and the next one; else he is stopped */
uint64_t tenant_frames(frame_t *list, uint64_t n); /* in a tenant: how many it got */

/* Step by step, one tenant at a time: he waits in tenant_pause, for a demand or for the test to let him go on. */
void tenant_pause(void);
bool tenant_start(struct child *c, void (*run)(void *), void *argument, const struct aegis_limits *limits); /* null: the usual ones. Until he waits */
void tenant_go_on(struct child *c);
void tenant_wait(struct child *c); /* until he waits again, or is done, or stopped */
extern volatile uint64_t seen; /* events that he was told of, since he last went on */
extern struct aegis_loss losses[REPOSSESSED_ENTRIES]; /* as the tenant's vector had it when he last looked */
extern volatile uint64_t losses_count;
void look_at_losses(void);
int64_t ask(env_id env, uint32_t kind, uint32_t count, uint64_t deadline); /* a demand */
bool told(uint64_t event); /* was the test itself, since it last asked this? */

/* By force: sub-accounts, environments, slices and frames of an account, then the account. 0: nothing of it is left. */
int64_t tenant_take(env_id account);
int64_t tenant_end(struct child *c); /* the same, with the harness's frames of that child */

/* The exposed tables, whole (in the first environment). */
extern const volatile struct aegis_frame_info *frames_seen;
extern const volatile struct aegis_env_info *envs_seen;
void tables_see(void);

void wait_quanta(uint64_t n); /* sleeps so long: others run */
void do_yield_for_ever(void *), do_spin(void *);
/* x86_64/attacks.S */
extern char async_entry[], sleeping_entry[], attack_entry[];
