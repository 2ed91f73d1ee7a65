/* Between apic.c and clock.c: counting the local APIC timer down freely. */
#pragma once

#include <aegis/types.h>

void apic_count_start(void);
uint32_t apic_count_stop(void);
