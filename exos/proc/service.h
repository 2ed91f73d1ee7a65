/* Environments of the domain that do something for all its processes: processes without a program.
 *
 * Who uses it: parts of the library that have to act by themselves, such as the owner of a volume, that writes behind. Domain lock held.
 * A service is in the process table, a child of the keeper, in no group and session, and is listed with its name in brackets. Signals are nothing to it, nobody but itself ends it, and the machine does not wait for it. It may wait as any process. */
#pragma once

#include <exos/proc/proc.h>

/* Begins `run` with the domain lock held, on a library stack (LIBRARY_STACK_SIZE) of its own. When it returns, the service ends as a process does, and the keeper buries it. It may run when the lock is released. The name has less than 16 characters.
 * 0, -EAGAIN (no memory, or no place for an environment), -ENOMEM. */
int proc_service(const char *name, void (*run)(void *data), void *data, struct proc **out);
