/* Alarms: for each CPU a binary heap by deadline, with each sleeping environment knowing its place, in an array that has room for all. An alarm
 * is that CPU's on which its environment went to sleep. Owner: the kernel lock. */
#include <kernel/boot.h>
#include <kernel/event.h>
#include <kernel/smp.h>

void alarm_start(struct cpu *cpu, uint32_t slots) { cpu->alarms = boot_allocate(slots * sizeof(*cpu->alarms)); }

static void place(struct env **heap, uint32_t at, struct env *e)
{
	heap[at] = e;
	e->alarm = at;
}

static void sift_up(struct env **heap, uint32_t at, struct env *e)
{
	while (at && heap[(at - 1) / 2]->deadline > e->deadline) {
		place(heap, at, heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(heap, at, e);
}

static void sift_down(struct env **heap, uint32_t heap_count, uint32_t at, struct env *e)
{
	for (uint32_t child; (child = 2 * at + 1) < heap_count; at = child) {
		if (child + 1 < heap_count && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (heap[child]->deadline >= e->deadline)
			break;
		place(heap, at, heap[child]);
	}
	place(heap, at, e);
}

void alarm_set(struct env *e, uint64_t deadline)
{
	struct cpu *cpu = this_cpu();

	e->deadline = deadline;
	e->alarm_cpu = cpu->number;
	sift_up(cpu->alarms, cpu->alarm_count++, e);
}

void alarm_take_out(struct env *e)
{
	struct cpu *cpu = cpus[e->alarm_cpu];
	struct env **heap = cpu->alarms, *last;
	uint32_t at = e->alarm;

	e->alarm = NO_ALARM;
	last = heap[--cpu->alarm_count];
	if (last == e)
		return;
	if (at && heap[(at - 1) / 2]->deadline > last->deadline)
		sift_up(heap, at, last);
	else
		sift_down(heap, cpu->alarm_count, at, last);
}

uint64_t alarm_next(const struct cpu *cpu) { return cpu->alarm_count ? cpu->alarms[0]->deadline : 0; }

void alarm_expire(struct cpu *cpu, uint64_t now)
{
	while (cpu->alarm_count && cpu->alarms[0]->deadline <= now) {
		struct env *e = cpu->alarms[0];

		alarm_clear(e);
		event_alarm(e);
	}
}
