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
	if (frame_held(f))
		frame_put(f);
	p->own_frames--;
}

static bool bound_nowhere_else(frame_t f) { return frame_show(f) && frame_table[f].bindings == 1; }

/* The program may have broken or even freed it by the kernel's own calls: what comes back to the library is the domain's, and in the window only. */
static int64_t may_put(frame_t f)
{
	if (frame_program(f) != (uint32_t)self->proc->pid)
		return -EINVAL;
	if (frame_table[f].pins) /* a handler's memory, or a device reads from it */
		return -EBUSY;
	if (!frame_held(f))
		return 0;
	return bound_nowhere_else(f) ? 0 : -EBUSY;
}

int64_t program_frames_put(struct regs *r)
{
	frame_t list[AEGIS_BATCH_MAX];
	uint64_t n = A1(r), done = 0;
	int64_t error = 0;

	if (n - 1 >= AEGIS_BATCH_MAX)
		return -EINVAL;
	if (!list_in(list, r))
		return -EFAULT;
	while (done < n && !(error = may_put(list[done])))
		put(self->proc, list[done++]);
	revoke_returned();
	return done ? (int64_t)done : error;
}

static frame_t next_own(const struct proc *p, frame_t f)
{
	while (++f < machine_info->frames)
		if (frame_program(f) == (uint32_t)p->pid)
			return f;
	return NO_FRAME;
}

/* Perhaps it is in another process, which will miss it. */
static bool put_broken(struct proc *p, frame_t f)
{
	if (frame_held(f) && !bound_nowhere_else(f) && !frame_break_all(f))
		return false;
	put(p, f);
	return true;
}

uint32_t program_frames_force(struct proc *p, uint32_t n)
{
	uint32_t taken = 0;

	for (frame_t f = 0; p->own_frames && taken < n && (f = next_own(p, f));)
		taken += frame_held(f) && !frame_table[f].pins && put_broken(p, f);
	p->reclaim_frames = 0;
	return taken;
}

static void put_all(struct proc *p)
{
	for (frame_t f = 0; p->own_frames && (f = next_own(p, f));)
		put_broken(p, f);
}

void program_frames_release(struct proc *p)
{
	put_all(p);
	if (p->own_frames && p == self->proc) { /* page tables of its own, which are somewhere in its space yet */
		vm_sweep(0);
		put_all(p);
	}
	p->own_frames = 0; /* of what was repossessed, or freed behind the library's back, there may be no trace */
	revoke_returned();
}

int64_t program_region(struct regs *r)
{
	struct handlers *h = &self->handlers;
	uint64_t start = A0(r), length = A1(r);
	int64_t result;

	if (self->proc->vfork_parent)
		return -EINVAL;
	result = vm_region_make(self->proc->vm, &start, length);
	if (result)
		return result;
	if (length > h->region_length) {
		h->region = start;
		h->region_length = length;
	}
	return (int64_t)start;
}

int64_t program_leaf(struct regs *r) { return vm_region_leaf(self->proc->vm, A0(r)); }
