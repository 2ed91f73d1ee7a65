/* The end of the machine. Each way is tried in turn; the last stops the CPU. */
#include <kernel/device.h>
#include <kernel/x86_64/cpu.h>

#define EXIT_PORT 0xf4        /* QEMU's isa-debug-exit: its status becomes (v << 1) | 1 */
#define ACPI_CONTROL 0x604    /* PM1a control of QEMU's q35; S5 is sleep type 0 there */
#define KEYBOARD_CONTROL 0x64 /* reset line */

void power_off(uint32_t status)
{
	outb(EXIT_PORT, (uint8_t)status);
	outw(ACPI_CONTROL, 0x2000);
	outb(KEYBOARD_CONTROL, 0xfe);
	cpu_stop();
}
