/* threads_processes.c with glibc (tools/program.mk). */
#include "threads_processes.c"
