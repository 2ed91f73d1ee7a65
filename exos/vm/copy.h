/* Reaching the program's memory from the library, safely: the program may have given any address.
 *
 * The program's pages are in the same address space, so a copy is a copy; a page not there yet is brought in by the
 * ordinary fault handler in passing; an address that is not the program's, or that no mapping covers, ends the copy
 * with -EFAULT (self->fault_resume). */
#pragma once

#include <exos/base.h>

int copy_in(void *to, const void *program, size_t n); /* 0 or -EFAULT */
int copy_out(void *program, const void *from, size_t n);
int clear_out(void *program, size_t n);
/* After a copy that has failed: was it for want of a page that has to come from a disk? Then that is waited for, with the lock given up, and true: the copy
 * is to be made again, by who can. Otherwise the call ends with -EFAULT, and is made again as a whole (linux/dispatch.c). */
bool copy_wait(void);
/* A string of less than `size` bytes: its length, -ENAMETOOLONG or -EFAULT. */
ssize copy_in_string(char *to, const char *program, size_t size);
