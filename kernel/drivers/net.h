/* Network devices, as drivers offer them to kernel/net.c: virtio-net (virtio 1.2, 5.1) over PCI and MMIO.
 *
 * All with the kernel lock held. The driver has its buffers from boot memory. It believes nothing that the device writes: indices and lengths are checked, and a device that lies loses its packets only. */
#pragma once

#include <stdbool.h>

#include <aegis/net.h>

struct netdev {
	uint32_t number;     /* 0: DEVICE_NET0 */
	uint8_t address[6];
	uint16_t mtu;
	bool link;
	uint32_t send_slots; /* frames that can be under way at once */
	void *driver;
	void *user;          /* of kernel/net */
};

#define NETDEVS (DEVICE_NET_LAST - DEVICE_NET0 + 1)
extern struct netdev netdevs[NETDEVS];
extern uint32_t netdev_count;

/* At start, before the free frames are counted: finds and starts the devices on every bus that the machine has. Interrupts come from netdev_enable on. */
void netdev_start(void);
void netdev_enable(struct netdev *d); /* to the CPU that calls it first */
/* From the interrupt: hands every packet that has come to net_input, then tells net_sent of every frame that is done. Bounded by the queue's length. */
void netdev_interrupt(struct netdev *d, uint64_t arrived);
void netdev_put_off(struct netdev *d); /* an interrupt for which there is no time now: few others come before netdev_interrupt is called for it */
/* A frame: its header, copied, and pieces (physical addresses) read by the device until net_sent(cookie). False: the queue is full; an interrupt comes when it no longer is. net_sent is not called from here. The device is told of it by netdev_kick, or not before. */
struct netdev_piece {
	uint64_t address;
	uint32_t length;
};
bool netdev_send(struct netdev *d, const uint8_t *header, uint32_t header_length, const struct netdev_piece *pieces, uint32_t n, uint64_t cookie);
void netdev_kick(struct netdev *d);
/* Both, for a frame that is copied whole (at most NET_HEADER_MAX bytes), in the fewest instructions. */
bool netdev_answer(struct netdev *d, const uint8_t *bytes, uint32_t length, uint64_t cookie);
/* Looks for frames that are done, for somebody who needs room: if there is none then, an interrupt comes when there is. */
void netdev_reap(struct netdev *d);

/* kernel/net.c: */
/* `packet` is the driver's buffer: it may be written until this returns, and not afterwards. */
void net_input(struct netdev *d, uint8_t *packet, uint32_t length, uint64_t arrived);
void net_sent(struct netdev *d, uint64_t cookie);
