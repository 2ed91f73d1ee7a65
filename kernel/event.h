/* Events: raising them, sleeping until them, alarms. Owner: the kernel lock. */
#pragma once

#include <kernel/env.h>

void event_start(uint32_t slots);
void event_raise(struct env *e, uint64_t events); /* wakes it if it sleeps for one of them */
/* If e, which is interrupted in t, has pending events and no upcall is under way: makes t go to its event entry. */
void event_deliver(struct env *e, struct trap *t);
void alarm_set(struct env *e, uint64_t deadline);
void alarm_clear(struct env *e);
uint64_t alarm_next(void);    /* ticks, 0 none */
void alarm_expire(uint64_t now);
