/* Included before everything else (-include) when memory's sources are built for the host: the same shape of an address
 * space, moved to where the host has nothing. */
#pragma once

#include <exos/layout.h>

#undef EXOS_SHARED_VA
#define EXOS_SHARED_VA 0x300000000000ul
#undef EXOS_WINDOW_VA
#define EXOS_WINDOW_VA EXOS_SHARED_VA
#undef EXOS_TABLES_VA
#define EXOS_TABLES_VA 0x306000000000ul
#undef SELF_VA
#define SELF_VA 0x27fffffff000ul
#undef PROGRAM_TOP
#define PROGRAM_TOP 0x27fffffe0000ul
