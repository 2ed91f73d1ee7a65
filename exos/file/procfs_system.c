/* /proc, but for the processes: memory, processor, time, file systems. Called by procfs.c, through the tables at the
 * end. */
#include <exos/disk/disk.h>
#include <exos/file/device.h>
#include <exos/file/mount.h>
#include <exos/file/procfs.h>
#include <exos/file/ramfs.h>
#include <exos/file/x86_64/cpuid.h>
#include <exos/identity.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/volume/volume.h>

uint64_t procfs_user_time(uint64_t ticks)
{
	uint64_t hz = machine_info->tsc_hz;

	return ticks / hz * USER_HZ + ticks % hz * USER_HZ / hz;
}

static void write_meminfo(struct text *t, struct proc *p)
{
	struct frame_counts counts = frame_counts();
	uint64_t kib = FRAME_SIZE / 1024, left = (counts.free + counts.held_idle) * kib, available = left + (volumes_pages() - volumes_dirty()) * kib,
		 files = (ramfs_frames + volumes_pages()) * kib, dirty = volumes_dirty() * kib;

	(void)p;
	text_print(t, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n", counts.total * kib,
		left, available);
	text_print(t, "Buffers:        %8u kB\nCached:         %8lu kB\nSwapCached:     %8u kB\n", 0, files, 0);
	text_print(t, "SwapTotal:      %8u kB\nSwapFree:       %8u kB\nDirty:          %8lu kB\n", 0, 0, dirty);
	text_print(t, "Shmem:          %8lu kB\nSReclaimable:   %8u kB\n", files, 0);
}

/* Processes that run or could. */
static uint32_t running(uint32_t *all)
{
	uint32_t n = 0;

	*all = 0;
	LIST_FOR_EACH (l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		n += p->state == PROC_RUNNING && !p->sleeping && p != proc_keeper;
		++*all;
	}
	return n;
}

static void write_stat(struct text *t, struct proc *p)
{
	uint64_t idle = procfs_user_time(machine_info->idle_ticks);
	uint64_t busy = procfs_user_time((ticks_now() - machine_info->boot_tsc) * machine_info->cpus) - idle;
	uint32_t all;

	(void)p;
	text_print(t, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", busy, idle);
	for (uint32_t cpu = 0; cpu < machine_info->cpus; cpu++) /* idle time is counted for all together */
		text_print(t, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", cpu, busy / machine_info->cpus, idle / machine_info->cpus);
	text_print(t, "intr 0\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\n",
		machine_info->switches, machine_info->boot_seconds, proc_forks, running(&all));
}

static void write_uptime(struct text *t, struct proc *p)
{
	uint64_t up = time_monotonic() / (1000000000 / USER_HZ), idle = procfs_user_time(machine_info->idle_ticks);

	(void)p;
	text_print(t, "%lu.%02lu %lu.%02lu\n", up / USER_HZ, up % USER_HZ, idle / USER_HZ, idle % USER_HZ);
}

/* Nothing samples the load: what runs now, without the reader, stands for all three averages. */
static void write_loadavg(struct text *t, struct proc *p)
{
	uint32_t all, now = running(&all), others = now ? now - 1 : 0;
	int last = 0;

	(void)p;
	LIST_FOR_EACH (l, &proc_list)
		last = MAX(last, CONTAINER_OF(l, struct proc, link)->pid);
	text_print(t, "%u.00 %u.00 %u.00 %u/%u %d\n", others, others, others, now, all, last);
}

static void write_version(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "%s version %s %s\n", SYSTEM_TYPE, SYSTEM_RELEASE, SYSTEM_VERSION);
}

static void write_cpuinfo(struct text *t, struct proc *p)
{
	uint64_t khz = machine_info->tsc_hz / 1000;
	char vendor[13] = "", model[49] = "";
	struct cpuid id;

	(void)p;
	exos_cpuid(0, 0, &id);
	memcpy(vendor, &id.b, 4);
	memcpy(vendor + 4, &id.d, 4);
	memcpy(vendor + 8, &id.c, 4);
	exos_cpuid(0x80000000, 0, &id);
	for (uint32_t n = 0; n < 3 && id.a >= 0x80000004; n++) {
		struct cpuid part;

		exos_cpuid(0x80000002 + n, 0, &part);
		memcpy(model + n * sizeof(part), &part, sizeof(part));
	}
	exos_cpuid(1, 0, &id);
	for (uint32_t n = 0; n < machine_info->cpus; n++) {
		uint32_t family = id.a >> 8 & 15, low = id.a >> 4 & 15, high = id.a >> 16 & 15;

		text_print(t, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", n, vendor,
			family == 15 ? family + (id.a >> 20 & 255) : family,
			family == 6 || family == 15 ? high << 4 | low : low);
		text_print(t, "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.%03lu\n\n", model, id.a & 15,
			khz / 1000, khz % 1000);
	}
}

static void write_filesystems(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "nodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tproc\n\text2\n\text3\n\text4\n");
}

static const struct {
	uint32_t flag;
	const char *text;
} mount_options[] = {
	{MOUNT_NO_SET_ID, ",nosuid"}, {MOUNT_NO_DEVICES, ",nodev"}, {MOUNT_NO_EXECUTION, ",noexec"}, {MOUNT_NO_ACCESS_TIMES, ",noatime"}, {MOUNT_SYNCHRONOUS, ",sync"}};

static void write_options(struct text *t, const struct mount *m)
{
	text_print(t, "%s", m->flags & MOUNT_READ_ONLY ? "ro" : "rw");
	for (size_t n = 0; n < ARRAY_LENGTH(mount_options); n++)
		if (m->flags & mount_options[n].flag)
			text_print(t, "%s", mount_options[n].text);
	if (!(m->flags & MOUNT_NO_ACCESS_TIMES))
		text_print(t, ",relatime");
}

void procfs_write_mounts(struct text *t, struct proc *p)
{
	(void)p;
	LIST_FOR_EACH (l, &mount_list) {
		const struct mount *m = CONTAINER_OF(l, struct mount, link);

		text_print(t, "%s %s %s ", m->source, m->place, m->kind->type);
		write_options(t, m);
		text_print(t, " 0 0\n");
	}
}

void procfs_write_mountinfo(struct text *t, struct proc *p)
{
	(void)p;
	LIST_FOR_EACH (l, &mount_list) {
		const struct mount *m = CONTAINER_OF(l, struct mount, link), *below = m->covered ? mount_of(m->covered) : NULL;
		uint64_t device = m->root->file_system;

		text_print(t, "%lu %lu %lu:%lu / %s ", m->number, below ? below->number : 0ul, device >> 8, device & 255, m->place);
		write_options(t, m);
		text_print(t, " - %s %s ", m->kind->type, m->source);
		text_print(t, "%s\n", m->flags & MOUNT_READ_ONLY ? "ro" : "rw");
	}
}

static void write_devices(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n%s", disk_count() ? "254 virtblk\n259 blkext\n" : "");
}

static void write_hostname(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "%s\n", system_hostname);
}

static void write_osrelease(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "%s\n", SYSTEM_RELEASE);
}

static void write_ostype(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "%s\n", SYSTEM_TYPE);
}

static void write_pid_max(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "%d\n", PROC_PID_MAX);
}

/* The heuristic: what is hopeless is refused (linux/memory.c), and fork promises without counting. */
static void write_overcommit(struct text *t, struct proc *p)
{
	(void)p;
	text_print(t, "0\n");
}

static ssize self_readlink(struct proc *p, int number, char *to, size_t size)
{
	char digits[12];
	size_t length;

	(void)p, (void)number;
	length = MIN((size_t)format(digits, sizeof(digits), "%d", self->proc->pid), size);
	memcpy(to, digits, length);
	return (ssize)length;
}

static ssize mounts_readlink(struct proc *p, int number, char *to, size_t size)
{
	static const char target[] = "self/mounts";
	size_t length = MIN(sizeof(target) - 1, size);

	(void)p, (void)number;
	memcpy(to, target, length);
	return (ssize)length;
}

static const struct procfs_entry kernel_entries[] = {
	{.name = "hostname", .mode = TYPE_FILE | 0444, .write = write_hostname},
	{.name = "osrelease", .mode = TYPE_FILE | 0444, .write = write_osrelease},
	{.name = "ostype", .mode = TYPE_FILE | 0444, .write = write_ostype},
	{.name = "pid_max", .mode = TYPE_FILE | 0444, .write = write_pid_max},
	{.name = NULL},
};

static const struct procfs_entry vm_entries[] = {
	{.name = "overcommit_memory", .mode = TYPE_FILE | 0444, .write = write_overcommit},
	{.name = NULL},
};

static const struct procfs_entry sys_entries[] = {
	{.name = "kernel", .mode = TYPE_DIR | 0555, .entries = kernel_entries},
	{.name = "vm", .mode = TYPE_DIR | 0555, .entries = vm_entries},
	{.name = NULL},
};

const struct procfs_entry procfs_system_entries[] = {
	{.name = "cpuinfo", .mode = TYPE_FILE | 0444, .write = write_cpuinfo},
	{.name = "devices", .mode = TYPE_FILE | 0444, .write = write_devices},
	{.name = "diskstats", .mode = TYPE_FILE | 0444, .write = procfs_write_diskstats},
	{.name = "filesystems", .mode = TYPE_FILE | 0444, .write = write_filesystems},
	{.name = "loadavg", .mode = TYPE_FILE | 0444, .write = write_loadavg},
	{.name = "meminfo", .mode = TYPE_FILE | 0444, .write = write_meminfo},
	{.name = "mounts", .mode = TYPE_LINK | 0777, .readlink = mounts_readlink},
	{.name = "net", .mode = TYPE_DIR | 0555, .entries = procfs_net_entries},
	{.name = "partitions", .mode = TYPE_FILE | 0444, .write = procfs_write_partitions},
	{.name = "self", .mode = TYPE_LINK | 0777, .readlink = self_readlink},
	{.name = "stat", .mode = TYPE_FILE | 0444, .write = write_stat},
	{.name = "sys", .mode = TYPE_DIR | 0555, .entries = sys_entries},
	{.name = "uptime", .mode = TYPE_FILE | 0444, .write = write_uptime},
	{.name = "version", .mode = TYPE_FILE | 0444, .write = write_version},
	{.name = NULL},
};
