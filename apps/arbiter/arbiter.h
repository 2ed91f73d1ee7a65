/* The arbiter inside. One environment, one thread: it runs with upcalls disabled, looks at what is pending, and sleeps. */
#pragma once

#include <stdarg.h>

#include <aegis/info.h>
#include <aegis/x86_64/stubs.h>
#include <apps/arbiter/policy.h>
#include <apps/arbiter/tenants/start.h>

struct tenant {
	const struct policy_tenant *policy;
	env_id env; /* 0: not made yet, or gone */
	bool loading;
	frame_t object, root, upcall; /* of its environment; the root is a pair */
	frame_t tables[3];            /* by level - 1, pairs: what its start pages hang on */
	frame_t pages[TENANT_START_PAGES];
	struct tenant_start *start;   /* the first of them, as the arbiter sees it */
	const struct aegis_upcall *words; /* its upcall page, likewise: it may have written there what it likes */
	uint32_t limit;               /* frames */
	uint32_t filters;             /* its part of them is its part of the memory, at the beginning */
	frame_t taken_from;           /* where the frame table is searched on for what can be taken from it */
};

/* main.c */
extern const struct aegis_boot *boot;
extern const struct aegis_info *info;
extern const volatile struct aegis_frame_info *frame_table; /* exposed */
extern const volatile struct aegis_env_info *env_table;
extern struct policy policy;
extern const char *policy_name;
extern struct tenant tenants[POLICY_TENANTS];
extern uint32_t pool; /* frames that tenants and the reserve have together */
/* Sleeps until an event or the time (0: none) and takes the events; `to`: who gets the rest of the slice. */
uint64_t wait(uint64_t events, uint64_t until, env_id to);
_Noreturn void give_up(const char *text, ...); /* says why, and ends the machine */

/* log.c */
void say(const char *text, ...); /* a line: %s %u %x, %X (uint64_t), %t (uint64_t ticks: milliseconds, two decimals) */
void say_va(const char *text, va_list arguments);

/* memory.c: the arbiter's own frames and address space */
void memory_start(void);
frame_t own_run(uint32_t n, bool take); /* so many free neighbours; `take`: they are the arbiter's now. FRAME_ANY: there are none */
frame_t own_frame(void);
frame_t own_pair(void);
void give_frame(frame_t f);
void bind(uint64_t va, uint64_t entry); /* adds missing tables */
frame_t table_of(uint64_t va, uint32_t level); /* the arbiter's own table that spans va */

/* tenant.c */
uint32_t module_frames(void); /* of ExOS's module, which are free once it is loaded */
void tenant_make(struct tenant *t);
bool tenant_loaded(struct tenant *t);        /* ExOS has let go of what it was loaded with: that is freed */
void tenant_check(struct tenant *t);         /* if it was stopped, takes all that it had */
void tenant_resize(struct tenant *t, uint32_t frames);
uint32_t tenant_holds(const struct tenant *t);

/* take.c */
void take(struct tenant *from, uint32_t n); /* lowers its limit by n, asks n frames back, takes what it then still holds too many */
void take_all(struct tenant *dead);

/* balance.c */
void balance_check(void); /* the policy can be met in this machine, or the arbiter gives up */
bool balance(void);       /* one tenant that is short gets a step more, if the policy has it so */
