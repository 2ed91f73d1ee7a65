/* Netlink sockets, as far as the C library and `ip` need them: what links, addresses and routes there are (NETLINK_ROUTE, RFC 3549). Nothing can be changed, and no changes are told. Domain lock held. */
#pragma once

#include <exos/socket/socket.h>

int netlink_new(uint16_t type, int protocol, struct socket **out); /* -EPROTONOSUPPORT -ESOCKTNOSUPPORT -ENOMEM */
