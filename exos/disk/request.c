/* Requests on their way: handed to the kernel as far as its queue has room, and taken in when they are done.
 *
 * Nobody's wake-up is lost: a completion is told to the environment that the request names; while that is in the library it looks when it releases the lock, or sleeps with the event pending (sched/wait.c), its end does
 * not keep it from looking (exos_final_sleep), and if it was stopped the keeper looks. That the queue has room again is told to the queue's maker, the keeper. */
#include <aegis/x86_64/stubs.h>
#include <exos/disk/internal.h>
#include <exos/heap.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

/* The current environment, if it is sure to run: one whose program lends out its slices (program/calls.c) may not for as long as somebody likes. */
static env_id who_is_told(void)
{
	const struct proc *p = self->proc;

	while (p && p->vfork_parent)
		p = p->vfork_parent;
	return p && !p->slices.held ? proc_keeper->env : self->env;
}

static bool changes_disk(const struct disk_request *r) { return r->operation == DISK_WRITE || r->operation == DISK_DISCARD; }

/* Who waits is woken first: `finished` may free the request. */
static void finish(struct disk *d, struct disk_request *r, int error)
{
	d->changes += changes_disk(r);
	list_remove(&r->link);
	r->error = error;
	r->done = true;
	wake_all(&r->waiting);
	if (r->finished)
		r->finished(r);
}

void disk_submit(struct disk *d, struct disk_request *r)
{
	r->done = false;
	r->error = 0;
	r->tell = who_is_told();
	d->changes += changes_disk(r);
	wait_queue_init(&r->waiting);
	list_append(&d->waiting, &r->link);
}

static uint32_t batch_of(const struct disk *d, struct aegis_disk_request *batch)
{
	uint32_t n = 0, room = MIN(QUEUE_COMPLETIONS - d->under_way, DISK_SUBMIT_MAX);

	for (const struct list *l = d->waiting.next; l != &d->waiting && n < room; l = l->next) {
		const struct disk_request *r = CONTAINER_OF(l, struct disk_request, link);

		batch[n++] = (struct aegis_disk_request){ .tag = (uintptr_t)r, .sector = r->sector, .count = r->count, .slot = 0, .operation = r->operation, .flags = r->flags,
			.frames = (uintptr_t)r->frames, .offset = r->offset, .tell = r->tell };
	}
	return n;
}

/* The kernel does not take the first one. Is it because whoever submitted it is gone, it is for somebody else by now. */
static void refused(struct disk *d, int64_t why)
{
	struct disk_request *r = CONTAINER_OF(d->waiting.next, struct disk_request, link);
	env_id other = who_is_told();

	if (why == -E_NOENV && r->tell != other)
		r->tell = other;
	else
		finish(d, r, -EIO);
}

void disk_push(struct disk *d)
{
	struct aegis_disk_request batch[DISK_SUBMIT_MAX];
	uint32_t n;

	while ((n = batch_of(d, batch))) {
		int64_t taken = aegis_disk_submit(d->queue, batch, n);

		if (taken == -E_FULL)
			return;
		if (taken < 0)
			refused(d, taken);
		for (int64_t i = 0; i < taken; i++)
			list_remove(d->waiting.next);
		d->under_way += taken > 0 ? (uint32_t)taken : 0;
	}
}

static void take_in(struct disk *d)
{
	struct aegis_queue *q = d->control;
	uint32_t at = q->consumed;

	while (at != __atomic_load_n(&q->produced, __ATOMIC_ACQUIRE)) {
		const struct aegis_completion c = q->completions[at % QUEUE_COMPLETIONS];

		__atomic_store_n(&q->consumed, ++at, __ATOMIC_RELEASE);
		d->under_way--;
		finish(d, (struct disk_request *)c.tag, c.result ? -EIO : 0);
	}
	if (!list_empty(&d->waiting))
		disk_push(d);
}

void disk_input(void)
{
	struct disk *d;

	for (uint32_t n = 0; n < disk_count(); n++)
		if (disk_get(n, &d) == 0)
			take_in(d);
}

int disk_wait(struct disk *d, struct disk_request *r)
{
	take_in(d);
	while (!r->done)
		wait_surely(&r->waiting);
	return r->error;
}

struct disk_piece *piece_new(const struct disk *d, uint32_t frames)
{
	struct disk_piece *p = heap_alloc(sizeof(*p));
	uint32_t n = 0;

	while (p && n < MIN(frames, disk_frames_most(d)) && (p->frames[n] = frame_get()) != NO_FRAME)
		n++;
	if (p && !n) {
		heap_free(p);
		return NULL;
	}
	if (p) {
		p->request.frames = p->frames;
		p->request.frame_count = n;
	}
	return p;
}

void piece_end(struct disk_piece *p)
{
	for (uint32_t n = 0; n < p->request.frame_count; n++)
		frame_put(p->frames[n]);
	heap_free(p);
}

void piece_submit(struct disk *d, struct disk_piece *p, uint32_t operation, uint64_t sector, uint32_t count)
{
	p->request.operation = (uint8_t)operation;
	p->request.sector = sector;
	p->request.count = count;
	disk_submit(d, &p->request);
}

int disk_transfer(struct disk *d, uint32_t operation, uint32_t flags, uint64_t sector, uint32_t count, void *memory)
{
	struct disk_piece *p = heap_alloc(sizeof(*p));
	uint32_t offset = (uintptr_t)memory % FRAME_SIZE;
	int error;

	if (!p)
		return -ENOMEM;
	p->request = (struct disk_request){ .operation = (uint8_t)operation, .flags = (uint8_t)flags, .sector = sector, .count = count, .offset = offset, .frames = p->frames };
	if (operation == DISK_READ || operation == DISK_WRITE)
		p->request.frame_count = (offset + count * SECTOR_SIZE + FRAME_SIZE - 1) / FRAME_SIZE;
	ASSERT(p->request.frame_count <= disk_frames_most(d) && offset % SECTOR_SIZE == 0);
	for (uint32_t n = 0; n < p->request.frame_count; n++)
		p->frames[n] = address_frame(memory) + n;
	disk_submit(d, &p->request);
	disk_push(d);
	error = disk_wait(d, &p->request);
	heap_free(p);
	return error;
}
