/* Inside exos/lib/net: frames for machine code that the kernel runs, of filters and of handlers. */
#pragma once

#include <exos/program.h>

/* A frame that is bound nowhere, not in the window either, as its owner may decide; 0: no memory. It goes back by exos_frames_put, or at the program's end: ExOS binds it in the window again. */
frame_t code_frame(void);
