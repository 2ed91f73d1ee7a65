/* Restartable sequences. The area's layout is what C libraries share with systems on this architecture: CPU number twice, address of the
 * running sequence's description, flags. With one CPU the number never changes; preemption and signals are what interrupts. */
#include <exos/proc/proc.h>
#include <exos/proc/restartable.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

struct area {
	uint32_t cpu_start, cpu;
	uint64_t sequence; /* program address of struct sequence, or 0 */
	uint32_t flags, node, memory_cpu, padding;
};
_Static_assert(sizeof(struct area) == RESTARTABLE_SIZE, "area");

struct sequence {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

int restartable_register(uint64_t area, uint32_t signature)
{
	struct area fresh = { .cpu_start = self->upcall.cpu, .cpu = self->upcall.cpu };

	if (area && copy_out((void *)area, &fresh, sizeof(fresh)))
		return -EFAULT;
	self->proc->restartable_area = area;
	self->proc->restartable_signature = signature;
	return 0;
}

/* Where to go on, or 0: as before. -EFAULT: the program's description is not what it should be. */
static int64_t abort_address(uint64_t at, uint64_t rip)
{
	struct sequence s;
	uint32_t signature;

	if (copy_in(&s, (const void *)at, sizeof(s)) || s.version)
		return -EFAULT;
	if (rip - s.start >= s.length)
		return 0;
	if (copy_in(&signature, (const void *)(s.abort - sizeof(signature)), sizeof(signature)) ||
		signature != self->proc->restartable_signature || s.abort >= PROGRAM_TOP)
		return -EFAULT;
	return (int64_t)s.abort;
}

void restartable_interrupted(struct regs *regs)
{
	uint64_t place = self->proc->restartable_area + offsetof(struct area, sequence), at, none = 0;
	int64_t go;

	if (!self->proc->restartable_area)
		return;
	if (copy_in(&at, (const void *)place, sizeof(at))) {
		signal_force(SIGSEGV, SIGNAL_KERNEL, 0);
		return;
	}
	if (!at)
		return;
	go = abort_address(at, regs->rip);
	if (go < 0 || copy_out((void *)place, &none, sizeof(none)))
		signal_force(SIGSEGV, SIGNAL_KERNEL, 0);
	else if (go)
		regs->rip = (uint64_t)go;
}
