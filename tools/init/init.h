/* What the parts of the baseline's process 1 share. */
#pragma once

_Noreturn void fail(const char *what); /* says why (errno), and ends the machine as failed */

/* A root on the first disk, as exos/start_root.h has it: mounts it in place of the archive's, with /dev, /proc and /tmp over it, adds what the archive has for it, and finds the program: *program becomes its path, null if it is nowhere. */
void start_root(char *const *env, char **program, char *instead);
/* Ends all other processes, and writes what there is to be written. */
void end_root(void);
