/* What a program that specialises asks of the ExOS in its own address space.
 *
 * Who calls it: ordinary static Linux programs (musl-gcc -I. -Iinclude ... build/libexos.a) that replace a part of ExOS: the parts in exos/lib, which are linked
 * into the program, and whatever the program brings itself. What is promised: a program that calls none of this is not touched by it; what a program
 * gets here ends with it, or with its exec; a fork's child inherits none of it but its memory. A call is a foreign system call with a number of ExOS's own:
 * Linux answers ENOSYS, and so one binary can find out where it runs (exos_here).
 *
 * Beside these calls the program makes the kernel's own (aegis/x86_64/stubs.h), as ExOS does: bind for the pages of its regions, yield to an environment, transfer,
 * notify. Paper 5.1.2 (entries of an environment), 6.2 and 7 (replacing page tables and schedulers). */
#pragma once

#include <stdbool.h>

#include <aegis/cap.h>
#include <aegis/info.h>
#include <aegis/types.h>
#include <exos/layout.h>

#define EXOS_CALL_FIRST 0x1000
/* X(number, name, arguments, what it does). Results are negative Linux error numbers where the call fails. */
#define EXOS_CALLS(X) \
	X(0, here, "()", "0: this is ExOS") \
	X(1, environment, "(int pid)", "the env_id of a process (0: of oneself), to yield, transfer or notify to. ESRCH, for a zombie too") \
	X(2, slices, "(int pid, uint64_t cpus)", \
	  "the process (0: oneself; else a child, or any for root) holds a slice on these CPUs (bits) and no others. 0: it holds none, and runs when " \
	  "somebody yields to it. ESRCH EPERM EAGAIN") \
	X(3, frames_get, "(frame_t *list, uint64_t n)", \
	  "n frames become the program's own (n <= AEGIS_BATCH_MAX): each the one named in the list, or for FRAME_ANY whichever is free. The list receives them. " \
	  "Contents: anything of this domain. Returns how many, in order. ENOMEM EBUSY (the named one is not free) EFAULT EINVAL") \
	X(4, frames_put, "(const frame_t *list, uint64_t n)", \
	  "gives them back; which must be bound nowhere in the program. Returns how many, in order. EINVAL EFAULT; EBUSY: bound, or a handler's memory, or being " \
	  "sent from") \
	X(5, region, "(uint64_t start, uint64_t length)", \
	  "a range of free addresses (start 0: wherever there is room) becomes the program's own: ExOS binds nothing there and mends no faults there. " \
	  "Multiples of 2 MiB. Returns start. munmap of the whole ends it. EINVAL ENOMEM EEXIST") \
	X(6, leaf, "(uint64_t va)", \
	  "the frame of the hardware's page table for the 2 MiB around an address in a region, made if it is missing: bind it for reading to see " \
	  "accessed and dirty bits. EINVAL ENOMEM") \
	X(7, handlers, "(const struct exos_handlers *)", "sets the program's handlers, null for none. EFAULT EINVAL") \
	X(8, serve, "(const struct exos_service *)", \
	  "takes protected control transfers at these entries, and sleeps between them, until a signal comes. Called from an entry it goes back to that sleep: for when " \
	  "transfer_back finds nobody who waits, and after asynchronous ones. Not with threads. EINTR EINVAL EFAULT") \
	X(9, info, "(uint64_t what)", "the address where an exposed table can be read: EXOS_INFO_ below. EINVAL") \
	X(10, net, "(struct exos_net *)", \
	  "a ring on the network interface becomes the program's, until its end or its exec; a fork's child has none. Waits, up to 10 s, until the interface has an address. " \
	  "EBUSY (there is one) EAFNOSUPPORT (no network) EADDRNOTAVAIL ENOMEM EINTR EFAULT EINVAL") \
	X(11, net_wait, "(uint32_t seen, uint64_t deadline)", \
	  "sleeps until the ring has more packets than `seen` (0 at once, if it has), there is room to send again, or the deadline (ticks of the time-stamp counter; 0: none) is past. " \
	  "0, perhaps without a reason; EINTR ETIMEDOUT EINVAL (no ring)") \
	X(12, cache, "(int fd, const struct exos_cache *)", \
	  "how files on the volume that this one is on are cached, from now on; for root. EBADF EPERM ENODEV (it is on no disk) EINVAL EFAULT")

#define X(number, name, arguments, text) EXOS_CALL_##name = EXOS_CALL_FIRST + (number),
enum exos_call { EXOS_CALLS(X) };
#undef X

enum { EXOS_INFO_MACHINE, EXOS_INFO_FRAMES, EXOS_INFO_ENVIRONMENTS, EXOS_INFO_CLAIMS, EXOS_INFO_BLOCKS /* aegis/disk.h; 0: no disk */ };

/* A frame's bytes, bound or not: every frame of the domain is in the window. (aegis/upcall.h, exos/self.h: SELF_VA is the program's own upcall page.) */
static inline void *exos_frame_bytes(frame_t f) { return (void *)(EXOS_WINDOW_VA + (uint64_t)f * FRAME_SIZE); }

/* Handlers run in the program, on a stack that it sets aside, with signals held back until they return; inside they may make system calls and touch pages
 * that fault, in regions too; a vfork is a fork there, and children of theirs do not return from them. One that nests too deeply ends its process. They may not jump out. What they interrupted finds its registers as they were. */
struct exos_handlers {
	/* A page fault in a region. error: bit 0 the page was bound (its rights forbade it), 1 write, 4 instruction fetch. True: mended, the access is tried
	 * again. False: ExOS treats it as an access to nothing, SIGSEGV. */
	bool (*fault)(uint64_t address, uint64_t error);
	/* So many frames are asked back by then (ticks of the time-stamp counter): give what can be spared by frames_put. If the domain holds more than
	 * it may when half of that time is over, the program is killed, or loses frames by force (EXOS_HANDLERS_BEARS). There may be no memory just now: pages
	 * that the handler needs are to have been touched before. */
	void (*revoke)(uint64_t frames, uint64_t deadline);
	/* The slice is over; it is given up when this returns, unless that gave the CPU away itself. */
	void (*slice_end)(void);
	void *stack; /* its lowest byte */
	uint64_t stack_size;
	uint64_t flags; /* EXOS_HANDLERS_ */
	/* Another thread is to run, and there are several that can: the number (gettid) of one of these n, those who have waited longest first. Any other answer is
	 * the first. Called at the end of a slice, at sched_yield, and where a thread blocks or ends, on the stack above; it may not block. */
	int (*next_thread)(const int *ready, uint64_t n);
};
/* They are compiled without vector registers (-mgeneral-regs-only), which need not be saved. */
#define EXOS_HANDLERS_GENERAL 1ul
/* The program bears losses: frames that it does not give back in time are taken and are not its own any more. Where they were bound there is a page fault, and what is bound
 * there next must not be the same frame, which may be somebody else's by then. Without this it is killed instead. */
#define EXOS_HANDLERS_BEARS 2ul

/* A ring of the program's own (aegis/net.h), on which it runs its own protocols (exos/lib/net has a stack). The domain's stack keeps the interface: it answers for its addresses, and everything that
 * no filter of the program's takes is its. The program installs filters, which are to name itself (environment) as who is told, and sends what is from the interface's Ethernet address. */
struct exos_net {
	uint64_t frames;        /* asked: where to put the numbers of the ring's frames, slots / 2 of them, each with two slots, in order (exos_frame_bytes); */
	uint32_t slots;         /* and how many slots: a power of two, 2 to NET_SLOTS_MAX */
	frame_t ring;           /* told: its name, */
	frame_t control;        /* the frame of its control page (struct aegis_ring), */
	uint32_t mtu;           /* bytes behind the Ethernet header, */
	struct aegis_cap device; /* with which filters may be installed; it cannot be narrowed further */
	uint8_t ethernet[6];    /* the interface's address */
	uint8_t router_ethernet[6]; /* zero: not known */
	uint8_t address[4], mask[4], router[4]; /* IPv4, as on the wire; router zero: none */
};

/* What a volume's page cache goes by (exos/volume/policy.h). Pages of 4,096 bytes; 0: as it is. */
enum {
	EXOS_CACHE_REUSED = 1, /* when memory is wanted pages that were read only once go first: one pass over a large file does not drive out what is used again and again. So it is from the start */
	EXOS_CACHE_OLDEST,     /* they go in the order in which they came, for who uses each only for a while */
};
struct exos_cache {
	uint64_t replacement;              /* EXOS_CACHE_ */
	uint64_t window_first, window_most; /* read ahead in a file that is read in order: at first, and at most */
	uint64_t dirty_start, dirty_most;  /* pages not yet written: from here on they are, and above that who writes waits */
	uint64_t age_ns;                   /* and they are when they are so old; commits come as often */
};

/* Where transfers enter (aegis/calls.h: transfer): rax the caller's env_id, every other register the caller's, rsp and the FS base too. */
struct exos_service {
	void (*transfer)(void);
	void (*async)(void);
};
