/* Frames and regions of the program's own. Domain lock held. */
#include <aegis/bind.h>
#include <exos/linux/linux.h>
#include <exos/program/calls.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/revoke.h>
#include <exos/start.h>
#include <exos/vm/vm.h>

static bool list_in(frame_t *list, const struct regs *r)
{
	return A1(r) - 1 < AEGIS_BATCH_MAX && !copy_in(list, ADDRESS(const void, A0(r)), A1(r) * sizeof(*list));
}

int64_t program_frames_get(struct regs *r)
{
	frame_t list[AEGIS_BATCH_MAX];
	int64_t got = 0, error = 0;

	if (A1(r) - 1 >= AEGIS_BATCH_MAX || self->proc->vfork_parent)
		return -EINVAL;
	if (!list_in(list, r))
		return -EFAULT;
	for (; got < (int64_t)A1(r); got++) {
		bool any = list[got] == FRAME_ANY;
		frame_t f = any ? frame_get() : frame_get_named(list[got]);

		if (f == NO_FRAME) {
			error = any ? -ENOMEM : -EBUSY;
			break;
		}
		frame_give_program(f, (uint32_t)self->proc->pid);
		list[got] = f;
	}
	self->proc->own_frames += (uint64_t)got;
	if (got && copy_out(ADDRESS(void, A0(r)), list, (uint64_t)got * sizeof(*list)))
		return -EFAULT; /* they are its own all the same, until its end */
	return got ? got : error;
}

static void put(struct proc *p, frame_t f)
{
	frame_take_program(f);
	frame_put(f);
	p->own_frames--;
}

int64_t program_frames_put(struct regs *r)
{
	frame_t list[AEGIS_BATCH_MAX];
	uint64_t n = A1(r);

	if (n - 1 >= AEGIS_BATCH_MAX)
		return -EINVAL;
	if (!list_in(list, r))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		int64_t error = frame_program(list[i]) != (uint32_t)self->proc->pid ? -EINVAL : frame_table[list[i]].bindings > 1 ? -EBUSY : 0;

		if (error)
			return i ? (int64_t)i : error;
		put(self->proc, list[i]);
	}
	revoke_returned();
	return (int64_t)n;
}

void program_frames_release(struct proc *p)
{
	for (frame_t f = 1; p->own_frames; f++) {
		if (frame_program(f) != (uint32_t)p->pid)
			continue;
		if (frame_table[f].bindings > 1) /* in another process, which will miss it */
			frame_break_all(f);
		put(p, f);
	}
}

int64_t program_region(struct regs *r)
{
	struct handlers *h = &self->handlers;
	uint64_t start = A0(r), length = A1(r), end;
	int64_t result;

	if (self->proc->vfork_parent)
		return -EINVAL;
	result = vm_region_make(self->proc->vm, &start, length);
	if (result)
		return result;
	if (!h->regions_length)
		h->regions = start;
	end = MAX(h->regions + h->regions_length, start + length);
	h->regions = MIN(h->regions, start);
	h->regions_length = end - h->regions;
	return (int64_t)start;
}

int64_t program_leaf(struct regs *r) { return vm_region_leaf(self->proc->vm, A0(r)); }
