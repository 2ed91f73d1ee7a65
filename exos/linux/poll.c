/* Waiting for several files: poll and ppoll; and the wait itself, which select.c uses too. Called from the table of
 * calls. */
#include <exos/heap.h>
#include <exos/linux/polling.h>

struct linux_pollfd {
	int32_t number;
	int16_t wanted, got;
};
#define POLL_BATCH 16 /* entries looked at at a time: the library's stack is small */
/* Linux's names for what a read or write of ordinary data would find. */
enum { POLL_IN_NORMAL = 0x40, POLL_OUT_NORMAL = 0x100 };

/* Waiters are seen by other environments, so they are not on the stack. Past what one frame holds, waiting turns into
 * looking again. */
#define WAITERS_HEAP  (HEAP_MAX / 4 / sizeof(struct waiter))
#define WAITERS_MAX   (FRAME_SIZE / sizeof(struct waiter))
#define LOOK_AGAIN_NS 10000000ul

static bool wait_room(struct poll_wait *w)
{
	frame_t f;

	if (w->count < w->room)
		return true;
	if (!w->room) {
		w->waiters = heap_alloc(WAITERS_HEAP * sizeof(*w->waiters));
		w->room = w->waiters ? WAITERS_HEAP : 0;
		return w->waiters;
	}
	if (w->room == WAITERS_MAX)
		return false;
	/* Those that are queued already must not move: the first look only finds out how many there are. */
	f = frame_get();
	if (f == NO_FRAME)
		return false;
	poll_unqueue(w);
	heap_free(w->waiters);
	w->waiters = frame_address(f);
	w->room = WAITERS_MAX;
	w->again = true;
	return true;
}

void poll_unqueue(struct poll_wait *w)
{
	for (size_t n = 0; n < w->count; n++)
		wait_remove(&w->waiters[n]);
	w->count = 0;
}

uint32_t poll_file(struct poll_wait *w, struct file *f, uint32_t wanted)
{
	struct wait_queue *queue = NULL;
	uint32_t got = f->ops->poll ? f->ops->poll(f, &queue) : POLL_IN | POLL_OUT;

	got &= wanted | POLL_ERROR | POLL_HANGUP;
	if (got)
		w->found = true;
	else if (queue && !w->found && !w->again) {
		if (!wait_room(w))
			w->crowded = true;
		else if (!w->again)
			wait_add(queue, &w->waiters[w->count++]);
	}
	return got;
}

static void poll_end(struct poll_wait *w)
{
	poll_unqueue(w);
	if (w->room == WAITERS_MAX)
		frame_put(address_frame(w->waiters));
	else
		heap_free(w->waiters);
}

/* With `look` having found nothing and queued its waiters: sleeps. 0: look again. */
static int poll_sleep(struct poll_wait *w, uint64_t deadline)
{
	uint64_t until = deadline;
	int err;

	if (w->again) {
		w->again = false;
		return 0;
	}
	if (w->crowded) {
		uint64_t soon = time_deadline(LOOK_AGAIN_NS);

		until = deadline ? MIN(deadline, soon) : soon;
	}
	err = wait_sleep(w->waiters, w->count, until);
	if (err == -EINTR)
		return signal_interrupts() ? -EINTR : 0;
	return err == -ETIMEDOUT && (until == deadline || ticks_now() >= deadline) && deadline ? -ETIMEDOUT : 0;
}

int64_t poll_until(int64_t (*look)(struct poll_wait *w, void *what), void *what, bool now, uint64_t deadline)
{
	struct poll_wait w = {.found = now}; /* who does not wait needs no waiters */
	int64_t ready;
	int err = 0;

	for (;;) {
		ready = look(&w, what);
		if (ready || now || err == -ETIMEDOUT)
			break;
		err = poll_sleep(&w, deadline);
		poll_unqueue(&w);
		if (err == -EINTR) {
			ready = -EINTR;
			break;
		}
	}
	poll_end(&w);
	return ready;
}

int poll_deadline(uint64_t program, bool *now, uint64_t *deadline)
{
	uint64_t ns;
	int err;

	*now = false;
	*deadline = 0;
	if (!program)
		return 0;
	err = linux_time_in(ADDRESS(const struct linux_timespec, program), &ns);
	if (err)
		return err;
	*now = !ns;
	*deadline = time_deadline(ns);
	return 0;
}

int poll_mask(uint64_t program, uint64_t size)
{
	signal_set mask;

	if (!program)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_in(&mask, ADDRESS(const void, program), sizeof(mask)))
		return -EFAULT;
	signal_set_mask_until_handled(self->proc, mask);
	return 0;
}

int64_t poll_unmask(uint64_t program, int64_t result)
{
	struct signals *s = &self->proc->signals;

	/* A handler that is about to run returns to the old mask; where none is, it is put back here. */
	if (program && result != -EINTR && s->restore_mask) {
		s->restore_mask = false;
		signal_set_mask(self->proc, s->saved_mask);
	}
	return result;
}

struct poll_list {
	uint64_t program;
	uint64_t count;
};

static int16_t look_entry(struct poll_wait *w, const struct linux_pollfd *entry)
{
	struct file *f = entry->number < 0 ? NULL : linux_file((uint32_t)entry->number);
	uint32_t wanted = (uint16_t)entry->wanted & (POLL_IN | POLL_PRIORITY | POLL_OUT | POLL_PEER_DONE), got;
	uint32_t normal = (uint16_t)entry->wanted & (POLL_IN_NORMAL | POLL_OUT_NORMAL);

	if (entry->number < 0)
		return 0;
	if (!f || (f->flags & OPEN_PATH)) {
		w->found = true;
		return POLL_INVALID;
	}
	wanted |= (normal & POLL_IN_NORMAL ? POLL_IN : 0) | (normal & POLL_OUT_NORMAL ? POLL_OUT : 0);
	got = poll_file(w, f, wanted);
	got |= (got & POLL_IN ? normal & POLL_IN_NORMAL : 0) | (got & POLL_OUT ? normal & POLL_OUT_NORMAL : 0);
	return (int16_t)(got & ((uint16_t)entry->wanted | POLL_ERROR | POLL_HANGUP));
}

static int64_t look_list(struct poll_wait *w, void *what)
{
	const struct poll_list *list = what;
	struct linux_pollfd entries[POLL_BATCH];
	int64_t ready = 0;

	for (uint64_t at = 0; at < list->count; at += POLL_BATCH) {
		struct linux_pollfd *program = ADDRESS(struct linux_pollfd, list->program) + at;
		size_t n = MIN(list->count - at, (uint64_t)POLL_BATCH);

		if (copy_in(entries, program, n * sizeof(*entries)))
			return -EFAULT;
		for (size_t e = 0; e < n; e++) {
			entries[e].got = look_entry(w, &entries[e]);
			ready += entries[e].got != 0;
		}
		if (copy_out(program, entries, n * sizeof(*entries)))
			return -EFAULT;
	}
	return ready;
}

static int64_t poll_list(uint64_t program, uint64_t count, bool now, uint64_t deadline)
{
	struct poll_list list = {program, count};

	if (count > self->proc->limits[LIMIT_FILES][0])
		return -EINVAL;
	return poll_until(look_list, &list, now, deadline);
}

int64_t linux_poll(struct regs *r)
{
	int32_t milliseconds = (int32_t)A2(r);
	uint64_t deadline = milliseconds > 0 ? time_deadline((uint64_t)milliseconds * 1000000) : 0;

	return poll_list(A0(r), (uint32_t)A1(r), milliseconds == 0, deadline);
}

int64_t linux_ppoll(struct regs *r)
{
	uint64_t deadline;
	bool now;
	int err = poll_deadline(A2(r), &now, &deadline);

	if (!err)
		err = poll_mask(A3(r), A4(r));
	if (err)
		return err;
	return poll_unmask(A3(r), poll_list(A0(r), (uint32_t)A1(r), now, deadline));
}
