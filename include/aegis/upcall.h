/* The upcall page: how Aegis enters an environment outside its own flow of control.
 *
 * Each environment donates one frame for it. The kernel writes it through its own mapping, so it needs no
 * address in the environment; the library binds it wherever it likes. Everything in it is the environment's
 * own: a lie written there can hurt only its writer, and the kernel believes nothing that it reads back.
 *
 * THE RULE (paper 5.1.2 and 5.3; the flag is the idea of Barrelfish's disabled dispatcher):
 *
 *  - An upcall (exception or event) is delivered by saving the interrupted ss, rsp, rflags, cs, rip, r11, rcx,
 *    the cause, the error code and the fault address in `frame`, setting `disabled` to 1, and continuing in user
 *    mode at the entry that the environment named, with every register except rcx, r11, rip and rflags
 *    as it was. rsp still is the interrupted one: the kernel touches no user stack.
 *  - The library copies the frame to a stack of its own and clears `disabled`. From there on it may be
 *    interrupted anew; it resumes the interrupted code with `iretq`, without the kernel.
 *  - While `disabled` is 1 no upcall is delivered: an event stays in `pending`, and at the end of a slice the
 *    kernel saves the whole state itself and later resumes exactly there. Whoever clears the flag looks at
 *    `pending` afterwards.
 *  - An exception while `disabled` is 1 cannot be delivered: the environment is stopped and its keeper told. */
#pragma once

#include <aegis/types.h>

/* Events, bits of `pending`. The kernel raises the first group; NOTIFY bits belong to the library and are raised
 * by the notify call. */
enum {
	EVENT_SLICE_END = 1 << 0, /* the slice is over: yield before the grace time is; or with told_always, a new one has begun */
	EVENT_ALARM = 1 << 1,     /* the deadline of a sleep has come */
	EVENT_CONSOLE = 1 << 2,   /* a console that the environment owns has input, or room for output */
	EVENT_PEER = 1 << 3,      /* an environment whose keeper this is was stopped */
	EVENT_REVOKE = 1 << 4,    /* something is asked back: `demands` of the upcall page */
	EVENT_REPOSSESSED = 1 << 5, /* something was taken by force: `repossessed` of the upcall page */
	EVENT_RETURNED = 1 << 6,  /* all that this environment asked back has come */
	EVENT_NET = 1 << 7,       /* a packet has come for a filter that tells this environment, or its ring can send again */
	EVENT_DISK = 1 << 8,      /* a request that was to tell this environment is done, or its queue has room again */
};
#define EVENT_NOTIFY_SHIFT 16
#define EVENT_NOTIFY(n) (1ul << (EVENT_NOTIFY_SHIFT + (n))) /* n in 0..15 */
#define EVENT_NOTIFY_MASK (0xfffful << EVENT_NOTIFY_SHIFT)

/* Causes: the x86 exception vectors 0..31, or these. */
#define CAUSE_EVENT 256
#define CAUSE_EXCESS 257 /* why an environment was stopped: it ignored the end of its slice EXCESS_LIMIT times in a row */
#define EXCESS_LIMIT 64

/* A demand (paper 3.3): give back `count` of a kind before the time-stamp counter reaches `deadline`. What is given back is counted off. */
enum {
	REVOKE_FRAMES, /* any frames of the account's */
	REVOKE_SLICES, /* any slices of the account's */
	REVOKE_RANGE,  /* what is bound by capability of the frames first.. first + count: to be unbound. Not counted off; the owner calls frame_break. */
	REVOKE_KINDS
};
struct aegis_demand {
	uint32_t kind, count;
	uint64_t deadline, first;
};

/* A loss (paper 3.4): what was taken by force. Before the loss of a frame that was registered, dirty, for a block of a disk comes what has become of its contents. */
enum {
	LOSS_WRITTEN = 16, /* they are in the block that they were registered for */
	LOSS_UNWRITTEN,    /* they are lost: the disk could not write them, or the block was revoked */
};
struct aegis_loss {
	uint32_t kind, count; /* REVOKE_ kind; RANGE: a binding of a frame of another account's; or LOSS_ */
	uint64_t first;       /* frame number, or CPU << 32 | position, or EXTENT(disk, sector) */
};
/* The repossession vector, a ring at the end of the upcall page of an account's environment: losses are numbered from 0, loss n is in entries[n % REPOSSESSED_ENTRIES].
 * Who finds that he was overtaken reads the frame table anew: it says what he still has. */
#define REPOSSESSED_ENTRIES 47
#define REPOSSESSED_OFFSET 3328
struct aegis_repossessed {
	volatile uint64_t count; /* losses so far */
	uint64_t reserved;
	struct aegis_loss entries[REPOSSESSED_ENTRIES];
};
_Static_assert(REPOSSESSED_OFFSET + sizeof(struct aegis_repossessed) == 4096, "it ends with the page");

struct aegis_frame {
	uint64_t address; /* fault address (CR2); meaningful for page faults only */
	uint64_t r11, rcx;
	uint64_t cause;
	uint64_t error; /* error code of the exception, or 0 */
	uint64_t rip, cs, rflags, rsp, ss; /* in the order that iretq takes them */
};

struct aegis_upcall {
	volatile uint32_t disabled;
	volatile uint32_t cpu;       /* the CPU that runs the environment; not updated by transfers */
	volatile uint64_t pending;   /* events raised and not yet taken; take with an atomic exchange */
	volatile uint64_t slice_end; /* time-stamp counter at which the running slice ends; not updated by transfers */
	volatile uint64_t excess;    /* ticks used past slice ends so far, at most the grace time each */
	uint64_t foreign_rip;        /* a foreign system call: where to return to, */
	uint64_t foreign_rflags;     /* and its flags */
	struct aegis_demand demands[REVOKE_KINDS]; /* what is asked back: the kernel's word, updated as it is given */
	volatile uint64_t told_always; /* the library's word: not 0, EVENT_SLICE_END comes even if nobody else is runnable. slice_end is later then, the next slice's:
					* it has begun, and nothing is owed. For those who share their slices out themselves */
	uint64_t reserved[6];
	struct aegis_frame frame;    /* ends at byte 256, where the hardware's stack pointer starts */
};

_Static_assert(sizeof(struct aegis_upcall) == 256, "the hardware pushes down from byte 256");
