/* exos/sched/time.c: nanoseconds and ticks are the same time, whatever the rate of the counter; no rate is too high. */
#include <exos/sched/wait.h>
#include <exos/start.h>

#include "check.h"

static struct aegis_info info;
const struct aegis_info *machine_info = &info;

/* There and back, within a millionth and what a tick is. */
static bool keeps(uint64_t hz, uint64_t ns)
{
	uint64_t back = time_of_ticks(time_to_ticks(ns)), tick = 1000000000 / hz + 1;

	return back <= ns && ns - back <= ns / 1000000 + 2 * tick;
}

static bool all_times(uint64_t hz)
{
	bool all = true;

	info.tsc_hz = hz;
	time_start(0);
	for (int i = 0; i < 1000; i++)
		all = keeps(hz, random_below(1ul << (10 + i % 44))) && all;
	return all;
}

int main(int argc, char **argv)
{
	static const uint64_t rates[] = {1000000, 999999937, 1000000000, 2599999999, 4294967295, 4294967296, 4300000000, 4999999999, 5700000000, 71000000000};

	test_start(argc, argv);
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		ok(all_times(rates[i]), "at %lu Hz a time in ticks is that time", rates[i]);
	return done_testing();
}
