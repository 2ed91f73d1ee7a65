/* What the tests of the policies share: TAP, and random numbers of a seed that is printed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <exos/lib/sched/sched.h>

void test_start(int argc, char **argv); /* argument: the seed */
void ok(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
int done_testing(void); /* the exit status */
uint64_t random_below(uint64_t n);

/* One whole slice: choose and charge. Null: nobody was chosen. */
struct sched_client *whole_slice(struct sched *s);
