/* Events and exceptions of this environment, once entry.S has stored the interrupted state. */
#pragma once

#include <aegis/upcall.h>
#include <exos/base.h>
#include <exos/regs.h>

/* The NOTIFY events that ExOS uses. */
#define EVENT_WAKE (1ul << 16)   /* a wait that this environment is in is over */
#define EVENT_SIGNAL (1ul << 17) /* its process has a new signal pending */

#define EVENT_RECLAIM (1ul << 18) /* its program is asked for frames: program/handler.h */

/* The devices' events, taken from self->events: everybody's to see to, whoever is told. With the domain lock or without. */
void events_devices(void);
#define EVENTS_DEVICES ((uint64_t)(EVENT_NET | EVENT_DISK))

/* Takes what is pending: yields if the slice is over; leaves the rest in self->events for the keeper. Not with the domain lock held. */
void events_take(void);
/* From entry.S. */
void exos_upcall(struct regs *regs);
void exos_region_declined(struct regs *regs);
/* On the way back to the program from a call: pending signals. */
void signals_take(struct regs *regs, bool from_call);
