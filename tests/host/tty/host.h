/* Included before everything else (-include) when the sources are built for the host: puts what ExOS finds at fixed
 * addresses into the test program's own memory. */
#pragma once

#include <exos/layout.h>

extern unsigned char stub_window[], stub_self[];

#undef EXOS_WINDOW_VA
#define EXOS_WINDOW_VA ((uintptr_t)stub_window)
#undef SELF_VA
#define SELF_VA ((uintptr_t)stub_self)
