/* What the tests on two CPUs share. The first environment runs on CPU 0 and is one of two racers, or sleeps while its children race. Every wait has an
 * end by the time-stamp counter: a hang is a failed point, not a dead machine. */
#pragma once

#include <tests/kernel/lib.h>

#define READ_WRITE (BIND_READ | BIND_WRITE)
#define OF(array) (sizeof(array) / sizeof((array)[0]))
#define EITHER_CPU UINT32_MAX /* a slice on both */
#define NO_CPU (UINT32_MAX - 1)

#define PATIENCE 5000 /* milliseconds after which something counts as hanging: the host may be busy elsewhere */
extern uint64_t patience, microsecond; /* in ticks: children cannot read `info`. Set by two_cpus */
/* Until the condition holds, or patience is at an end: then false. */
#define AWAIT(condition) \
	({ \
		uint64_t end_ = ticks() + patience; \
		bool held_; \
		while (!(held_ = (condition)) && ticks() < end_) \
			pause(); \
		held_; \
	})

static inline void pause(void) { __asm__ volatile("pause"); }
static inline void spin(uint64_t n)
{
	for (volatile uint64_t i = 0; i < n; i++)
		;
}

bool two_cpus(void); /* a point; without them there is nothing to test */
/* A delay of up to `most` turns from a seeded sequence: a race is tried at ever other places. The seed is printed once. */
extern uint64_t seed;
void seed_print(void);
void random_spin(uint64_t most);

/* A child with a slice on `cpu`. */
env_id start_on(uint32_t cpu, struct child *c, void (*run)(void *), void *argument);
/* Has a server, who may have no slices, begin: gives it the CPU until it sleeps, or runs on the other one. */
static inline bool begin_to_serve(env_id env) { return AWAIT(yield(env) == -E_STATE); }
bool destroy(env_id env);   /* all steps; false: patience is at an end, or it was refused */
bool finish(struct child *c); /* the same, and its frames are freed */
/* In a child: no upcalls for events, so that they stay pending until a sleep finds them; a transfer and an asynchronous entry, or neither. Null
 * for the latter is the former: nobody is transferred to who has not both. */
void deaf(const char *transfer, const char *async);
uint64_t take_events(void); /* what is pending, taken */

/* x86_64/smp.S. A server counts in `served`, which it increments as only one who runs once at a time may. */
struct message {
	uint64_t first, second; /* the reply: first + 1, second + first */
	uint64_t linger;        /* turns the server spends before it replies */
	uint64_t seen;          /* reply: who the server thinks called */
};
int64_t send(env_id to, struct message *m);
int64_t send_async(env_id to);
#define RING_PLACE 2048 /* in the private page of one of a ring: the next one's name, and a count of hops */
extern char smp_server[], smp_async[], smp_ring[], smp_holding[], smp_sleeping[], smp_computing[];
extern volatile uint64_t smp_served, smp_async_served, smp_async_sleep;
extern volatile uint64_t smp_computed;
extern volatile uint64_t smp_holds, smp_hold, smp_held_result; /* smp_holding: counts itself in, waits for smp_hold, and says what transfer_back returned, which it does if the client is gone */
