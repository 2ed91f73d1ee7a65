/* Counters to wait on: what Linux calls eventfd. A write adds to the counter, a read takes all of it, or one; each waits while it cannot.
 *
 * Called by linux/descriptor.c. Programs use them to wake an event loop of theirs from another thread or process. Domain lock held. */
#pragma once

#include <exos/file/file.h>

/* `single`: a read takes one. flags: OPEN_NONBLOCK or 0. 0 or -ENOMEM. */
int event_new(uint64_t count, bool single, uint32_t flags, struct file **out);
