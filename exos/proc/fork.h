/* The lending of environments (vfork). For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/proc.h>

/* Gives the environment back to the process that `borrower`, the current one, has it from: that becomes the current one, `regs` become those
 * that it goes on with, its vector state and segment bases are in force again. The borrower is left without environment and memory. */
void fork_give_back(struct proc *borrower, struct regs *regs);
