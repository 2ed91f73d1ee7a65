/* Events and alarms. Alarms are a binary heap by deadline, with each sleeping environment knowing its place, in an array that has room for all. */
#include <kernel/boot.h>
#include <kernel/call.h>
#include <kernel/event.h>
#include <kernel/slice.h>

static struct env **heap; /* owner of both: the kernel lock */
static uint32_t heap_count;

void event_start(uint32_t slots) { heap = boot_allocate(slots * sizeof(*heap)); }

static void place(uint32_t at, struct env *e)
{
	heap[at] = e;
	e->alarm = at;
}

static void sift_up(uint32_t at, struct env *e)
{
	while (at && heap[(at - 1) / 2]->deadline > e->deadline) {
		place(at, heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(at, e);
}

static void sift_down(uint32_t at, struct env *e)
{
	for (uint32_t child; (child = 2 * at + 1) < heap_count; at = child) {
		if (child + 1 < heap_count && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (heap[child]->deadline >= e->deadline)
			break;
		place(at, heap[child]);
	}
	place(at, e);
}

void alarm_set(struct env *e, uint64_t deadline)
{
	e->deadline = deadline;
	sift_up(heap_count++, e);
}

void alarm_clear(struct env *e)
{
	uint32_t at = e->alarm;
	struct env *last;

	if (at == NO_ALARM)
		return;
	e->alarm = NO_ALARM;
	last = heap[--heap_count];
	if (last == e)
		return;
	if (at && heap[(at - 1) / 2]->deadline > last->deadline)
		sift_up(at, last);
	else
		sift_down(at, last);
}

uint64_t alarm_next(void) { return heap_count ? heap[0]->deadline : 0; }

static void wake(struct env *e)
{
	alarm_clear(e);
	e->result = env_upcall(e)->pending;
	env_set_state(e, ENV_RUNNABLE);
	slice_runnable(e, true);
}

void alarm_expire(uint64_t now)
{
	while (heap_count && heap[0]->deadline <= now) {
		struct env *e = heap[0];

		__atomic_or_fetch(&env_upcall(e)->pending, EVENT_ALARM, __ATOMIC_RELAXED);
		wake(e);
	}
}

void event_raise(struct env *e, uint64_t events)
{
	__atomic_or_fetch(&env_upcall(e)->pending, events, __ATOMIC_RELAXED);
	if (e->state == ENV_SLEEPING && events & e->wanted)
		wake(e);
}

void event_deliver(struct env *e, struct trap *t)
{
	struct aegis_upcall *upcall = env_upcall(e);

	if (!upcall->pending || upcall->disabled || !e->entries.event)
		return;
	upcall->disabled = 1;
	upcall->frame = (struct aegis_frame){
		.r11 = t->r11, .rcx = t->rcx, .cause = CAUSE_EVENT,
		.rip = t->rip, .cs = t->cs, .rflags = t->rflags, .rsp = t->rsp, .ss = t->ss,
	};
	t->rip = e->entries.event;
	t->rflags = FLAGS_USER;
}

int64_t call_notify(uint64_t env, uint64_t events, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *e = env_find((env_id)env);

	(void)c, (void)d, (void)unused;
	if (events & ~EVENT_NOTIFY_MASK)
		return -E_INVALID;
	if (!e || e->state == ENV_STOPPED)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	event_raise(e, events);
	return 0;
}
