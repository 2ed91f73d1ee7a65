/* Between signal.c, deliver.c and exit.c: what signals do by default, and the news of children. Domain lock held. */
#pragma once

#include <exos/proc/signal.h>

enum signal_default { DEFAULT_END, DEFAULT_IGNORE, DEFAULT_STOP };
enum signal_default signal_default(int number);
/* Tells p's parent what became of it: CHILD_ code and a number (exit code or signal). Wakes it from waiting. */
void signal_parent(struct proc *p, int code, int status);
