/* Taking protected control transfers (paper 5.5): a process that sleeps and can be called. */
#include <aegis/x86_64/stubs.h>
#include <exos/events.h>
#include <exos/linux/linux.h>
#include <exos/program/calls.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/program/x86_64/handler.h>
#include <exos/x86_64/entry.h>

static void set_entries(uint64_t transfer, uint64_t async)
{
	struct aegis_entries entries = {
		.exception = (uintptr_t)exos_entry_upcall,
		.event = (uintptr_t)exos_entry_upcall,
		.foreign = (uintptr_t)exos_entry_foreign,
		.transfer = transfer,
		.async = async,
	};

	aegis_env_entries(&entries);
}

/* Nobody else is served meanwhile, even if the one who waits is gone: what is on the library's stack is in the way. */
int64_t serve_sleep(uint64_t deadline, env_id to)
{
	int64_t result;

	set_entries(0, 0);
	result = exos_sleep_in_service(~0ul, deadline, to);
	set_entries(self->handlers.transfer, self->handlers.async);
	return result;
}

/* As wait.c's sleep: from before the look at the signals until the kernel's sleep no event is lost, because upcalls are disabled, and then because, with the
 * library's stack lowered, none takes events away (events.c). */
static void sleep_serving(const struct proc *p)
{
	for (;;) {
		uint64_t bits;

		self->upcall.disabled = 1;
		if (signal_deliverable(p) || self->events & EVENT_RECLAIM)
			break;
		exos_sleep_serving(~0ul);
		bits = __atomic_exchange_n(&self->upcall.pending, 0, __ATOMIC_ACQUIRE);
		self->events |= bits & (EVENT_RECLAIM | EVENTS_DEVICES);
		self->upcall.disabled = 0;
		events_devices();
	}
	self->upcall.disabled = 0;
}

int64_t program_serve(struct regs *r)
{
	uint8_t vectors[sizeof(self->xsave)] __attribute__((aligned(64)));
	struct exos_service service;
	struct proc *p = self->proc;
	uint32_t depth;

	if (p->serves && exos_serving()) { /* the one that it served is gone: who was transferred to goes back to its sleep */
		domain_unlock_all();
		exos_sleep_serving_again();
	}
	if (copy_in(&service, ADDRESS(const void, A0(r)), sizeof(service)))
		return -EFAULT;
	if (handler_runs() || self->thread || p->vfork_parent || !service.transfer || !service.async || (uint64_t)service.transfer >= PROGRAM_TOP ||
		(uint64_t)service.async >= PROGRAM_TOP)
		return -EINVAL;
	self->handlers.transfer = (uint64_t)service.transfer;
	self->handlers.async = (uint64_t)service.async;
	set_entries(self->handlers.transfer, self->handlers.async);
	memset(vectors, 0, sizeof(vectors)); /* xrstor refuses a header that is not */
	exos_fpu_save(vectors);
	p->serves = p->sleeping = true;
	proc_account_stop(p);
	depth = domain_unlock_all();
	sleep_serving(p);
	domain_relock(depth);
	proc_account_start(p);
	p->serves = p->sleeping = false;
	exos_fpu_restore(vectors);
	set_entries(0, 0);
	return -EINTR;
}
