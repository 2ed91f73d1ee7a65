/* Rings, filters, guards and handlers from the inside, and what the rest of the kernel wants of them. Owner of all of it: the kernel lock. */
#pragma once

#include <aegis/cap.h>
#include <aegis/net.h>
#include <kernel/drivers/net.h>
#include <kernel/filter/filter.h>
#include <kernel/filter/handler.h>
#include <kernel/frame.h>

/* All the filters of a device, or guards of a ring. */
struct trie {
	filter_code *code;
	filter_root root; /* 0: there are no guards, and the code lets nothing pass */
};

/* A ring's object, in its frame (FRAME_RING), which is its name. */
struct ring {
	struct aegis_ring *page;  /* the control page, in the physical map: for telling. The kernel reads `consumed` of it alone */
	struct station *station;
	env_id account, owner;
	uint32_t slots;
	uint32_t produced;        /* the kernel's own count */
	uint32_t under_way;       /* parts of the device's queue that its frames have: one for each, and one for each of its pieces */
	uint32_t bindings;        /* first of its filters and guards, or 0 */
	uint32_t guard_count;
	struct trie guards;
	frame_t control;
	frame_t next, previous;   /* of its account's rings, or 0 */
	frame_t next_waiting, previous_waiting; /* for room in the device's queue */
	bool waiting;
	frame_t frames[NET_SLOTS_MAX / 2];
};
_Static_assert(sizeof(struct ring) <= FRAME_SIZE, "a ring is one frame");
static inline struct ring *ring_of(frame_t name) { return frame_pointer(name); }

/* A filter or guard, by its number. */
struct net_filter {
	uint64_t tag;
	struct handler *handler;   /* or null */
	frame_t ring;              /* or 0 */
	env_id env;                /* who is told, or 0 */
	env_id account;            /* whom it is charged to */
	uint32_t epoch;            /* of capabilities for it; goes on when the number is used again */
	frame_t code;              /* of its program, or 0 */
	const uint8_t *run;        /* where that is run */
	uint32_t next, previous;   /* of its ring's, or of those without a ring of its account; or 0 */
	uint8_t nodes;             /* that it may need in the trie */
	uint8_t device;            /* of netdevs */
	uint8_t kind;              /* BINDING_ */
};
enum { BINDING_NONE, BINDING_FILTER, BINDING_GUARD };

/* A frame that a device has: what it is sent from. */
struct sending {
	struct ring *ring;
	uint32_t count, parts;      /* pieces that are pinned; parts that it has of the queue */
	frame_t pieces[NET_PIECES];
	uint32_t next;              /* of the free ones */
};

/* A device. */
struct station {
	struct netdev *driver;
	struct aegis_net_info *info; /* exposed */
	struct trie filters;
	uint32_t senders, share;     /* rings with guards, and what part of its queue each of them may have */
	frame_t first_waiting, last_waiting; /* rings that wait for room, or 0 */
	struct sending *sending;     /* by cookie */
	uint8_t *bounce;             /* a frame for each of them, where what is sent will not stay where it is */
	uint32_t free_sending;
	bool enabled;                /* interrupts are on */
};

extern struct station stations[NETDEVS];
extern struct filters *net_filters;   /* null: no device */
extern struct net_filter *filter_table;
extern uint32_t net_filter_slots;     /* filters and guards at most; 0: no device */
extern uint32_t net_code_changed;     /* how often machine code was written */

/* Memory for what is copied from users and compiled; one at a time, as the kernel lock is held. */
#define CODE_PAGES 4 /* at most, of one program or handler */
struct net_work {
	uint8_t code[CODE_PAGES * FRAME_SIZE];
	uint8_t inspection[HANDLER_WORK];
	union {
		struct aegis_ebpf handler[ASH_LENGTH_MAX];
		struct aegis_bpf program[NET_BPF_MAX];
	};
	frame_t frames[NET_SLOTS_MAX / 2];
};
_Static_assert(ASH_FRAMES_MAX <= NET_SLOTS_MAX / 2, "net_work");
extern struct net_work *net_work;

uint32_t net_demultiplex_short(const struct trie *t, const uint8_t *packet, uint32_t length); /* a packet below FILTER_SHORT */
/* filter_demultiplex in fewer instructions. */
static inline uint32_t net_demultiplex(const struct trie *t, const uint8_t *packet, uint32_t length)
{
	return length >= FILTER_SHORT ? t->code(packet, length) : net_demultiplex_short(t, packet, length);
}

/* net.c */
void net_start(void); /* after netdev_start, from boot memory */
void net_interrupt(struct cpu *cpu, uint32_t device, uint64_t arrived);
void net_waited(struct cpu *cpu, uint64_t now); /* the timer has gone off: interrupts that were put off, if it is time for them */
struct station *net_station(uint64_t device); /* enum aegis_device; null: there is none */
void net_code_see(struct cpu *cpu); /* before filters or guards are run: makes this CPU see their code as it is now */
void net_senders(struct station *s, int32_t more); /* rings with guards, more or (-1) less */
static inline void net_changed(uint32_t device, int32_t filters) { stations[device].info->filters += (uint32_t)filters; }
/* A capability for the device with RIGHT_WRITE, which the current environment shows: 0 or why not. */
int64_t net_check_device(uint64_t capability, uint64_t device);

/* ring.c */
struct ring *ring_mine(uint64_t name);  /* of the current account, or null */
struct ring *ring_below(uint64_t name); /* or of one below it */
bool net_below(env_id account);         /* is that the current account, or one below it? */
/* A bounded part of ending all rings and filters of an account. False: more is left. */
bool net_end_account(struct env *account);

/* filters.c */
struct net_filter *filter_named(uint64_t number); /* a filter (no guard), or null */
static inline uint32_t filter_number(const struct net_filter *f) { return (uint32_t)(f - filter_table); }
void filter_end(struct net_filter *f); /* a guard too */
/* What an account is charged. More of that: may it have so much? Of that what goes is negative. */
struct filter_charge {
	int32_t filters, nodes, codes; /* codes: places where machine code is run */
};
bool filter_fits(const struct env *account, struct filter_charge more);
void filter_charge(env_id account, struct filter_charge more);
extern const struct trie no_guards;
int64_t filter_check_mint(struct aegis_cap *cap); /* may the current environment seal a capability for it? Fills in the epoch */
int64_t filter_end_epoch(const struct aegis_cap *cap);

/* send.c */
/* A frame of a handler's, copied whole, from a ring to its device, if a guard lets it pass. 0, -E_DENIED or -E_FULL. */
int64_t ring_send_bytes(struct ring *r, const uint8_t *bytes, uint32_t length);
void ring_stop_waiting(struct ring *r);

/* handler.c */
uint64_t handler_input(struct handler *h, uint8_t *packet, uint32_t length, uint64_t arrived); /* ASH_DONE, _RING or _TELL */
void handler_tag(struct handler *h, uint64_t tag);
void handler_end(struct net_filter *f);

/* code.c: machine code in donated frames, run at addresses of its own. */
void code_start(uint32_t runs);
extern uint32_t code_runs; /* so many there are */
const uint8_t *code_take(void);              /* where CODE_PAGES can be run, or null: there is no more room */
void code_put(const uint8_t *run, const uint8_t *code, size_t size, const frame_t *frames, uint32_t n); /* into the frames, and those there */
void code_give(const uint8_t *run, const frame_t *frames, uint32_t n); /* gone from every CPU; the frames (n may be 0) are their owner's again */
/* Frames that the current account donates: 0, -E_DENIED or -E_BUSY. Then they are FRAME_CODE. */
int64_t code_check(const frame_t *frames, uint32_t n);
