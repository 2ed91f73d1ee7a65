/* Telling parents. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/proc.h>

/* A child was stopped or continued (CHILD_ code; status: by which signal): wakes the parent's wait, and signals it unless it does not want that. */
void exit_tell_parent(struct proc *child, int code, int status);
/* A process whose environment the kernel has stopped: what proc_exit would have done, done for it. Borrowers of the environment first. */
void exit_stopped(struct proc *p);
