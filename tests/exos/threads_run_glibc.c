/* threads_run.c with glibc (tools/program.mk). */
#include "threads_run.c"
