/* What the parts of the packer share: how they fail, how they get memory. */
#pragma once

#include <stddef.h>

/* Says "exo: ..." on standard error and ends with `status`. */
_Noreturn void fail(int status, const char *text, ...) __attribute__((format(printf, 2, 3)));
#define STATUS_MACHINE 125
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

void *allocate(size_t n); /* zeroed; never null. The packer is a short program: nothing is given back */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
