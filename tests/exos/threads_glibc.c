/* threads.c with glibc (tools/program.mk). */
#include "threads.c"
