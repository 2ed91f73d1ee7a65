/* A handler in the kernel (include/aegis/ash.h) for a filter of the program's: its memory, which the program sees too,
 * and the frames that the kernel keeps its code in.
 *
 * Who calls it: a program with a ring of its own (exos/program.h: net; port.h). What is promised: all of it is the
 * program's own, and goes back to ExOS when the program ends or executes another, however and whenever that happens:
 * ExOS takes back the ring first, and with its filters goes the handler, so that no frame is anybody else's while the
 * handler may still write it. A handler goes on while its program is stopped. A fork's child has the memory before it
 * as its parent has, and nothing else: it may not call these for what its parent made. One thread at a time. Paper 6.3.
 */
#pragma once

#include <aegis/ash.h>
#include <exos/program.h>

struct handler {
	uint8_t *memory; /* the program's view of what the handler has as ash_context.memory, all of it */
	frame_t first;	 /* of so many frames, numbered one after the other */
	uint32_t frames;
	uint32_t filter; /* that it is attached to; 0: none */
	frame_t code[5];
	uint32_t codes;
};

/* Memory for a handler, cleared: so many frames (1 to ASH_FRAMES_MAX) with numbers one after the other, so that the
 * handler reads and writes all of them. 0; -EINVAL; -ENOMEM: the machine has no such run of free frames. */
int handler_memory(struct handler *h, uint32_t frames);
/* Gives the memory back, of a handler that is not attached. */
void handler_memory_end(struct handler *h);
/* The kernel runs the program (eBPF, a multiple of 8 bytes) for each packet of the filter from now on, before and
 * instead of the ring. A filter without a handler goes on as it is until this succeeds. 0; -EINVAL: not safe, too
 * large, or no filter with a ring; -EBUSY: there is one on the filter, or this one is attached; -ENOMEM. */
int handler_attach(struct handler *h, uint32_t filter, const void *program, size_t bytes);
/* It runs no more, on any CPU, when this returns; the memory stays as it has left it. Also for a filter that is gone.
 */
void handler_detach(struct handler *h);
