/* What the files of the interface share. */
#pragma once

#include <aegis/net.h>
#include <exos/interface/interface.h>
#include <exos/frames.h>

extern frame_t interface_ring; /* the ring's name */
extern const struct aegis_cap *interface_device;
/* send.c and filter.c: functions of the net_port. */
bool send_start(void); /* false: no memory */
int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n);
void port_flush(void *data);
uint64_t send_lost(void);
bool send_waits(void); /* frames are kept until the device has room; port_flush tries again */
uint32_t port_filter_add(void *data, const struct net_filter_key *key, uint64_t tag);
void port_filter_remove(void *data, uint32_t filter);
