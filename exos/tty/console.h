/* The guest's end of the link (link.h). Domain lock held, except link_log, which anyone may call at any time. */
#pragma once

#include <exos/base.h>
#include <exos/tty/link.h>

void link_start(bool plain);
void link_send(enum link_channel channel, const void *bytes, size_t n); /* library memory; waits for room on the line */
void link_log(const char *line, size_t n);
void link_receive(void);         /* the keeper, on EVENT_CONSOLE: reads what has come and hands it to tty_* */
void link_grant(uint32_t bytes); /* tells the host that so much more input fits */
