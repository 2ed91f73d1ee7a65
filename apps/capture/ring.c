/* See ring.h. */
#include "ring.h"

#include <errno.h>
#include <exos/lib/net/program.h>
#include <exos/lib/x86_64/calls.h>

#define SLOTS 512 /* 1 MiB */

static struct exos_net net;
static frame_t frames[SLOTS / 2]; /* two slots in each */
static struct aegis_ring *control;

int ring_start(void)
{
	int64_t error;

	if (!exos_here())
		return -ENOSYS;
	net = (struct exos_net){ .frames = (uintptr_t)frames, .slots = SLOTS };
	error = exos_net(&net);
	if (!error)
		control = exos_frame_bytes(net.control);
	return (int)error;
}

int ring_filter(const struct aegis_bpf *program, uint32_t n, bool *compiled) { return filter_program(&net, program, n, 0, compiled); }

const struct aegis_packet *ring_first(void)
{
	uint32_t at = control->consumed;

	if (__atomic_load_n(&control->produced, __ATOMIC_ACQUIRE) == at)
		return NULL;
	at %= SLOTS;
	return (const struct aegis_packet *)((const uint8_t *)exos_frame_bytes(frames[at / 2]) + at % 2 * NET_SLOT_SIZE);
}

void ring_done(void) { __atomic_store_n(&control->consumed, control->consumed + 1, __ATOMIC_RELEASE); }

void ring_wait(void) { exos_net_wait(control->consumed, 0); }

uint64_t ring_dropped(void) { return control->dropped; }

/* By the time-stamp counter it was so long ago. */
struct timespec ring_time(const struct aegis_packet *p)
{
	const struct aegis_info *info = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_nsec - (int64_t)((unsigned __int128)(__builtin_ia32_rdtsc() - p->arrived) * 1000000000 / info->tsc_hz);
	for (; ns < 0; ns += 1000000000)
		now.tv_sec--;
	now.tv_nsec = ns;
	return now;
}
