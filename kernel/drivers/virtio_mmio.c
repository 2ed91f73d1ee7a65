/* virtio over memory-mapped registers (virtio 1.2, 4.2): what a microvm has. Transports cannot be probed for: the command line names them, as it does to Linux
 * (virtio_mmio.device=SIZE@ADDRESS:INTERRUPT), or ACPI does. */
#include <kernel/boot.h>
#include <kernel/drivers/virtio.h>
#include <kernel/log.h>
#include <kernel/x86_64/acpi.h>
#include <kernel/x86_64/cpu.h>
#include <kernel/x86_64/paging.h>

#define MAGIC 0x74726976
#define VERSION 2 /* 1 is from before the standard */
#define REGISTERS 0x200
#define OPTION "virtio_mmio.device="

enum { R_MAGIC = 0, R_VERSION = 4, R_TYPE = 8, R_FEATURES = 0x10, R_FEATURES_HALF = 0x14, R_ACCEPT = 0x20, R_ACCEPT_HALF = 0x24, R_QUEUE = 0x30, R_QUEUE_ROOM = 0x34,
	R_QUEUE_SIZE = 0x38, R_QUEUE_READY = 0x44, R_NOTIFY = 0x50, R_INTERRUPT = 0x60, R_ACKNOWLEDGE = 0x64, R_STATUS = 0x70, R_DESCRIPTORS = 0x80,
	R_AVAILABLE = 0x90, R_USED = 0xa0, R_GENERATION = 0xfc, R_CONFIG = 0x100 };

static uint32_t get(const struct virtio *v, uint32_t at) { return *(volatile uint32_t *)(v->registers + at); }
static void set(struct virtio *v, uint32_t at, uint32_t value) { *(volatile uint32_t *)(v->registers + at) = value; }

static uint8_t status(struct virtio *v) { return (uint8_t)get(v, R_STATUS); }
static void set_status(struct virtio *v, uint8_t value) { set(v, R_STATUS, value); }
static uint8_t config(struct virtio *v, uint32_t offset) { return offset < REGISTERS - R_CONFIG ? v->registers[R_CONFIG + offset] : 0; }
static uint32_t generation(struct virtio *v) { return get(v, R_GENERATION); }
static void notify(struct virtio_queue *q) { set(q->device, R_NOTIFY, q->number); }
static void acknowledge(struct virtio *v) { set(v, R_ACKNOWLEDGE, get(v, R_INTERRUPT)); }
static void enable(struct virtio *v, uint8_t vector) { ioapic_route_at(v->vectors, v->interrupt, vector); }

static uint64_t features(struct virtio *v)
{
	uint64_t low;

	set(v, R_FEATURES_HALF, 0);
	low = get(v, R_FEATURES);
	set(v, R_FEATURES_HALF, 1);
	return low | (uint64_t)get(v, R_FEATURES) << 32;
}

static void accept(struct virtio *v, uint64_t accepted)
{
	set(v, R_ACCEPT_HALF, 0);
	set(v, R_ACCEPT, (uint32_t)accepted);
	set(v, R_ACCEPT_HALF, 1);
	set(v, R_ACCEPT, (uint32_t)(accepted >> 32));
}

static uint16_t room(struct virtio *v, uint16_t queue)
{
	uint32_t most;

	set(v, R_QUEUE, queue);
	most = get(v, R_QUEUE_ROOM);
	return most < 0x8000 ? (uint16_t)most : 0x8000;
}

static void set_address(struct virtio *v, uint32_t at, const void *ring)
{
	uint64_t address = (uint64_t)ring - PHYSICAL_MAP;

	set(v, at, (uint32_t)address);
	set(v, at + 4, (uint32_t)(address >> 32));
}

static bool start(struct virtio_queue *q)
{
	struct virtio *v = q->device;

	set(v, R_QUEUE, q->number);
	if (get(v, R_QUEUE_READY))
		return false;
	set(v, R_QUEUE_SIZE, q->size);
	set_address(v, R_DESCRIPTORS, q->descriptors);
	set_address(v, R_AVAILABLE, q->available);
	set_address(v, R_USED, q->used);
	set(v, R_QUEUE_READY, 1);
	return true;
}

static const struct virtio_transport transport = { .status = status, .set_status = set_status, .features = features, .accept = accept, .config = config,
	.generation = generation, .room = room, .start = start, .notify = notify, .enable = enable, .acknowledge = acknowledge };

static void look(uint64_t address, uint32_t interrupt, uint32_t type, void (*found)(const struct virtio *v))
{
	struct virtio v = { .transport = &transport, .registers = address % 4 ? NULL : device_window(address, REGISTERS) };

	if (v.registers && get(&v, R_MAGIC) == MAGIC && get(&v, R_VERSION) == VERSION && get(&v, R_TYPE) == type && (v.vectors = ioapic_find(interrupt, &v.interrupt)))
		found(&v);
}

/* A number as C writes it; *at is moved behind it. */
static uint64_t number(const char **at)
{
	uint64_t base = 10, n = 0;

	if ((*at)[0] == '0' && (*at)[1] == 'x') {
		base = 16;
		*at += 2;
	}
	for (;; ++*at) {
		uint64_t digit = base;

		if (**at >= '0' && **at <= '9')
			digit = (uint64_t)(**at - '0');
		else if (**at >= 'a' && **at <= 'f')
			digit = (uint64_t)(**at - 'a' + 10);
		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

static bool begins_with(const char *text, const char *with)
{
	for (; *with; text++, with++)
		if (*text != *with)
			return false;
	return true;
}

/* The next transport that the command line names behind *at, which is moved on. What is not written as it should be is passed over. */
static bool next_option(const char **at, uint64_t *address, uint32_t *interrupt)
{
	for (; **at; ++*at) {
		if (!begins_with(*at, OPTION))
			continue;
		while (**at && **at != '@' && **at != ' ')
			++*at;
		if (**at != '@') {
			--*at;
			continue;
		}
		++*at;
		*address = number(at);
		if (**at != ':') {
			--*at;
			continue;
		}
		++*at;
		*interrupt = (uint32_t)number(at);
		return true;
	}
	return false;
}

void virtio_mmio_find(uint32_t type, void (*found)(const struct virtio *v))
{
	const char *at = boot_memory.command_line;
	uint64_t address;
	uint32_t interrupt;
	bool named = false;

	while (next_option(&at, &address, &interrupt)) {
		look(address, interrupt, type, found);
		named = true;
	}
	for (uint32_t n = 0; !named && acpi_virtio(n, &address, &interrupt); n++)
		look(address, interrupt, type, found);
}
