/* Times in seconds and microseconds, as resource usage and interval timers have them. */
#pragma once

#include <exos/base.h>

struct linux_timeval {
	int64_t seconds, microseconds;
};

/* To the nearest microsecond: a time that went through ticks and back shall look as it did. */
static inline struct linux_timeval linux_timeval(uint64_t ns)
{
	uint64_t microseconds = ns / 1000 + (ns % 1000 >= 500);

	return (struct linux_timeval){(int64_t)(microseconds / 1000000), (int64_t)(microseconds % 1000000)};
}
