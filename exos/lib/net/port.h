/* A program's own network stack (exos/net/stack.h), on a ring of its own.
 *
 * Who calls it: a program that wants its protocols in its own address space: one stack, from one thread. It loops: port_input, its own work, port_wait. What is
 * promised: a packet is looked at where the kernel has put it; what is sent goes out in batches, from where it lies if that is in frames of the program's
 * (memory.h, pool_get). Listeners and ports without a remote name have filters of their own; connections that were accepted share their listener's, so that a
 * connection costs no kernel call. Paper 3.2, 6.3; Kaashoek et al., SOSP'97 (section 7.3). */
#pragma once

#include <aegis/types.h>
#include <exos/net/stack.h>

/* The stack, with the interface's IPv4 address. 0 or a negative errno: the net call's (exos/program.h), ENOMEM, ENOSYS: this is not ExOS. slots: of the ring, a
 * power of two. */
int port_start(uint32_t slots, struct net_stack **out);
/* Takes in what has come, and does what is due: owners are told, frames go out. Returns how many packets there were. A look at a word when there are none. */
uint32_t port_input(void);
/* The same without packets: after calls on endpoints outside of their events. */
void port_turn(void);
/* Sleeps until a packet comes, the stack has something to do, or the deadline (ns of port_now; 0: none) is past; not at all if there is something now. 0;
 * -EINTR: a signal was handled. */
int port_wait(uint64_t deadline);
uint64_t port_now(void); /* ns, monotonic; no call */
const struct exos_net *port_interface(void); /* what the net call has told, addresses among it */

/* A frame of memory, of which the stack has released every piece, may have other contents afterwards: what refers to it and waits yet for the device's room (sent
 * again, or of a connection that has ended) is given up. Costs nothing when nothing waits. */
void port_forget(frame_t f);
struct port_counts {
	uint64_t dropped; /* packets for which there was no slot */
	uint64_t full;    /* times that the device had no room */
};
struct port_counts port_counts(void);
