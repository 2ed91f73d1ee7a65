/* Devices: who owns each, bytes to and from serial lines, the end of the machine. */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/event.h>
#include <kernel/info.h>

#define CHUNK 512

static env_id owners[DEVICE_COUNT]; /* owner of both: the kernel lock */
static uint32_t epochs[DEVICE_COUNT];

void device_start(void)
{
	for (uint32_t line = 0; line < 2 && uart_start(line); line++)
		machine_info->consoles++;
	for (uint32_t line = 0; line < machine_info->consoles; line++)
		ioapic_route(line == 0 ? 4 : 3, (uint8_t)(VECTOR_CONSOLE0 + line));
}

void device_interrupt(enum aegis_device device)
{
	struct env *owner = owners[device] ? env_find(owners[device]) : NULL;

	if (owner)
		event_raise(owner, EVENT_CONSOLE);
}

/* Is it a serial line that the current environment's account may use? */
static bool console_mine(uint64_t device)
{
	struct env *owner;

	if (device >= machine_info->consoles || !owners[device])
		return false;
	owner = env_find(owners[device]);
	return owner && owner->account == this_cpu()->current->account;
}

int64_t call_device_bind(uint64_t capability, uint64_t env, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env);
	struct aegis_cap cap;
	int64_t error;

	(void)c, (void)d, (void)unused;
	if ((error = cap_fetch(&cap, capability, CAP_DEVICE, RIGHT_WRITE)))
		return error;
	if (!e || e->stopping)
		return -E_NOENV;
	if (!env_mine(e) || !epoch_valid(cap.epoch, epochs[cap.first])) /* a sealed capability names no device that is not there */
		return -E_DENIED;
	if (cap.first >= DEVICE_NET0)
		return -E_DENIED; /* its packets have owners, it has none */
	owners[cap.first] = e->id;
	if (cap.first < machine_info->consoles)
		uart_enable_interrupt((uint32_t)cap.first);
	return 0;
}

uint32_t device_epoch(uint32_t device) { return epochs[device]; }

int64_t device_end_epoch(const struct aegis_cap *cap)
{
	if (!epoch_valid(cap->epoch, epochs[cap->first]))
		return -E_DENIED;
	epoch_bump(&epochs[cap->first]);
	owners[cap->first] = 0;
	return 0;
}

int64_t call_console_write(uint64_t device, uint64_t bytes, uint64_t n, uint64_t d, uint64_t unused)
{
	uint8_t chunk[CHUNK];
	uint64_t done = 0;

	(void)d, (void)unused;
	if (!console_mine(device))
		return -E_DENIED;
	if (n > 16 * CHUNK)
		n = 16 * CHUNK; /* keeps the call's time bounded */
	while (done < n) {
		size_t part = n - done < CHUNK ? n - done : CHUNK, taken;

		if (copy_from_user(chunk, bytes + done, part))
			return done ? (int64_t)done : -E_FAULT;
		taken = uart_write((uint32_t)device, chunk, part);
		done += taken;
		if (taken < part)
			break;
	}
	return (int64_t)done;
}

int64_t call_console_read(uint64_t device, uint64_t bytes, uint64_t n, uint64_t d, uint64_t unused)
{
	uint8_t chunk[CHUNK] = { 0 };
	size_t taken;

	(void)d, (void)unused;
	if (!console_mine(device))
		return -E_DENIED;
	if (n > CHUNK)
		n = CHUNK;
	if (copy_to_user(bytes, chunk, n)) /* before bytes are taken that could then not be handed over */
		return -E_FAULT;
	taken = uart_read((uint32_t)device, chunk, n);
	copy_to_user(bytes, chunk, taken);
	return (int64_t)taken;
}

int64_t call_machine_off(uint64_t capability, uint64_t status, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_cap cap;
	int64_t error;

	(void)c, (void)d, (void)unused;
	if ((error = cap_fetch(&cap, capability, CAP_DEVICE, RIGHT_WRITE)))
		return error;
	if (cap.first != DEVICE_MACHINE || !epoch_valid(cap.epoch, epochs[DEVICE_MACHINE]))
		return -E_DENIED;
	power_off(status & 127);
}
