/* Events: pending bits in the environment's own page, and what they do to one that sleeps.
 *
 * Whoever raises an event writes the bit first and looks at the claim word then; whoever goes idle writes his claim word first and looks at the bits
 * then (entry.S, transfer_back). Both are locked operations, so one of the two sees the other. */
#include <kernel/call.h>
#include <kernel/event.h>
#include <kernel/slice.h>
#include <kernel/smp.h>

/* If it sleeps, it goes on where it does. */
static bool wake(struct env *e)
{
	if (e->stopping || !(claim_take(e, CLAIM_ASLEEP) || claim_take(e, CLAIM_IDLE)))
		return false;
	alarm_clear(e);
	e->rip = e->idle_rip;
	e->rsp = e->idle_rsp;
	e->resume = RESUME_CALL;
	e->result = env_upcall(e)->pending;
	slice_ready(e);
	if (cpu_count > 1)
		slice_wake_all(e);
	return true;
}

static bool asleep(const struct env *e)
{
	uint64_t word = __atomic_load_n(e->claim, __ATOMIC_SEQ_CST);

	return word == claim_word(e, CLAIM_ASLEEP) || word == claim_word(e, CLAIM_IDLE);
}

/* If it serves a transfer just now, its sleep is over once it has transferred back: event_look sees to that. It may have taken the event before then, so
 * that nobody looks: therefore it is alarmed again until it has slept anew. */
void event_alarm(struct env *e)
{
	__atomic_or_fetch(&env_upcall(e)->pending, EVENT_ALARM, __ATOMIC_SEQ_CST);
	if (wake(e) || e->stopping)
		return;
	e->alarmed = true;
	alarm_set(e, read_tsc() + slice_quantum);
}

static void tell(struct env *e, uint64_t events)
{
	if (asleep(e)) {
		if (events & e->wanted)
			wake(e);
	} else {
		smp_kick(e); /* if it runs on another CPU, it is interrupted there to take them */
	}
}

void event_raise(struct env *e, uint64_t events)
{
	__atomic_or_fetch(&env_upcall(e)->pending, events, __ATOMIC_SEQ_CST);
	tell(e, events);
}

/* A locked operation even so: what was written for the environment before is there when it finds the bit, or after it has taken it. */
void event_raise_once(struct env *e, uint64_t event)
{
	if (!(__atomic_fetch_or(&env_upcall(e)->pending, event, __ATOMIC_SEQ_CST) & event))
		tell(e, event);
}

void event_look(struct env *e)
{
	if (e->alarmed || env_upcall(e)->pending & e->wanted) /* an alarm that is pending may be an older sleep's */
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
	if (!e || e->stopping)
		return -E_NOENV;
	if (!env_mine(e))
		return -E_DENIED;
	event_raise(e, events);
	return 0;
}
