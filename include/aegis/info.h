/* What the kernel exposes read-only: machine, frame table, environment table. Any environment may bind these frames for reading. */
#pragma once

#include <aegis/cap.h>
#include <aegis/disk.h>
#include <aegis/types.h>

enum aegis_frame_state {
	FRAME_FREE,
	FRAME_OWNED,    /* held by `owner`, bindable */
	FRAME_TABLE1,   /* page table spanning 2 MiB */
	FRAME_TABLE2,   /* 1 GiB */
	FRAME_TABLE3,   /* 512 GiB */
	FRAME_ROOT,     /* root of an address space */
	FRAME_OBJECT,   /* a kernel object */
	FRAME_UPCALL,   /* upcall page of an environment */
	FRAME_KERNEL,   /* the kernel's, or a device's: never bindable */
	FRAME_INFO,     /* exposed: bindable for reading by all */
	FRAME_LINKS,    /* the second frame of a page table: the kernel's reverse links of its entries */
	FRAME_RING,     /* a ring's object (net.h) */
	FRAME_CODE,     /* of a filter or a handler: machine code that the kernel runs, or what it keeps of it */
	FRAME_QUEUE,    /* a disk queue's object (disk.h) */
	FRAME_TAKEN,    /* taken by force from `owner`, but not free before a device is done with it */
};

#define PIN_HELD 0x8000

/* One entry of the frame table. A binding is named by the place of its page-table entry: frame of the table * 512 + index. */
struct aegis_frame_info {
	union {
		struct {
			env_id owner;  /* the account */
			uint8_t state; /* enum aegis_frame_state */
			uint8_t clean; /* all zero: needs no clearing */
			uint16_t pins; /* uses by the kernel or a device: not freed while there are some. PIN_HELD: as ring or handler's memory; below it, how often it is being sent from */
		};
		uint64_t identity; /* these four, to be compared at once */
	};
	union {
		struct {
			uint32_t first;    /* of its bindings; of a free frame: the free frame before it in the list */
			uint32_t bindings; /* how many page-table entries name it */
		};
		uint64_t bound; /* these two */
	};
	uint32_t next; /* of a free frame: the next in the list; of a table: entries in use, and uses above bit 10; of an owned one: how many rings' and handlers' it is */
	uint32_t epoch;
};

/* One position of a CPU's slice vector. */
struct aegis_slice_info {
	env_id env;    /* 0: free */
	uint32_t next; /* the environment's next: CPU << 24 | position, or UINT32_MAX */
	uint32_t epoch, reserved;
};

struct aegis_range {
	frame_t first;
	uint32_t count; /* frames */
};

#define AEGIS_MAGIC 0x5349474541ul
struct aegis_info {
	uint64_t magic;
	uint64_t tsc_hz;       /* ticks of the time-stamp counter in a second */
	uint64_t boot_tsc;     /* counter at the kernel's first instruction */
	uint64_t boot_seconds; /* the machine's clock at that time, since 1970, UTC */
	uint64_t quantum;      /* ticks in a slice */
	uint32_t cpus;
	uint32_t frames;       /* entries of the frame table */
	uint32_t frames_free;
	uint32_t frames_total; /* usable memory, including what the kernel keeps */
	uint32_t env_slots;    /* entries of the environment table */
	uint32_t slice_positions; /* of each CPU's vector */
	struct aegis_range frame_table, env_table, claim_table;
	struct aegis_range slice_table; /* the vectors, one CPU's after the other's */
	uint32_t frames_first_free; /* head of the free list, or UINT32_MAX */
	uint32_t call_count;
	uint64_t idle_ticks;   /* time in which no environment was runnable */
	uint64_t switches;     /* environments entered by the dispatcher */
	uint32_t consoles;     /* serial lines found */
	uint32_t keys;         /* protection keys can be used: not yet */
	uint32_t xsave_size;   /* bytes that xsave needs with every enabled component */
	uint32_t net_devices;  /* network interfaces found: DEVICE_NET0 and on */
	struct aegis_range net; /* struct aegis_net_info of each (net.h) */
	uint32_t disks;        /* found */
	uint32_t block_hashes; /* entries of block_index; 0: no disk, and no block table */
	struct aegis_range disk; /* struct aegis_disk_info of each (disk.h), */
	struct aegis_range block_table, block_index; /* and which frames hold what of them */
};

/* Its entry in the environment and claim tables. */
static inline uint32_t env_slot_of(const struct aegis_info *info, env_id id) { return id & (info->env_slots - 1); }

/* What the first environment finds at the address in rdi when it starts. Its upcall page is the next page, struct aegis_info
 * the one after. */
struct aegis_boot {
	env_id env;
	frame_t root, upcall, info;
	frame_t module_first; /* module 0, whole: the ELF image that this environment was made from and whatever follows it */
	uint32_t module_frames;
	uint64_t module_bytes;
	uint64_t module_va; /* where module 0 is bound, readable */
	struct aegis_cap frames, slices, devices[DEVICE_COUNT], disks[DISKS_MAX];
	uint8_t seed[32]; /* from the CPU's generator where it has one */
	char command_line[1024];
};
#define AEGIS_START_VA 0x7ffff0000000ul /* where the kernel binds those pages */
#define AEGIS_MODULE_VA 0x7ff000000000ul
