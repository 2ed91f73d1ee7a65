/* The network as the kernel multiplexes it: whose a packet is that comes in, and what an environment may send. Everything above that is a library's.
 *
 * Who uses it: exos/net, programs with a stack of their own, tests. Three objects, all made by the account that pays for them:
 *  - a RING: frames of the account's into which the kernel copies packets, and the right to send what its guards let pass. A ring is named by the frame
 *    of its kernel object.
 *  - a FILTER (paper 3.2, 5.6: DPF): which packets go to a ring. It is a list of atoms, all of which must hold, and perhaps a program. All filters of a device are
 *    merged into one trie, whose nodes are compiled to machine code when a filter is installed. Of several that accept a packet the one whose atoms compare the
 *    most bits has it. Filters are named by numbers, never by 0.
 *  - a GUARD: one template of what may be sent from a ring; a frame must match one of the ring's guards.
 * A filter may be given a handler (include/aegis/ash.h), which runs when a packet comes. */
#pragma once

#include <aegis/cap.h>
#include <aegis/types.h>

/* One condition on a packet: the field of 1, 2 or 4 bytes at base + offset, read as a big-endian number and masked, equals value. Or, as a SHIFT, no condition:
 * base grows by (field & mask) << value, at most NET_SHIFT_MAX, for the atoms after it; this is how a header of variable length is passed. base is 0 at first: the
 * Ethernet header. A field that ends behind the packet's end does not match, nor does a shift that reads there. */
struct aegis_atom {
	uint16_t offset; /* bytes, below NET_OFFSET_MAX */
	uint8_t size;    /* 1, 2 or 4 */
	uint8_t kind;    /* ATOM_ */
	uint32_t mask, value; /* a comparison's value has no bit that is not in its mask, and the mask is not 0 */
};
enum { ATOM_COMPARE, ATOM_SHIFT };
#define NET_OFFSET_MAX 2048
#define NET_SHIFT_MAX 255
#define NET_ATOMS_MAX 16
#define NET_SHIFTS_MAX 2

/* An instruction of a classic BPF program (McCanne and Jacobson, 1993), as `tcpdump -dd` prints it. */
struct aegis_bpf {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
#define NET_BPF_MAX 512 /* instructions of a program */

/* What filter_install is asked for. The packets must be the installer's to take: those of the scope that its capability names (CAP_DEVICE: all of the device's;
 * CAP_FILTER: those of that filter, all of whose atoms the new one must then have, first and in the same order), and none that another account's filter takes, but for
 * the scope's own. A filter with a program takes a part that cannot be told in advance, so its atoms alone count.
 * A program that is a conjunction of comparisons is translated into atoms, and then is no program any more; any other is compiled as it is, into `code`. */
struct aegis_filter_spec {
	frame_t ring;     /* of the caller's account or of one below it; or 0: packets are dropped and counted. A scope to be narrowed by capabilities */
	env_id env;       /* of the ring's account: told by EVENT_NET of each packet (0: nobody) */
	uint64_t tag;     /* the library's own word; comes with each packet */
	uint64_t atoms;   /* address of the atoms, */
	uint32_t atom_count;
	uint32_t device;  /* enum aegis_device */
	uint64_t program; /* of the BPF program (struct aegis_bpf), */
	uint32_t program_length; /* instructions; 0: none */
	frame_t code;     /* a frame of the caller's account, bound nowhere, that the program's machine code is put into; returned to it by filter_remove; 0: none */
};

/* A receive slot: half a frame. */
#define NET_SLOT_SIZE 2048
#define NET_PACKET_MAX 2022
struct aegis_packet {
	uint16_t length;  /* bytes of data: from the Ethernet header on, without checksum */
	uint16_t reserved;
	uint32_t filter;  /* whose it is */
	uint64_t tag;     /* that filter's */
	uint64_t arrived; /* time-stamp counter when the interrupt was taken */
	uint8_t align[2]; /* so that what follows the Ethernet header is aligned to 8 */
	uint8_t data[NET_PACKET_MAX];
};
_Static_assert(sizeof(struct aegis_packet) == NET_SLOT_SIZE, "a slot is half a frame");

/* The control page of a ring: written by the kernel and by the library, each its own words. The kernel believes of `consumed` only what cannot hurt others. */
struct aegis_ring {
	volatile uint32_t produced; /* slots that the kernel has filled so far (modulo 2^32); slot n is n % slots */
	volatile uint32_t consumed; /* the library: slots that it is done with */
	volatile uint32_t accepted; /* frames taken by net_send so far, */
	volatile uint32_t sent;     /* and those of them that the device is done with: what they were sent from may change again */
	volatile uint64_t dropped;  /* packets for filters of this ring that found no free slot */
	volatile uint64_t refused;  /* frames that no guard let pass */
	volatile uint64_t handled;  /* packets that a handler dealt with, and that are not in the ring */
};

struct aegis_ring_spec {
	frame_t object;   /* a frame of the account's, bound nowhere: the kernel's object, and the ring's name */
	frame_t control;  /* the control page; may be bound */
	uint32_t device;  /* enum aegis_device */
	uint32_t slots;   /* a power of two, 2 to NET_SLOTS_MAX */
	uint64_t frames;  /* address of slots / 2 frame numbers: frames of the account's, two slots in each */
};
#define NET_SLOTS_MAX 1024

/* A frame to be sent: bytes copied from the caller's memory, which the guards look at, and behind them pieces of frames of the caller's account, from which the device
 * reads. Those frames cannot be freed before it has; what is in them should not change. */
#define NET_HEADER_MAX 256
#define NET_PIECES 4
struct aegis_piece {
	frame_t frame;
	uint16_t offset, length; /* within the frame; length 0: no piece */
};
struct aegis_send {
	uint64_t header;        /* address, */
	uint32_t header_length; /* 14 to NET_HEADER_MAX */
	uint32_t reserved;
	struct aegis_piece pieces[NET_PIECES];
};
#define NET_SEND_MAX 32 /* frames in one call */

/* What everyone may know of a network device: aegis_info.net names the exposed frames with one of these for each, in order. */
struct aegis_net_info {
	uint32_t device;      /* enum aegis_device */
	uint32_t mtu;         /* bytes behind the Ethernet header */
	uint8_t address[6];   /* its own Ethernet address */
	uint16_t link;        /* 1: there is a link */
	uint32_t filters;     /* installed */
	uint32_t filter_slots; /* at most */
	uint64_t received, unclaimed; /* packets; those that no filter accepted */
	uint64_t sent, refused;
	uint64_t interrupts;
	uint64_t dropped; /* packets for filters without a ring */
};
