/* The Aegis environment that carries a process: made, started, taken apart. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/proc.h>

struct self_page;

/* Makes an environment that holds the library (self page, stack, the shared slot) and no program: p->env and the frames beside it.
 * 0 or -EAGAIN (no memory, or no place for an environment). */
int environment_create(struct proc *p);
/* The library's data of a process other than the current one. */
struct self_page *environment_self(const struct proc *p);
/* Sets off a created environment at `regs`, with what environment_self(p)->xsave and stubs_scratch[0..1] (FS, GS base) hold. 0 or -EAGAIN. */
int environment_start(struct proc *p, const struct regs *regs);
/* Takes it apart and gives back its frames; does nothing if there is none. It must not be the current one. */
void environment_destroy(struct proc *p);
