/* Random bytes for programs and for the library. Domain lock held. */
#pragma once

#include <exos/base.h>

void random_bytes(void *to, size_t n);
void random_seed(const void *bytes, size_t n); /* mixes in; what was there stays */
