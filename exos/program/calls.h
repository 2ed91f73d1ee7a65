/* Inside exos/program: a function for each call, with the program's registers; domain lock held. */
#pragma once

#include <exos/program.h>
#include <exos/regs.h>

#define X(number, name, arguments, text) int64_t program_##name(struct regs *r);
EXOS_CALLS(X)
#undef X
