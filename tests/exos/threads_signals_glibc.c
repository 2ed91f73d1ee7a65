/* threads_signals.c with glibc (tools/program.mk). */
#include "threads_signals.c"
