/* The guest's end of the link (link.h). Domain lock held, except link_log, which anyone may call at any time. */
#pragma once

#include <exos/base.h>
#include <exos/tty/link.h>

/* `plain`: there is one serial line only, a terminal without messages. */
void link_start(bool plain);
/* Waits until the line is free for a new message: 0, or (only if `interruptible`) -EINTR. A link_send of up to
 * LINK_MAX bytes before the lock is next released then is on its way at once. */
int link_wait(bool interruptible);
/* Library memory, any length; on return all of it is with the line. May release the lock meanwhile; messages stay
 * whole. */
void link_send(enum link_channel channel, const void *bytes, size_t n);
void link_log(const char *line, size_t n);
void link_receive(void);         /* the keeper, on EVENT_CONSOLE: reads what has come and hands it to tty_* */
void link_grant(uint32_t bytes); /* tells the host that so much more input fits */
