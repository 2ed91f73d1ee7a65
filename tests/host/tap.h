/* What tests on the host share: TAP, and random numbers of a seed that is printed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void test_start(int argc, char **argv); /* the first argument: the seed, or 1 */
void ok(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
int done_testing(void); /* the exit status */
uint64_t random_below(uint64_t n);
