/* Events: raising them, sleeping until them, alarms. Owner: the kernel lock. */
#pragma once

#include <kernel/env.h>

void event_raise(struct env *e, uint64_t events); /* wakes it if it sleeps for one of them */
void event_raise_once(struct env *e, uint64_t event); /* the same, but for nothing if it is pending already */
void event_alarm(struct env *e);                  /* its sleep is over */
/* e has gone idle after a transfer that it served, and may have got events meanwhile: wakes it if it wants one. */
void event_look(struct env *e);
/* If e, which is interrupted in t, has pending events and no upcall is under way: makes t go to its event entry. */
void event_deliver(struct env *e, struct trap *t);

void alarm_start(struct cpu *cpu, uint32_t slots);
void alarm_set(struct env *e, uint64_t deadline); /* of this CPU */
void alarm_take_out(struct env *e);
static inline void alarm_clear(struct env *e)
{
	if (e->alarm != NO_ALARM)
		alarm_take_out(e);
}
uint64_t alarm_next(const struct cpu *cpu); /* ticks, 0 none */
void alarm_expire(struct cpu *cpu, uint64_t now);
