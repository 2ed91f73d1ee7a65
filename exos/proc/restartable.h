/* Restartable sequences: short runs of program code that begin anew if the CPU was taken away in their midst. */
#pragma once

#include <exos/base.h>
#include <exos/regs.h>

#define RESTARTABLE_SIZE 32

/* From now on the current process keeps the description of its running sequence at `area` (program address). 0 or -EFAULT. */
int restartable_register(uint64_t area, uint32_t signature);
/* regs: where the program was when it lost the CPU, or gets a signal. Sends it to its sequence's abort address if it was inside one. Domain lock held. */
void restartable_interrupted(struct regs *regs);
