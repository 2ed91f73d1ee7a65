/* See service.h. */
#include <exos/file/file.h>
#include <exos/lock.h>
#include <exos/proc/environment.h>
#include <exos/proc/service.h>
#include <exos/proc/table.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/self.h>
#include <exos/vm/vm.h>

/* What is popped at the very top of a library stack is a program on its way back (events.c: finish_return). A service has none, and so begins below. One word more, as after a call. */
#define FIRST_RSP (LIBRARY_STACK_TOP - ROUND_UP(2 * sizeof(struct regs), 16) - sizeof(uint64_t))

static _Noreturn void begin(void (*run)(void *data), void *data)
{
	domain_lock();
	run(data);
	proc_exit(0);
}

static int start(struct proc *p, void (*run)(void *data), void *data)
{
	struct regs regs;
	int error = environment_create(p);

	if (error)
		return error;
	p->vm = vm_create(p->env); /* empty, so that its end is like any other's */
	if (!p->vm)
		return -ENOMEM;
	processor_first_regs(&regs, (uintptr_t)begin, FIRST_RSP);
	regs.rdi = (uintptr_t)run;
	regs.rsi = (uintptr_t)data;
	processor_first_vectors(environment_self(p)->xsave);
	return environment_start(p, &regs);
}

int proc_service(const char *name, void (*run)(void *data), void *data, struct proc **out)
{
	struct proc *p = table_add(proc_keeper);
	int error;

	if (!p)
		return -EAGAIN;
	p->service = true;
	p->exit_signal = 0;
	table_first(p);
	memcpy(p->name, name, strnlen(name, sizeof(p->name) - 1));
	inode_ref(p->cwd = root_inode);
	inode_ref(p->root = root_inode);
	error = start(p, run, data);
	if (error) {
		environment_destroy(p);
		if (p->vm)
			vm_destroy(p->vm);
		table_remove(p);
		return error;
	}
	*out = p;
	return 0;
}
