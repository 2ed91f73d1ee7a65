/* Included before everything else (-include) when files' sources are built for the host: puts what ExOS finds at fixed
 * addresses into the test program's own memory. */
#pragma once

#include <exos/layout.h>

extern unsigned char *stub_window, stub_self[];
extern unsigned int *stub_references;

#undef EXOS_WINDOW_VA
#define EXOS_WINDOW_VA ((uintptr_t)stub_window)
#undef EXOS_TABLES_VA
#define EXOS_TABLES_VA ((uintptr_t)stub_references - 0x800000000ul) /* frames.h finds the references behind it */
#undef SELF_VA
#define SELF_VA ((uintptr_t)stub_self)
