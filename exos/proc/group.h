/* Process groups when somebody leaves. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/proc.h>

/* A process ends: groups that lose their last connection to the rest of the session, and have stopped members, are woken up and told. */
void group_leave(struct proc *p);
