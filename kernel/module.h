/* The first environment, from the first boot module. */
#pragma once

#include <kernel/env.h>

struct env *module_start(void);
void boot_random(void *to, size_t n); /* main.c: from the CPU's generator, or the best there is */
