/* The environment of a process: four donated frames, the page tables of the private region, the library's stack, and the slot
 * that the whole domain shares.
 *
 * fork.c and exec.c make environments, wait.c takes them apart. Until a program is loaded, this is all that an address space holds. */
#include <aegis/x86_64/stubs.h>
#include <exos/proc/environment.h>
#include <exos/proc/thread.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/x86_64/entry.h>

#define TABLE_FLAGS (BIND_READ | BIND_WRITE | BIND_EXEC)
#define TABLE_SPAN(level) (FRAME_SIZE << (9 * (level)))
#define TABLE_ENTRY(frame, level) BIND_ENTRY(frame, TABLE_FLAGS | BIND_LEVEL(level))

enum { OBJECT, ROOT, SELF_PAGE };

static void put_frames(struct proc *p)
{
	for (uint32_t n = 0; n < ARRAY_LENGTH(p->stack_frames); n++) {
		if (p->stack_frames[n] != NO_FRAME)
			frame_put(p->stack_frames[n]);
		p->stack_frames[n] = NO_FRAME;
	}
	for (uint32_t n = 0; n < ARRAY_LENGTH(p->private_tables); n++) {
		if (p->private_tables[n] != NO_FRAME)
			frame_put_pair(p->private_tables[n]);
		p->private_tables[n] = NO_FRAME;
	}
	if (p->env_frames[OBJECT] != NO_FRAME)
		frame_put_bare(p->env_frames[OBJECT]);
	if (p->env_frames[ROOT] != NO_FRAME)
		frame_put_pair(p->env_frames[ROOT]);
	p->env_frames[OBJECT] = p->env_frames[ROOT] = NO_FRAME;
	if (p->env_frames[SELF_PAGE] != NO_FRAME)
		frame_put(p->env_frames[SELF_PAGE]);
	p->env_frames[SELF_PAGE] = NO_FRAME;
}

/* All or nothing is the caller's business: what is missing stays NO_FRAME. */
static bool get_frames(struct proc *p)
{
	bool all = true;

	all = (p->env_frames[OBJECT] = frame_get_bare()) != NO_FRAME && all;
	all = (p->env_frames[ROOT] = frame_get_pair()) != NO_FRAME && all;
	all = (p->env_frames[SELF_PAGE] = frame_get_zeroed()) != NO_FRAME && all;
	for (uint32_t n = 0; n < ARRAY_LENGTH(p->private_tables); n++)
		all = (p->private_tables[n] = frame_get_pair()) != NO_FRAME && all;
	for (uint32_t n = 0; n < ARRAY_LENGTH(p->stack_frames); n++)
		all = (p->stack_frames[n] = frame_get()) != NO_FRAME && all;
	return all;
}

/* The private region's tables from the top down, what they lead to, and the shared slot: in the order in which they can be bound. */
static bool bind_library(const struct proc *p)
{
	struct aegis_binding list[3 + 1 + LIBRARY_STACK_FRAMES + 1];
	uint32_t n = 0;

	for (uint32_t level = 3; level >= 1; level--)
		list[n++] = (struct aegis_binding){
			ROUND_DOWN(SELF_VA, TABLE_SPAN(level)), TABLE_ENTRY(p->private_tables[3 - level], level)};
	list[n++] = (struct aegis_binding){SELF_VA, BIND_ENTRY(p->env_frames[SELF_PAGE], BIND_READ | BIND_WRITE)};
	for (uint32_t s = 0; s < LIBRARY_STACK_FRAMES; s++)
		list[n++] = (struct aegis_binding){
			LIBRARY_STACK_BOTTOM + s * FRAME_SIZE, BIND_ENTRY(p->stack_frames[s], BIND_READ | BIND_WRITE)};
	list[n++] = (struct aegis_binding){EXOS_SHARED_VA, TABLE_ENTRY(domain_shared_table, 3)};
	return aegis_bind(p->env, list, n, NULL) == n;
}

int environment_create(struct proc *p)
{
	struct aegis_env_spec spec = {
		.keeper = proc_keeper->env,
		.entries = {.exception = (uintptr_t)exos_entry_upcall, .event = (uintptr_t)exos_entry_upcall,
			.foreign = (uintptr_t)exos_entry_foreign},
		.rip = (uintptr_t)exos_start_environment,
		.rsp = LIBRARY_STACK_TOP - sizeof(struct regs),
	};
	struct self_page *data;
	int64_t env;

	if (!get_frames(p)) {
		put_frames(p);
		return -EAGAIN;
	}
	spec.object = p->env_frames[OBJECT];
	spec.root = p->env_frames[ROOT];
	spec.upcall = p->env_frames[SELF_PAGE];
	env = aegis_env_create(&spec);
	if (env < 0) {
		put_frames(p);
		return -EAGAIN;
	}
	p->env = (env_id)env;
	if (!bind_library(p)) {
		environment_destroy(p);
		return -EAGAIN;
	}
	data = environment_self(p);
	data->env = p->env;
	data->library_top = data->stack_top = LIBRARY_STACK_TOP;
	data->proc = p;
	data->who = p->env;
	data->waiter = &p->waiter;
	return 0;
}

struct self_page *environment_self(const struct proc *p) { return frame_address(p->env_frames[SELF_PAGE]); }

int environment_start(struct proc *p, const struct regs *regs)
{
	uint8_t *stack_page = frame_address(p->stack_frames[LIBRARY_STACK_FRAMES - 1]);

	memcpy(stack_page + FRAME_SIZE - sizeof(*regs), regs, sizeof(*regs));
	if (!cpus_give(p))
		return -EAGAIN;
	proc_account_stop(p); /* in the environment that it borrowed until now, if it did */
	proc_account_start(p);
	return 0;
}

void environment_destroy(struct proc *p)
{
	int64_t result;

	if (p->env_frames[OBJECT] == NO_FRAME)
		return;
	ASSERT(p->env != self->env);
	/* AGAIN: more steps to do. BUSY: it is on the last instructions of its life on another CPU. */
	do {
		result = aegis_env_destroy(p->env);
		if (result == -E_BUSY)
			exos_yield(0);
	} while (result == -E_AGAIN || result == -E_BUSY);
	if (result < 0)
		panic("environment %x of process %d cannot be destroyed: %ld", p->env, p->pid, (long)result);
	put_frames(p);
	threads_release(p);
	p->env = 0;
	p->slices.held = 0; /* the kernel took them back */
}
