/* Sealed capabilities: a name of a range of some resource, the rights to it, and a seal that only the kernel can make.
 *
 * They are plain bytes: copied, stored and sent like any others. The kernel keeps no table of them. A capability dies
 * when the epoch of its resource is bumped. (Aegis, paper 3.2; self-authenticating as in its section 5.) */
#pragma once

#include <aegis/types.h>

enum aegis_cap_kind {
	CAP_FRAMES = 1, /* first, count: frame numbers */
	CAP_SLICES,     /* first, count: positions; the CPU in the high half of first. With RIGHT_WRITE: may be allocated anew */
	CAP_ENV,        /* first: env_id; count 1. With RIGHT_WRITE: may be commanded */
	CAP_DEVICE,     /* first: enum aegis_device; count 1 */
	CAP_EXTENT,     /* first: EXTENT(disk, sector), count: sectors (disk.h) */
	CAP_FILTER,     /* first: a filter; count 1. With RIGHT_WRITE: others may be installed within it (net.h) */
};

enum {
	RIGHT_READ = 1,
	RIGHT_WRITE = 2,
	RIGHT_EXEC = 4,
	RIGHT_GRANT = 8, /* may be narrowed into further capabilities */
};

enum aegis_device {
	DEVICE_CONSOLE0, /* the first serial line: also the kernel's log */
	DEVICE_CONSOLE1, /* the second serial line, where there is one */
	DEVICE_MACHINE,  /* power */
	DEVICE_NET0,     /* the first network interface, where there is one; */
	DEVICE_NET_LAST = DEVICE_NET0 + 3, /* and more */
	DEVICE_COUNT,
};

struct aegis_cap {
	uint16_t kind, rights;
	uint32_t epoch; /* of the resource; UINT32_MAX in the first environment's: any */
	uint64_t first, count;
	uint64_t seal; /* SipHash-2-4 of all the above, under the boot's random key */
};
