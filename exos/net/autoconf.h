/* Between discovery.c, which knows the messages, and autoconf.c, which keeps what they say. */
#pragma once

#include <exos/net/ip.h>

struct ip6_address *autoconf_find(struct net_stack *s, const struct net_address *a); /* tentative ones too; null: not ours */
void autoconf_duplicate(struct ip6_address *a);                                      /* another has it */
void autoconf_router(struct net_stack *s, const struct net_address *a, uint32_t seconds); /* that it says it is one; 0: no more */
void autoconf_no_router(struct net_stack *s, const struct net_address *a);
void autoconf_prefix(struct net_stack *s, const uint8_t *option); /* of 32 bytes (RFC 4861 4.6.2) */

void discovery_probe(struct net_stack *s, const struct net_address *tentative); /* does anybody have it? */
void discovery_solicit(struct net_stack *s); /* routers */
