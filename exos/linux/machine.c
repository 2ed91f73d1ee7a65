/* What a program asks of the machine as a whole: names, sizes, random bytes. */
#include <exos/linux/linux.h>
#include <exos/identity.h>
#include <exos/random.h>
#include <exos/start.h>
#include <exos/frames.h>

#define FIELD 65
#define RANDOM_CHUNK 256

struct linux_utsname {
	char system[FIELD], node[FIELD], release[FIELD], version[FIELD], machine[FIELD], domain[FIELD];
};

int64_t linux_uname(struct regs *r)
{
	struct linux_utsname name = { .system = SYSTEM_TYPE, .release = SYSTEM_RELEASE, .version = SYSTEM_VERSION,
		.machine = SYSTEM_MACHINE, .domain = "(none)" };

	memcpy(name.node, system_hostname, sizeof(system_hostname));
	return copy_out(ADDRESS(void, A0(r)), &name, sizeof(name));
}

int64_t linux_sethostname(struct regs *r)
{
	char name[sizeof(system_hostname)] = { 0 };

	if (self->proc->euid)
		return -EPERM;
	if (A1(r) >= sizeof(name))
		return -EINVAL;
	if (copy_in(name, ADDRESS(const void, A0(r)), A1(r)))
		return -EFAULT;
	memcpy(system_hostname, name, sizeof(name));
	return 0;
}

struct linux_sysinfo {
	int64_t uptime;
	uint64_t loads[3], total, free, shared, buffers, swap_total, swap_free;
	uint16_t processes, padding;
	uint64_t high_total, high_free;
	uint32_t unit;
};

int64_t linux_sysinfo(struct regs *r)
{
	struct frame_counts frames = frame_counts();
	struct linux_sysinfo info = {
		.uptime = (int64_t)(time_monotonic() / 1000000000ul),
		.total = frames.total * FRAME_SIZE,
		.free = (frames.free + frames.held_idle) * FRAME_SIZE,
		.unit = 1,
	};

	LIST_FOR_EACH(l, &proc_list)
		info.processes++;
	return copy_out(ADDRESS(void, A0(r)), &info, sizeof(info));
}

int64_t linux_getrandom(struct regs *r)
{
	uint8_t chunk[RANDOM_CHUNK];
	uint64_t n = MIN(A1(r), (uint64_t)INT32_MAX), done = 0;

	if (A2(r) & ~7ul) /* GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE: all the same here, it never blocks */
		return -EINVAL;
	while (done < n) {
		size_t part = MIN(n - done, sizeof(chunk));

		random_bytes(chunk, part);
		if (copy_out(ADDRESS(uint8_t, A0(r)) + done, chunk, part))
			return done ? (int64_t)done : -EFAULT;
		done += part;
	}
	return (int64_t)done;
}

int64_t linux_syslog(struct regs *r)
{
	(void)r;
	return -ENOSYS; /* the log goes to the first serial line and is not kept */
}

enum { REBOOT_MAGIC1 = (int)0xfee1dead, REBOOT_RESTART = 0x01234567, REBOOT_HALT = (int)0xcdef0123, REBOOT_OFF = 0x4321fedc };

int64_t linux_reboot(struct regs *r)
{
	if (self->proc->euid)
		return -EPERM;
	if ((int)A0(r) != REBOOT_MAGIC1)
		return -EINVAL;
	switch ((int)A2(r)) {
	case REBOOT_RESTART: /* no second start: whoever runs the machine starts it again */
	case REBOOT_HALT:
	case REBOOT_OFF:
		start_program_ended(0);
		return 0;
	default:
		return -EINVAL;
	}
}
