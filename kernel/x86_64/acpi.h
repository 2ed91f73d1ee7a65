/* What the kernel asks the firmware's tables: which CPUs there are, which I/O APIC has an interrupt, and where virtio devices are that cannot be probed for. */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

/* Stores the local APIC identifiers of the enabled CPUs, at most `most` (at least 1); how many. The running CPU is the first, and without
 * tables the only one. */
uint32_t acpi_cpus(uint8_t *apic_ids, uint32_t most);
/* The I/O APIC that has this global interrupt, and its first interrupt's number. False: none is listed. */
bool acpi_ioapic(uint32_t interrupt, uint64_t *address, uint32_t *first);
/* The n-th virtio-mmio transport: where its registers are, and its global interrupt. False: there are no more. */
bool acpi_virtio(uint32_t n, uint64_t *address, uint32_t *interrupt);
