/* Bring-up, from top to bottom. */
#include <kernel/boot.h>
#include <kernel/cap.h>
#include <kernel/call.h>
#include <kernel/device.h>
#include <kernel/disk/disk.h>
#include <kernel/drivers/block.h>
#include <kernel/drivers/net.h>
#include <kernel/event.h>
#include <kernel/frame.h>
#include <kernel/info.h>
#include <kernel/log.h>
#include <kernel/module.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/x86_64/paging.h>
#include <kernel/x86_64/smp.h>

#define FRAMES_PER_ENVIRONMENT 16 /* an environment needs about so many to be of use: how large its table is */
#define MOST_ENVIRONMENTS (1u << 18)
#define QUANTUM_NS 1000000ul  /* the paper has 15.625 ms (5.1.1): at today's speed 1 ms is more work, and what waits is served sooner */
#define GRACE_NS 1000000ul    /* for the end-of-slice upcall */

static struct cpu boot_cpu;
struct aegis_info *machine_info;
extern uintptr_t __stack_chk_guard;

void boot_random(void *to, size_t n)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < n; i++) {
		uint64_t v = cpu_random();
		bytes[i] = (uint8_t)(v ^ v >> 13 ^ v >> 29);
	}
}

static void info_start(uint64_t boot_tsc)
{
	machine_info = boot_allocate(sizeof(*machine_info));
	*machine_info = (struct aegis_info){ .magic = AEGIS_MAGIC, .boot_tsc = boot_tsc };
}

/* Everything that the kernel will ever hold for itself is allocated here. */
static void tables_start(void)
{
	uint32_t slots = 64;

	frame_start();
	while (slots < MOST_ENVIRONMENTS && slots < frame_count / FRAMES_PER_ENVIRONMENT)
		slots *= 2;
	env_start(slots);
	slice_start(cpu_count, slots, tsc_hz / 1000 * (QUANTUM_NS / 1000) / 1000, tsc_hz / 1000 * (GRACE_NS / 1000) / 1000);
	for (uint32_t i = 0; i < cpu_count; i++) {
		alarm_start(cpus[i], slots);
		cpus[i]->vector = slice_vector(i);
	}
	net_start();
	disk_start();
	frame_expose(machine_info, sizeof(*machine_info));
	frame_expose(frame_table, frame_count * sizeof(*frame_table));
	frame_free_rest(FIRST_ENVIRONMENT);
}

static void info_finish(void)
{
	struct aegis_info *i = machine_info;
	extern struct aegis_env_info *env_infos;

	i->cpus = cpu_count;
	i->tsc_hz = tsc_hz;
	i->boot_seconds = boot_seconds;
	i->quantum = slice_quantum;
	i->frames = (uint32_t)frame_count;
	i->frames_total = i->frames_free + (uint32_t)((boot_memory.module.end - boot_memory.module.start + FRAME_SIZE - 1) / FRAME_SIZE);
	i->env_slots = env_slots;
	i->call_count = CALL_COUNT;
	i->slice_positions = slice_positions;
	i->frame_table = (struct aegis_range){ kernel_frame(frame_table),
		(uint32_t)((frame_count * sizeof(*frame_table) + FRAME_SIZE - 1) / FRAME_SIZE) };
	i->env_table = (struct aegis_range){ kernel_frame(env_infos),
		(uint32_t)((env_slots * sizeof(*env_infos) + FRAME_SIZE - 1) / FRAME_SIZE) };
	i->xsave_size = cpu_features.xsave_size;
}

_Noreturn void kernel_main(uint32_t magic, uint32_t information);
_Noreturn __attribute__((no_stack_protector)) void kernel_main(uint32_t magic, uint32_t information)
{
	uint64_t boot_tsc = read_tsc();
	uint64_t key[2];
	struct env *first;

	uart_start(0);                          /* so that refusals can be read */
	boot_memory_read(magic, information);
	cpu_start(&boot_cpu, 0);
	boot_random(&__stack_chk_guard, sizeof(__stack_chk_guard));
	paging_start();
	apic_start();
	clock_start();
	info_start(boot_tsc);
	device_start();
	smp_find();
	netdev_start();
	blockdev_start();
	boot_random(key, sizeof(key));
	cap_start(key);
	tables_start();
	info_finish();
	first = module_start();
	slice_give(first);
	kernel_lock_take();
	smp_start();
	machine_info->cpus = cpu_count;
	dispatch();
}
