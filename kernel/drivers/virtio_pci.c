/* virtio over PCI (virtio 1.2, 4.1), and as much of PCI as that takes: configuration through the two ports that every PC has, the buses that firmware has numbered,
 * base addresses as firmware has set them, and MSI-X (PCI Local Bus 3.0, 3.2.2.3.2, 6.7, 6.8.2). All interrupts of a device are one vector, so the I/O APIC and
 * its routing are not needed. A device without MSI-X is left alone. */
#include <kernel/drivers/virtio.h>
#include <kernel/x86_64/cpu.h>
#include <kernel/x86_64/paging.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000u
#define VENDOR 0x1af4
#define MODERN 0x1040       /* + type; */
#define TRANSITIONAL 0x1000 /* on; the type is the subsystem's number then */
#define MOST_CAPABILITIES 48 /* as many as fit: a list that is longer goes in a circle */
enum { PCI_ID = 0, PCI_COMMAND = 4, PCI_HEADER = 0xc, PCI_BAR = 0x10, PCI_BUSES = 0x18, PCI_SUBSYSTEM = 0x2c, PCI_CAPABILITIES = 0x34 };
enum { COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 0x400, STATUS_CAPABILITIES = 0x100000 };
enum { CAPABILITY_VENDOR = 9, CAPABILITY_MSIX = 0x11 };
enum { BAR_PORTS = 1, BAR_64_BITS = 4, BAR_KIND = 6 };
#define MSIX_ENABLE 0x80000000u
#define MSIX_MASK_ALL 0x40000000u
#define MSIX_ENTRY 16
#define NO_VECTOR 0xffff
/* virtio_pci_cap.cfg_type */
enum { AREA_COMMON = 1, AREA_NOTIFY, AREA_ISR, AREA_DEVICE };
/* struct virtio_pci_common_cfg */
enum { C_FEATURES_HALF = 0, C_FEATURES = 4, C_ACCEPT_HALF = 8, C_ACCEPT = 12, C_CONFIG_VECTOR = 16, C_QUEUES = 18, C_STATUS = 20, C_GENERATION = 21, C_QUEUE = 22,
	C_QUEUE_SIZE = 24, C_QUEUE_VECTOR = 26, C_QUEUE_ENABLE = 28, C_QUEUE_DOORBELL = 30, C_DESCRIPTORS = 32, C_AVAILABLE = 40, C_USED = 48, C_SIZE = 56 };

/* A function's place: bus, device, function as the address port takes them. */
static uint32_t place(uint32_t bus, uint32_t device, uint32_t function) { return CONFIG_ENABLE | bus << 16 | device << 11 | function << 8; }

static uint32_t pci_get(uint32_t where, uint32_t at)
{
	outl(CONFIG_ADDRESS, where | (at & 0xfc));
	return inl(CONFIG_DATA);
}

static void pci_set(uint32_t where, uint32_t at, uint32_t value)
{
	outl(CONFIG_ADDRESS, where | (at & 0xfc));
	outl(CONFIG_DATA, value);
}

static uint8_t get8(const struct virtio *v, uint32_t at) { return v->registers[at]; }
static void set8(struct virtio *v, uint32_t at, uint8_t value) { v->registers[at] = value; }
static uint16_t get16(const struct virtio *v, uint32_t at) { return *(volatile uint16_t *)(v->registers + at); }
static void set16(struct virtio *v, uint32_t at, uint16_t value) { *(volatile uint16_t *)(v->registers + at) = value; }
static uint32_t get32(const struct virtio *v, uint32_t at) { return *(volatile uint32_t *)(v->registers + at); }
static void set32(struct virtio *v, uint32_t at, uint32_t value) { *(volatile uint32_t *)(v->registers + at) = value; }

static uint8_t status(struct virtio *v) { return get8(v, C_STATUS); }
static uint32_t generation(struct virtio *v) { return get8(v, C_GENERATION); }
static uint8_t config(struct virtio *v, uint32_t offset) { return v->own && offset < v->own_size ? v->own[offset] : 0; }
static void notify(struct virtio_queue *q) { *(volatile uint16_t *)q->doorbell = q->number; }
static void acknowledge(struct virtio *v) { (void)v; } /* a message needs none */

static void set_status(struct virtio *v, uint8_t value)
{
	set8(v, C_STATUS, value);
	if (value == (STATUS_ACKNOWLEDGE | STATUS_DRIVER))
		set16(v, C_CONFIG_VECTOR, 0); /* a reset has taken it away */
}

static uint64_t features(struct virtio *v)
{
	uint64_t low;

	set32(v, C_FEATURES_HALF, 0);
	low = get32(v, C_FEATURES);
	set32(v, C_FEATURES_HALF, 1);
	return low | (uint64_t)get32(v, C_FEATURES) << 32;
}

static void accept(struct virtio *v, uint64_t accepted)
{
	set32(v, C_ACCEPT_HALF, 0);
	set32(v, C_ACCEPT, (uint32_t)accepted);
	set32(v, C_ACCEPT_HALF, 1);
	set32(v, C_ACCEPT, (uint32_t)(accepted >> 32));
}

static uint16_t room(struct virtio *v, uint16_t queue)
{
	if (queue >= get16(v, C_QUEUES))
		return 0;
	set16(v, C_QUEUE, queue);
	return get16(v, C_QUEUE_SIZE);
}

static void set_address(struct virtio *v, uint32_t at, const void *ring)
{
	uint64_t address = (uint64_t)ring - PHYSICAL_MAP;

	set32(v, at, (uint32_t)address);
	set32(v, at + 4, (uint32_t)(address >> 32));
}

static bool start(struct virtio_queue *q)
{
	struct virtio *v = q->device;
	uint64_t doorbell;

	set16(v, C_QUEUE, q->number);
	if (get16(v, C_QUEUE_ENABLE))
		return false;
	doorbell = (uint64_t)get16(v, C_QUEUE_DOORBELL) * v->doorbell_step;
	if (doorbell % 2 || doorbell + 2 > v->doorbell_size)
		return false;
	q->doorbell = v->doorbell + doorbell;
	set16(v, C_QUEUE_SIZE, q->size);
	set_address(v, C_DESCRIPTORS, q->descriptors);
	set_address(v, C_AVAILABLE, q->available);
	set_address(v, C_USED, q->used);
	set16(v, C_QUEUE_VECTOR, 0);
	if (get16(v, C_QUEUE_VECTOR) == NO_VECTOR)
		return false;
	set16(v, C_QUEUE_ENABLE, 1);
	return true;
}

/* The table's first entry, to this CPU; then the function is no longer masked. */
static void enable(struct virtio *v, uint8_t vector)
{
	volatile uint32_t *entry = (volatile uint32_t *)v->vectors;
	uint32_t where = v->interrupt & ~0xffu, at = v->interrupt & 0xff;

	entry[0] = 0xfee00000 | this_cpu()->apic_id << 12;
	entry[1] = 0;
	entry[2] = vector;
	entry[3] = 0;
	pci_set(where, at, (pci_get(where, at) | MSIX_ENABLE) & ~MSIX_MASK_ALL);
}

static const struct virtio_transport transport = { .status = status, .set_status = set_status, .features = features, .accept = accept, .config = config,
	.generation = generation, .room = room, .start = start, .notify = notify, .enable = enable, .acknowledge = acknowledge };

/* A part of what a base address register points to. Null: it does not point to memory, or there is no window for it. */
static volatile uint8_t *area(uint32_t where, uint32_t bar, uint64_t offset, uint64_t bytes)
{
	uint64_t address;

	if (bar > 5)
		return NULL;
	address = pci_get(where, PCI_BAR + 4 * bar);
	if (address & BAR_PORTS)
		return NULL;
	if ((address & BAR_KIND) == BAR_64_BITS) {
		if (bar == 5)
			return NULL;
		address |= (uint64_t)pci_get(where, PCI_BAR + 4 * bar + 4) << 32;
	}
	address &= ~0xful;
	return address ? device_window(address + offset, bytes) : NULL;
}

/* Only the first area of a kind counts (4.1.4.1). An area that is too large for what is known of it is mapped as far as that. */
static void read_virtio_capability(struct virtio *v, uint32_t where, uint32_t at)
{
	uint32_t kind = pci_get(where, at) >> 24, bar = pci_get(where, at + 4) & 255, offset = pci_get(where, at + 8), size = pci_get(where, at + 12);

	if (offset % 4)
		return;
	if (kind == AREA_COMMON && !v->registers && size >= C_SIZE) {
		v->registers = area(where, bar, offset, C_SIZE);
	} else if (kind == AREA_NOTIFY && !v->doorbell) {
		v->doorbell_step = pci_get(where, at + 16);
		v->doorbell_size = size < 64 * FRAME_SIZE ? size : 64 * FRAME_SIZE;
		v->doorbell = area(where, bar, offset, v->doorbell_size);
	} else if (kind == AREA_DEVICE && !v->own) {
		v->own_size = size < FRAME_SIZE ? size : FRAME_SIZE;
		v->own = area(where, bar, offset, v->own_size);
	}
}

static void look(uint32_t where, void (*found)(const struct virtio *v))
{
	struct virtio v = { .transport = &transport };
	uint32_t command = pci_get(where, PCI_COMMAND), at = pci_get(where, PCI_CAPABILITIES) & 0xfc;

	if (!(command & STATUS_CAPABILITIES))
		return;
	pci_set(where, PCI_COMMAND, (command & 0xffff) | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX); /* writing 0 to the status half changes nothing */
	for (uint32_t i = 0; at && i < MOST_CAPABILITIES; i++, at = pci_get(where, at) >> 8 & 0xfc) {
		uint32_t id = pci_get(where, at) & 255;

		if (id == CAPABILITY_VENDOR) {
			read_virtio_capability(&v, where, at);
		} else if (id == CAPABILITY_MSIX && !v.vectors) {
			uint32_t table = pci_get(where, at + 4);

			v.vectors = area(where, table & 7, table & ~7u, MSIX_ENTRY);
			v.interrupt = where | at;
		}
	}
	if (!v.registers || !v.doorbell || !v.vectors)
		return;
	/* Queues can be given a vector only while messages are on; none goes out before it is known where. */
	pci_set(where, v.interrupt & 0xff, pci_get(where, v.interrupt & 0xff) | MSIX_ENABLE | MSIX_MASK_ALL);
	found(&v);
}

static uint32_t type_of(uint32_t where, uint32_t id)
{
	uint32_t number = id >> 16;

	if ((id & 0xffff) != VENDOR)
		return 0;
	if (number < TRANSITIONAL)
		return 0;
	return number >= MODERN ? number - MODERN : pci_get(where, PCI_SUBSYSTEM) >> 16;
}

/* Behind a bridge there are only buses of higher numbers, or it is not believed: so this ends. */
static void scan(uint32_t bus, uint32_t type, void (*found)(const struct virtio *v))
{
	for (uint32_t device = 0; device < 32; device++) {
		uint32_t functions = pci_get(place(bus, device, 0), PCI_HEADER) >> 16 & 0x80 ? 8 : 1;

		for (uint32_t function = 0; function < functions; function++) {
			uint32_t where = place(bus, device, function), id = pci_get(where, PCI_ID), behind;

			if ((id & 0xffff) == 0xffff) {
				if (function == 0)
					break;
				continue;
			}
			behind = pci_get(where, PCI_BUSES) >> 8 & 255;
			if ((pci_get(where, PCI_HEADER) >> 16 & 0x7f) == 1 && behind > bus)
				scan(behind, type, found);
			else if (type_of(where, id) == type)
				look(where, found);
		}
	}
}

void virtio_pci_find(uint32_t type, void (*found)(const struct virtio *v))
{
	if ((pci_get(CONFIG_ENABLE, PCI_ID) & 0xffff) != 0xffff) /* without a bus this reads as ones */
		scan(0, type, found);
}
