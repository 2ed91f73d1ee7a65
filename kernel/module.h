/* The first environment, from the first boot module. */
#pragma once

#include <kernel/env.h>

#define FIRST_ENVIRONMENT ((1u << ENV_SLOT_BITS) + 1) /* slot 1, generation 1 */

struct env *module_start(void);
void boot_random(void *to, size_t n); /* main.c: from the CPU's generator, or the best there is */
