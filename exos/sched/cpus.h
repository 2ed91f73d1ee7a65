/* Which CPUs a process has slices of: one in the vector of each CPU of its mask. It runs on one at a time, whichever comes to it first, and so goes
 * where there is nothing else to do. Domain lock held. */
#pragma once

#include <exos/base.h>

struct proc;

#define CPUS_MOST 64 /* bits of a mask; ExOS uses no more */

struct cpu_slices {
	uint64_t mask;                 /* where it may run; 0: wherever there is a CPU */
	bool lent;                     /* it holds none: it runs when somebody yields to it (program/calls.c) */
	uint64_t held;                 /* where it has a slice */
	uint32_t positions[CPUS_MOST]; /* of those */
};

uint64_t cpus_all(void);
/* Takes the slices that the mask asks for and gives back the others. False: it has none at all. */
bool cpus_give(struct proc *p);
/* Gives back one slice of a process that has more than one. False: it has not. */
bool cpus_give_one(struct proc *p);
