/* What the files of the port share. */
#pragma once

#include <aegis/net.h>
#include <exos/lib/net/port.h>
#include <exos/program.h>

extern struct exos_net port_ring;
/* send.c: functions of the net_port. */
int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n);
void port_flush(void *data);
bool port_unsent(void); /* there are frames that the device had no room for */
void port_send_start(void);
uint64_t port_full(void);
