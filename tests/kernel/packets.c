/* See packets.h. */
#include <tests/kernel/packets.h>

#define INFO_WINDOW 0x228000000000ul
#define PATIENCE_MS 20

static void bytes_set(void *to, uint8_t byte, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = byte;
}

int64_t port_open(struct port *p, uint32_t device, uint32_t slots, uint64_t va)
{
	struct aegis_ring_spec spec = { .device = device, .slots = slots, .frames = (uint64_t)p->frames };

	p->device = device;
	p->slots = slots;
	p->seen = 0;
	p->name = spec.object = frame();
	p->control = spec.control = frame();
	p->ring = (void *)va;
	p->slot_base = (void *)(va + FRAME_SIZE);
	bind(0, va, BIND_ENTRY(p->control, BIND_READ | BIND_WRITE));
	for (uint32_t i = 0; i < slots / 2; i++) {
		p->frames[i] = frame();
		bind(0, va + (i + 1) * FRAME_SIZE, BIND_ENTRY(p->frames[i], BIND_READ | BIND_WRITE));
	}
	return aegis_ring_create(&spec);
}

int64_t port_close(struct port *p)
{
	int64_t result;

	do
		result = aegis_ring_destroy(p->name);
	while (result == -E_AGAIN);
	for (uint32_t i = 0; i <= p->slots / 2; i++)
		bind_once(0, (uint64_t)p->ring + i * FRAME_SIZE, 0);
	give(p->name);
	give(p->control);
	for (uint32_t i = 0; i < p->slots / 2; i++)
		give(p->frames[i]);
	return result;
}

struct aegis_packet *port_packet(const struct port *p, uint32_t n) { return (struct aegis_packet *)(p->slot_base + n % p->slots * NET_SLOT_SIZE); }

struct aegis_packet *port_next(struct port *p)
{
	uint64_t until = ticks() + milliseconds(PATIENCE_MS);

	p->ring->consumed = p->seen;
	while (p->ring->produced == p->seen)
		if (ticks() > until)
			return NULL;
	return port_packet(p, p->seen++);
}

bool port_settle(const struct port *p)
{
	uint64_t until = ticks() + milliseconds(PATIENCE_MS);

	while (p->ring->sent != p->ring->accepted)
		if (ticks() > until)
			return false;
	return true;
}

void atoms_of(struct aegis_atom atoms[2], uint32_t number)
{
	atoms[0] = (struct aegis_atom){ .offset = 12, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = KIND };
	atoms[1] = (struct aegis_atom){ .offset = 14, .size = 4, .kind = ATOM_COMPARE, .mask = UINT32_MAX, .value = number };
}

int64_t filter_for(const struct port *p, uint32_t number, env_id env, const struct aegis_cap *cap)
{
	struct aegis_atom atoms[2];
	struct aegis_filter_spec spec = { .ring = p->name, .env = env, .tag = number * 3ul, .atoms = (uint64_t)atoms, .atom_count = 2, .device = p->device };

	atoms_of(atoms, number);
	return aegis_filter_install(&spec, cap);
}

int64_t guard_for(const struct port *p, uint32_t number)
{
	struct aegis_atom atoms[2];

	atoms_of(atoms, number);
	return aegis_guard_add(p->name, atoms, 2, &boot->devices[p->device]);
}

struct aegis_send *frame_of(uint32_t number, uint32_t length, frame_t rest)
{
	static uint8_t header[NET_HEADER_MAX];
	static struct aegis_send send;
	uint32_t own = rest != FRAME_ANY ? HEADER : length;

	bytes_set(header, 0xff, 12); /* to all, from nobody */
	header[12] = KIND >> 8, header[13] = KIND & 255;
	for (uint32_t i = 0; i < 4; i++)
		header[14 + i] = (uint8_t)(number >> (24 - 8 * i));
	for (uint32_t i = HEADER; i < own; i++)
		header[i] = (uint8_t)(number + i);
	send = (struct aegis_send){ .header = (uint64_t)header, .header_length = own };
	if (rest != FRAME_ANY)
		send.pieces[0] = (struct aegis_piece){ rest, 0, (uint16_t)(length - own) };
	return &send;
}

int64_t send_number(const struct port *p, uint32_t number) { return aegis_net_send(p->name, frame_of(number, 60, FRAME_ANY), 1); }

const volatile struct aegis_net_info *device_info(uint32_t device)
{
	uint64_t at = (device - DEVICE_NET0) * sizeof(struct aegis_net_info);

	bind(0, INFO_WINDOW, BIND_ENTRY(info->net.first + at / FRAME_SIZE, BIND_READ));
	return (const volatile struct aegis_net_info *)(INFO_WINDOW + at % FRAME_SIZE);
}
