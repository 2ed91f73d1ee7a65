/* Time: the time-stamp counter, scaled. No kernel call. */
#include <exos/sched/wait.h>
#include <exos/start.h>
#include <exos/x86_64/tsc.h>

#define NS_PER_SECOND 1000000000ul

static uint64_t calendar_at_boot; /* ns; a single word, so that readers need no lock */
static uint64_t ns_per_tick_q32, ticks_per_ns_q32;

static uint64_t scale(uint64_t v, uint64_t q32) { return (uint64_t)((unsigned __int128)v * q32 >> 32); }

void time_start(uint64_t calendar_seconds)
{
	uint64_t hz = machine_info->tsc_hz;

	ns_per_tick_q32 = (NS_PER_SECOND << 32) / hz;
	ticks_per_ns_q32 = (hz / NS_PER_SECOND << 32) + (hz % NS_PER_SECOND << 32) / NS_PER_SECOND; /* hz << 32 need not fit a word */
	calendar_at_boot = calendar_seconds * NS_PER_SECOND;
}

uint64_t ticks_now(void) { return read_tsc(); }
uint64_t time_of_ticks(uint64_t ticks) { return scale(ticks, ns_per_tick_q32); }
uint64_t time_to_ticks(uint64_t ns) { return scale(ns, ticks_per_ns_q32); }
uint64_t time_monotonic(void) { return time_of_ticks(read_tsc() - machine_info->boot_tsc); }
uint64_t time_calendar(void) { return calendar_at_boot + time_monotonic(); }
void time_set_calendar(uint64_t ns) { calendar_at_boot = ns - time_monotonic(); }

uint64_t time_deadline(uint64_t ns_from_now)
{
	uint64_t now = read_tsc(), ticks = time_to_ticks(ns_from_now);

	return ticks > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + ticks + 1;
}
