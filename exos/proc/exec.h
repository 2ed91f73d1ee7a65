/* Putting a program into a process: what exec.c and spawn.c share. Domain lock held. */
#pragma once

#include <exos/proc/image.h>

/* Fills an empty address space with the program: segments, break, stack; `regs` are those of its first instruction. 0 or -ENOMEM. */
int exec_load(const struct image *image, struct vm *vm, struct proc *p, struct regs *regs);
/* The same for an address space in an environment of its own that was just made for p and has not run: then it is set off. 0, -ENOMEM or
 * -EAGAIN; on failure the environment and the address space are gone again. */
int exec_load_apart(const struct image *image, struct proc *p);
/* What else becomes of a process that runs a new program: names, rights, handlers. */
void exec_commit(struct image *image, struct proc *p);
