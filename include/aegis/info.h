/* What the kernel exposes read-only: machine, frame table, environment table. Any environment may bind these frames for reading. */
#pragma once

#include <aegis/cap.h>
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
};

/* One entry of the frame table. */
struct aegis_frame_info {
	env_id owner;      /* the account */
	uint32_t bindings; /* how many page-table entries name it */
	uint32_t next_free;
	uint8_t state;     /* enum aegis_frame_state */
	uint8_t clean;     /* all zero: needs no clearing */
	uint16_t epoch;
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
	struct aegis_range frame_table, env_table;
	uint64_t idle_ticks;   /* time in which no environment was runnable */
	uint64_t switches;     /* environments entered by the dispatcher */
	uint32_t consoles;     /* serial lines found */
	uint32_t keys;         /* protection keys can be used */
	uint32_t xsave_size;   /* bytes that xsave needs with every enabled component */
	uint32_t reserved;
};

/* What the first environment finds at the address in rdi when it starts. Its upcall page is the next page, struct aegis_info
 * the one after. */
struct aegis_boot {
	env_id env;
	frame_t root, upcall, info;
	frame_t module_first; /* module 0, whole: the ELF image that this environment was made from and whatever follows it */
	uint32_t module_frames;
	uint64_t module_bytes;
	uint64_t module_va; /* where module 0 is bound, readable */
	struct aegis_cap frames, slices, devices[DEVICE_COUNT];
	uint8_t seed[32]; /* from the CPU's generator where it has one */
	char command_line[1024];
};
#define AEGIS_START_VA 0x7ffff0000000ul /* where the kernel binds those pages */
#define AEGIS_MODULE_VA 0x7ff000000000ul
