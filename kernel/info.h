/* The exposed page that describes the machine. */
#pragma once

#include <aegis/info.h>

extern struct aegis_info *machine_info; /* written at start; counters by whoever holds the kernel lock */
