/* The life of a thread. See thread.h.
 *
 * Library stacks are in a part of the address space that has nothing else in it, private to the environment (layout.h): slot after slot, each with unbound pages
 * below its stack. A slot and its struct thread stay together until the process ends; the stack's frames go when there are enough to spare. */
#include <exos/file/file.h>
#include <exos/heap.h>
#include <exos/proc/exit.h>
#include <exos/proc/signal_action.h>
#include <exos/proc/table.h>
#include <exos/proc/thread.h>
#include <exos/proc/thread_stack.h>
#include <exos/sched/futex.h>
#include <exos/sched/robust.h>
#include <exos/sched/threads.h>
#include <exos/vm/copy.h>
#include <exos/x86_64/entry.h>

#define SPARE_STACKS 16 /* of threads that have ended, kept for new ones */

static void init(struct thread *t, struct proc *p)
{
	t->proc = p;
	list_init(&t->link);
	list_init(&t->ready);
	list_init(&t->timed);
	t->state = THREAD_READY;
}

/* From now on the process has threads, one of them: the current flow of control. */
static bool begin(struct proc *p)
{
	struct threads *ts = heap_alloc(sizeof(*ts));
	frame_t f = frame_get_zeroed();
	struct thread *first = frame_address(f);

	if (!ts || f == NO_FRAME) {
		heap_free(ts);
		if (f != NO_FRAME)
			frame_put(f);
		return false;
	}
	list_init(&ts->all);
	list_init(&ts->ready);
	list_init(&ts->timed);
	list_init(&ts->spare);
	list_init(&ts->tables);
	wait_queue_init(&ts->alone);
	ts->policy = self->handlers.next_thread ? &threads_program : &threads_round_robin;
	init(first, p);
	first->state = THREAD_RUNNING;
	first->tid = p->pid;
	first->slot = THREAD_FIRST;
	first->stack_top = self->stack_top;
	for (uint32_t n = 0; n < LIBRARY_STACK_FRAMES; n++)
		first->stack_frames[n] = NO_FRAME;
	list_append(&ts->all, &first->link);
	ts->count = 1;
	ts->current = first;
	p->threads = ts;
	p->signals.own = &first->own;
	self->thread = first;
	self->who = (uintptr_t)first;
	self->waiter = &first->waiter;
	return true;
}

/* One with a stack, spare or fresh. Null: no memory. */
static struct thread *obtain(struct threads *ts)
{
	struct thread *t;
	frame_t f;

	if (!list_empty(&ts->spare)) {
		t = CONTAINER_OF(ts->spare.next, struct thread, link);
		if (ts->spare_stacks)
			ts->spare_stacks--;
		else if (!thread_stack_bind(ts, t))
			return NULL;
		list_remove(&t->link);
		return t;
	}
	f = frame_get_zeroed();
	if (f == NO_FRAME)
		return NULL;
	t = frame_address(f);
	t->slot = ts->slots;
	if (!thread_stack_bind(ts, t)) {
		frame_put(f);
		return NULL;
	}
	ts->slots++;
	return t;
}

static void put_spare(struct threads *ts, struct thread *t)
{
	if (t->slot == THREAD_FIRST) {
		frame_put(address_frame(t));
	} else if (ts->spare_stacks < SPARE_STACKS) {
		ts->spare_stacks++;
		list_append(ts->spare.next, &t->link); /* first */
	} else {
		thread_stack_unbind(t);
		list_append(&ts->spare, &t->link);
	}
}

void thread_bury(struct thread *t) { put_spare(t->proc->threads, t); }

/* What the new one finds: its maker's vector registers, GS base, mask and alternate stack. Linux forgets the latter, as two threads cannot use one. */
static void inherit(struct thread *t, const struct thread_options *options)
{
	const struct signals *s = &self->proc->signals;

	exos_fpu_save(t->xsave);
	t->kept = (struct thread_kept){.mask = s->restore_mask ? s->saved_mask : s->mask,
		.stack_flags = STACK_DISABLED,
		.clear_child_tid = options->clear_tid,
		.library_top = t->stack_top};
	t->dying = false;
	t->waiter_count = 0;
	t->futex = NULL;
	t->gone_files = NULL;
	t->name[0] = 0;
	t->ticks = 0;
}

int thread_make(const struct regs *regs, const struct thread_options *options)
{
	struct proc *p = self->proc;
	struct regs *first;
	struct thread *t;
	int tid = 0;

	if (!p->threads && !begin(p))
		return -EAGAIN;
	t = obtain(p->threads);
	if (t && !(tid = table_number()))
		put_spare(p->threads, t);
	if (!tid)
		return -EAGAIN;
	init(t, p);
	t->tid = tid;
	inherit(t, options);
	first = (struct regs *)(t->stack_top - sizeof(*first));
	*first = *regs;
	first->rax = 0;
	first->rsp = options->stack;
	t->rsp = exos_prepare_thread(first, options->tls ? options->tls : exos_fs_base(), exos_gs_base());
	list_append(&p->threads->all, &t->link);
	p->threads->count++;
	p->threads->policy->ready(p->threads, t);
	self->upcall.told_always = 1; /* the end of a slice is the next thread's turn */
	return tid;
}

/* The wait that it is in is over for ever: it is killed where the program chooses who runs, or stopped with the whole process. */
static void forget_wait(struct thread *t)
{
	if (t->futex)
		futex_forget(t->futex);
	else
		for (size_t n = 0; n < t->waiter_count; n++)
			wait_remove(&t->waiters[n]);
	if (t->waits_surely)
		wait_remove(&t->sure);
	t->waits_surely = false;
	t->futex = NULL;
	t->waiter_count = 0;
	list_remove(&t->ready);
	list_remove(&t->timed);
}

/* Everything that was the thread's, but its stack. The process's signals are somebody else's business now. */
static void leave(struct thread *t)
{
	struct proc *p = t->proc;
	struct threads *ts = p->threads;
	uint64_t word = p->clear_child_tid;

	robust_list_end(p->robust_list, t->tid);
	if (word && !clear_out((void *)word, sizeof(t->tid)))
		futex_wake(word, false, 1, UINT32_MAX);
	p->robust_list = p->clear_child_tid = p->restartable_area = 0;
	thread_call_ends();
	signal_queue_drop(&t->own, ~0ul);
	p->signals.pending = p->signals.shared.set;
	forget_wait(t);
	self->library_top = self->stack_top; /* the handler of the program's that it may be in is not gone back to */
	list_remove(&t->link);
	ts->count--;
	t->state = THREAD_GONE;
	ts->gone = t;
	thread_retarget(p);
	if (ts->count == 1) {
		wake_all(&ts->alone);
		self->upcall.told_always = 0;
	}
	threads_leave(t);
}

void thread_exit(int status)
{
	struct thread *t = self->thread;
	struct threads *ts = self->proc->threads;

	if (!t)
		proc_exit(status);
	if (t->tid == self->proc->pid)
		ts->first_status = status;
	if (ts->count == 1)
		proc_exit(ts->first_status);
	leave(t);
	__builtin_unreachable();
}

/* As everything else that ends a thread: by a signal, at its way back to the program. */
static void end_others(struct threads *ts)
{
	LIST_FOR_EACH(l, &ts->all) {
		struct thread *t = CONTAINER_OF(l, struct thread, link);

		if (t == self->thread)
			continue;
		t->dying = true;
		t->own.set |= signal_bit(SIGKILL);
		threads_ready(t);
	}
}

int thread_exit_all(int status)
{
	struct thread *t = self->thread;
	struct threads *ts = self->proc->threads;

	if (!ts->ending && !t->dying) {
		ts->ending = true;
		ts->status = status;
		end_others(ts);
	}
	if (ts->count > 1)
		leave(t);
	return ts->ending ? ts->status : status;
}

int thread_alone(void)
{
	struct proc *p = self->proc;
	struct thread *t = self->thread;
	signal_set mask = p->signals.mask;
	int result = 0;

	end_others(p->threads);
	p->signals.mask = ~signal_bit(SIGKILL);
	while (p->threads->count > 1 && !result)
		result = wait_on(&p->threads->alone, 0);
	p->signals.mask = mask;
	if (result)
		return result;
	robust_list_end(p->robust_list, t->tid);
	p->robust_list = 0;
	p->tid = t->tid = p->pid;
	t->name[0] = 0;
	return 0;
}

struct thread *thread_of(const struct proc *p, int tid)
{
	if (!p->threads)
		return NULL;
	if (p->tid == tid)
		return p->threads->current;
	LIST_FOR_EACH(l, &p->threads->all) {
		struct thread *t = CONTAINER_OF(l, struct thread, link);

		if (t->tid == tid)
			return t;
	}
	return NULL;
}

uint64_t thread_ticks(const struct proc *p, const struct thread *t)
{
	uint64_t used = proc_ticks(p);

	if (!t)
		return used;
	return t->ticks + (t == p->threads->current ? used - p->threads->current_since : 0);
}

struct thread *thread_find(int tid, struct proc **process)
{
	struct proc *p = proc_find(tid);

	if (p && !p->threads) {
		*process = p;
		return NULL;
	}
	LIST_FOR_EACH(l, &proc_list) {
		struct thread *t = thread_of(*process = CONTAINER_OF(l, struct proc, link), tid);

		if (t && t->state != THREAD_GONE)
			return t;
	}
	*process = NULL;
	return NULL;
}

bool thread_number_taken(int number)
{
	struct proc *p;

	return thread_find(number, &p);
}

int thread_next(struct proc *p, int from)
{
	int lowest = -1;

	if (!p->threads)
		return from <= p->pid ? p->pid : -1;
	LIST_FOR_EACH(l, &p->threads->all) {
		int tid = CONTAINER_OF(l, struct thread, link)->tid;

		if (tid >= from && (lowest < 0 || tid < lowest))
			lowest = tid;
	}
	return lowest;
}

void thread_call_ends(void)
{
	struct file *f;

	while ((f = self->thread->gone_files)) { /* the end of one may be that of others: those that waited in a socket's queue */
		self->thread->gone_files = NULL;
		files_end(f);
	}
	self->proc->signals.files_gone = false;
}

static void release(struct list *threads)
{
	LIST_FOR_EACH_SAFE(l, following, threads) {
		struct thread *t = CONTAINER_OF(l, struct thread, link);

		forget_wait(t);
		signal_queue_drop(&t->own, ~0ul);
		thread_stack_put(t);
		frame_put(address_frame(t));
	}
}

void threads_release(struct proc *p)
{
	struct threads *ts = p->threads;

	if (!ts)
		return;
	if (ts->gone)
		list_append(&ts->all, &ts->gone->link);
	release(&ts->all);
	release(&ts->spare);
	thread_tables_put(ts);
	heap_free(ts);
	p->threads = NULL;
	p->signals.own = NULL;
}
