/* 16550 serial lines at the PC's first two places. Bytes in and out, never waiting: what does not fit the FIFO is the caller's to offer again. */
#include <kernel/device.h>
#include <kernel/log.h>
#include <kernel/x86_64/cpu.h>

static const uint16_t ports[2] = { 0x3f8, 0x2f8 };

enum { DATA = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, MODEM_CONTROL = 4, LINE_STATUS = 5, SCRATCH = 7 };
enum { STATUS_DATA = 1, STATUS_EMPTY = 0x20 };
#define FIFO_SIZE 16

bool uart_start(uint32_t line)
{
	uint16_t port = ports[line];

	outb(port + SCRATCH, 0x5a);
	if (inb(port + SCRATCH) != 0x5a)
		return false;
	outb(port + INTERRUPT_ENABLE, 0);
	outb(port + LINE_CONTROL, 0x80); /* divisor latch: 115,200 baud */
	outb(port + DATA, 1);
	outb(port + INTERRUPT_ENABLE, 0);
	outb(port + LINE_CONTROL, 3);    /* 8 bits, no parity, 1 stop bit */
	outb(port + FIFO_CONTROL, 0x87); /* on, cleared, interrupt at 8 bytes */
	outb(port + MODEM_CONTROL, 0x0b);
	return true;
}

void uart_enable_interrupt(uint32_t line) { outb(ports[line] + INTERRUPT_ENABLE, 1); }

size_t uart_write(uint32_t line, const uint8_t *bytes, size_t n)
{
	uint16_t port = ports[line];
	size_t done = 0;

	while (done < n && inb(port + LINE_STATUS) & STATUS_EMPTY)
		for (size_t i = 0; i < FIFO_SIZE && done < n; i++)
			outb(port + DATA, bytes[done++]);
	return done;
}

size_t uart_read(uint32_t line, uint8_t *bytes, size_t n)
{
	uint16_t port = ports[line];
	size_t done = 0;

	while (done < n && inb(port + LINE_STATUS) & STATUS_DATA)
		bytes[done++] = inb(port + DATA);
	return done;
}
