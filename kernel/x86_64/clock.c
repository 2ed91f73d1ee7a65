/* How fast the time-stamp counter and the APIC timer run, measured against the one clock whose rate is known, the PIT; and the date. */
#include <kernel/log.h>
#include <kernel/x86_64/clock.h>
#include <kernel/x86_64/cpu.h>

#define PIT_HZ 1193182ul
#define MEASURE_TICKS 2386u /* 2 ms */
#define MEASUREMENTS 20
#define AGREEMENT 128       /* two measurements agree that differ by less than one in so many */
#define RTC_INDEX 0x70
#define RTC_DATA 0x71

uint64_t tsc_hz, boot_seconds, apic_ticks_per_tsc_q32;

static uint16_t pit_count(void)
{
	uint8_t low;

	outb(0x43, 0x80); /* latch channel 2 */
	low = inb(0x42);
	return (uint16_t)(low | inb(0x42) << 8);
}

struct rates {
	uint64_t tsc_hz, apic_per_tsc_q32;
};

static struct rates measure_once(void)
{
	uint64_t start, ticks;
	uint16_t first, last;
	uint32_t gone;

	outb(0x61, (uint8_t)((inb(0x61) & ~2) | 1)); /* channel 2 counts, the speaker is silent */
	outb(0x43, 0xb0);                            /* channel 2, both bytes, mode 0 */
	outb(0x42, 0xff);
	outb(0x42, 0xff);
	first = pit_count();
	start = read_tsc();
	apic_count_start();
	do
		last = pit_count();
	while ((uint16_t)(first - last) < MEASURE_TICKS);
	ticks = read_tsc() - start;
	gone = apic_count_stop();
	return (struct rates){ticks * PIT_HZ / (uint16_t)(first - last), ((uint64_t)gone << 32) / ticks};
}

static bool agree(uint64_t a, uint64_t b) { return (a > b ? a - b : b - a) <= a / AGREEMENT; }

/* Where the machine is emulated, others may run between any two instructions here, for longer than the PIT takes to go round (55 ms): then the time-stamp
 * counter seems several times as fast. So two measurements have to agree. */
static void measure(void)
{
	struct rates r = measure_once(), before;
	int n = 0;

	do {
		before = r;
		r = measure_once();
	} while (!(agree(r.tsc_hz, before.tsc_hz) && agree(r.apic_per_tsc_q32, before.apic_per_tsc_q32)) && ++n < MEASUREMENTS);
	tsc_hz = r.tsc_hz;
	apic_ticks_per_tsc_q32 = r.apic_per_tsc_q32;
	/* Emulated under instruction counting both run at a whole number of Hz that the PIT's grain blurs. */
	tsc_hz = (tsc_hz + 500000) / 1000000 * 1000000;
	if (!tsc_hz || !apic_ticks_per_tsc_q32)
		refuse("the machine's timers do not run");
}

static uint32_t rtc(uint8_t at)
{
	uint8_t v;

	outb(RTC_INDEX, at);
	v = inb(RTC_DATA);
	return (v & 15) + (v >> 4) * 10u;
}

static void read_calendar(void)
{
	static const uint16_t days_before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	uint32_t year = 2000 + rtc(9), month = rtc(8), leap;
	uint64_t days;

	if (month < 1 || month > 12)
		return; /* no clock: 1970 */
	leap = year - (month <= 2);
	days = (year - 1970) * 365ul + (leap / 4 - leap / 100 + leap / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400) +
	       days_before[month - 1] + rtc(7) - 1;
	boot_seconds = days * 86400 + rtc(4) * 3600ul + rtc(2) * 60ul + rtc(0);
}

void clock_start(void)
{
	measure();
	read_calendar();
}
