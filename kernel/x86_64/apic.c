/* The local APIC (timer, end of interrupt, interrupts between CPUs) and the I/O APIC's lines (Intel SDM vol. 3, chapter 11; 82093AA data sheet). */
#include <kernel/log.h>
#include <kernel/x86_64/acpi.h>
#include <kernel/x86_64/clock.h>
#include <kernel/x86_64/cpu.h>
#include <kernel/x86_64/paging.h>

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define IOAPIC_ADDRESS 0xfec00000 /* where every PC has its first one */
#define IOAPIC_SIZE 0x20
#define IOAPIC_VERSION 1

enum { APIC_ID = 0x20, APIC_EOI = 0xb0, APIC_SPURIOUS = 0xf0, APIC_COMMAND = 0x300, APIC_COMMAND_TO = 0x310, APIC_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_LINT1 = 0x360,
	APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3e0 };
#define TIMER_DEADLINE_MODE (2u << 17)
#define MASKED (1u << 16)
#define COMMAND_INIT (5u << 8)
#define COMMAND_STARTUP (6u << 8)
#define COMMAND_PENDING (1u << 12)
#define COMMAND_ASSERT (1u << 14) /* as all but the historical de-assert are */

static volatile uint8_t *local_apic, *io_apic; /* written once at start */

static void apic_write(uint32_t at, uint32_t v) { *(volatile uint32_t *)(local_apic + at) = v; }
static uint32_t apic_read(uint32_t at) { return *(volatile uint32_t *)(local_apic + at); }

static void ioapic_write(volatile uint8_t *ioapic, uint32_t at, uint32_t v)
{
	*(volatile uint32_t *)ioapic = at;
	*(volatile uint32_t *)(ioapic + 16) = v;
}

void apic_start(void)
{
	/* The old interrupt controllers, if there are any: mapped out of the exceptions' way, and silent. */
	outb(0x20, 0x11), outb(0xa0, 0x11);
	outb(0x21, 0xe0), outb(0xa1, 0xe8);
	outb(0x21, 4), outb(0xa1, 2);
	outb(0x21, 1), outb(0xa1, 1);
	outb(0x21, 0xff), outb(0xa1, 0xff);

	local_apic = device_window(read_msr(MSR_APIC_BASE) & 0xffffff000, FRAME_SIZE);
	io_apic = device_window(IOAPIC_ADDRESS, IOAPIC_SIZE);
	apic_cpu_start();
}

void apic_cpu_start(void)
{
	write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | 1 << 11);
	this_cpu()->apic_id = apic_read(APIC_ID) >> 24;
	apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	apic_write(APIC_LINT0, MASKED);
	apic_write(APIC_LINT1, MASKED);
	apic_write(APIC_DIVIDE, 0xb); /* by 1 */
	apic_write(APIC_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? TIMER_DEADLINE_MODE : 0));
}

void apic_end_of_interrupt(void) { apic_write(APIC_EOI, 0); }

/* Interrupts are off, so that nothing comes between the two writes of a command. */
static void send(uint32_t apic_id, uint32_t command)
{
	apic_write(APIC_COMMAND_TO, apic_id << 24);
	apic_write(APIC_COMMAND, command | COMMAND_ASSERT);
	while (apic_read(APIC_COMMAND) & COMMAND_PENDING)
		cpu_relax();
}

void apic_send(uint32_t apic_id, uint8_t vector) { send(apic_id, vector); }
void apic_send_init(uint32_t apic_id) { send(apic_id, COMMAND_INIT); }
void apic_send_startup(uint32_t apic_id, uint8_t page) { send(apic_id, COMMAND_STARTUP | page); }

void apic_timer_set(uint64_t at)
{
	uint64_t now = read_tsc();
	uint64_t ticks;

	if (cpu_features.tsc_deadline) {
		write_msr(MSR_TSC_DEADLINE, at);
		return;
	}
	ticks = at > now ? (uint64_t)((unsigned __int128)(at - now) * apic_ticks_per_tsc_q32 >> 32) + 1 : 1;
	apic_write(APIC_INITIAL, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}

/* For clock.c: the count that the timer has gone down since apic_count_start. */
void apic_count_start(void) { apic_write(APIC_INITIAL, UINT32_MAX); }
uint32_t apic_count_stop(void)
{
	uint32_t gone = UINT32_MAX - apic_read(APIC_CURRENT);

	apic_write(APIC_INITIAL, 0);
	return gone;
}

void ioapic_route_at(volatile uint8_t *ioapic, uint32_t line, uint8_t vector)
{
	ioapic_write(ioapic, 0x10 + 2 * line + 1, this_cpu()->apic_id << 24);
	ioapic_write(ioapic, 0x10 + 2 * line, vector);
}

void ioapic_route(uint32_t line, uint8_t vector) { ioapic_route_at(io_apic, line, vector); }

volatile uint8_t *ioapic_find(uint32_t interrupt, uint32_t *line)
{
	volatile uint8_t *ioapic = io_apic;
	uint64_t address;
	uint32_t first = 0;

	if (acpi_ioapic(interrupt, &address, &first) && address != IOAPIC_ADDRESS)
		ioapic = device_window(address, IOAPIC_SIZE);
	if (!ioapic)
		return NULL;
	*line = interrupt - first;
	*(volatile uint32_t *)ioapic = IOAPIC_VERSION; /* and in bits 16 to 23 the last line */
	return *line <= (*(volatile uint32_t *)(ioapic + 16) >> 16 & 255) ? ioapic : NULL;
}
