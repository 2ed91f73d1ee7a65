/* What a request is answered with, whatever way it came; and the two ways. */
#pragma once

#include "protocol.h"
#include "table.h"

#define SERVER_REPLY_MAX (sizeof(struct lookup_header) + LOOKUP_VALUE_MAX)

/* The reply's length; 0: none, as it is no request. `to` has room for SERVER_REPLY_MAX bytes. What changes is in the
 * shared table, if there is one, before this returns. */
uint32_t server_answer(const uint8_t *request, uint32_t length, uint8_t *to);
/* What the handler finds is kept there from now on. */
void server_share(struct table *t);

/* They serve and do not return unless they fail: an errno. `ready`: says so on standard output once they serve. */
int serve_exos(uint16_t port, int handler, int ready);
int serve_sockets(uint16_t port, int ready);
void server_ready(int ready);

int client(int argc, char **argv); /* the command's words after --ask */
