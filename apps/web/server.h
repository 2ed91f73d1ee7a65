/* Connections: what they ask for, and how long they may take. */
#pragma once

#include <exos/net/stack.h>

/* Listens at a port of the stack, any address. 0 or a negative errno. */
int server_start(struct net_stack *stack, uint16_t port);
/* Once in a round of the main loop: the date, and those whose time is up. now: ns of port_now. Returns when it is needed next at the latest. */
uint64_t server_tick(uint64_t now);
struct server_counts {
	uint64_t connections, open, requests;
};
struct server_counts server_counts(void);
