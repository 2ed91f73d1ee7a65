/* What the tests of the policies share. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <exos/lib/sched/sched.h>
#include <tests/host/tap.h>

/* One whole slice: choose and charge. Null: nobody was chosen. */
struct sched_client *whole_slice(struct sched *s);
