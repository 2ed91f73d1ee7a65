/* The one thing that the kernel asks the firmware's tables: which CPUs there are. */
#pragma once

#include <aegis/types.h>

/* Stores the local APIC identifiers of the enabled CPUs, at most `most` (at least 1); how many. The running CPU is the first, and without
 * tables the only one. */
uint32_t acpi_cpus(uint8_t *apic_ids, uint32_t most);
