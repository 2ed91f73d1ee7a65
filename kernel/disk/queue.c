/* Queues: made of frames that stay their account's, extents bound in their slots, ended in bounded steps. */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/disk/disk.h>

#define END_BUDGET 16 /* queues ended in one call */

static struct queue *queue_named(uint64_t name) { return name < frame_count && frame_table[name].state == FRAME_QUEUE ? queue_of((frame_t)name) : NULL; }

struct queue *queue_mine(uint64_t name)
{
	struct queue *q = queue_named(name);

	return q && q->account == env_account(current_env()) ? q : NULL;
}

static void make_queue(const struct aegis_queue_spec *spec, struct env *account)
{
	struct queue *q = queue_of(spec->object);

	if (!frame_table[spec->object].clean)
		frame_clear(spec->object);
	frame_table[spec->object].state = FRAME_QUEUE;
	frame_table[spec->object].clean = 0;
	q->account = account->id;
	q->owner = current_env()->id;
	q->control = spec->control;
	q->page = frame_pointer(spec->control);
	frame_hold(spec->control);
	memset(q->page, 0, sizeof(*q->page));
	q->next = account->queues;
	if (q->next)
		queue_of(q->next)->previous = spec->object;
	account->queues = spec->object;
}

int64_t call_queue_create(uint64_t user, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct env *account = current_env()->account;
	struct aegis_queue_spec spec;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&spec, user, sizeof(spec))))
		return error;
	if (!disk_count || !frame_owned(spec.control, account) || spec.control == spec.object)
		return -E_DENIED;
	if ((error = frame_check_unused(spec.object, account)))
		return error;
	make_queue(&spec, account);
	return spec.object;
}

/* Every account that has an extent of a disk bound has an equal share of what the disk can do at a time. One request is left to the kernel, which writes what is taken by force. */
static void count_users(struct disk *d, int32_t more)
{
	d->users += (uint32_t)more;
	if (!d->users)
		return;
	d->share = (d->driver->depth - 1) / d->users;
	if (!d->share)
		d->share = 1;
}

/* Null: nothing is bound there any more. */
static void slot_bind(struct env *account, struct slot *s, const struct aegis_cap *cap)
{
	if (cap && account->disks[extent_disk(cap->first)].slots++ == 0)
		count_users(&disks[extent_disk(cap->first)], 1);
	if (s->count && --account->disks[s->disk].slots == 0)
		count_users(&disks[s->disk], -1);
	*s = (struct slot){ 0 };
	if (cap)
		*s = (struct slot){ .first = extent_sector(cap->first), .count = cap->count, .epoch = cap->epoch, .rights = cap->rights, .disk = (uint16_t)extent_disk(cap->first) };
}

int64_t call_extent_bind(uint64_t name, uint64_t slot, uint64_t capability, uint64_t d, uint64_t unused)
{
	struct queue *q = queue_mine(name);
	struct aegis_cap cap;
	struct disk *disk;
	int64_t error;

	(void)d, (void)unused;
	if (slot >= QUEUE_SLOTS)
		return -E_INVALID;
	if (!q)
		return -E_DENIED;
	if (!capability) {
		slot_bind(current_env()->account, &q->slots[slot], NULL);
		return 0;
	}
	if ((error = cap_fetch(&cap, capability, CAP_EXTENT, 0)))
		return error;
	disk = &disks[extent_disk(cap.first)];
	slot_bind(current_env()->account, &q->slots[slot], &cap);
	if (!disk->enabled) /* nobody wanted to be told of anything before */
		blockdev_enable(disk->driver);
	disk->enabled = true;
	return 0;
}

/* False: the disks are not done with its requests. */
static bool queue_end(frame_t name, struct env *account)
{
	struct queue *q = queue_of(name);

	for (uint32_t i = 0; q->produced != q->accepted && i < disk_count; i++)
		if (account->disks[i].under_way)
			blockdev_reap(disks[i].driver);
	if (q->produced != q->accepted)
		return false;
	for (uint32_t i = 0; i < disk_count; i++)
		queue_stop_waiting(q, &disks[i]);
	for (uint32_t i = 0; i < QUEUE_SLOTS; i++)
		slot_bind(account, &q->slots[i], NULL);
	if (q->next)
		queue_of(q->next)->previous = q->previous;
	if (q->previous)
		queue_of(q->previous)->next = q->next;
	else
		account->queues = q->next;
	frame_let_go(q->control);
	frame_table[name].state = FRAME_OWNED;
	frame_clear(name);
	return true;
}

int64_t call_queue_destroy(uint64_t name, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct queue *q = queue_named(name);
	struct env *account = q ? env_find(q->account) : NULL;

	(void)b, (void)c, (void)d, (void)unused;
	if (!account || (account != current_env()->account && !env_below(account)))
		return -E_DENIED;
	return queue_end((frame_t)name, account) ? 0 : -E_AGAIN;
}

bool disk_end_account(struct env *account)
{
	for (uint32_t queues = 0; account->queues; queues++)
		if (queues == END_BUDGET || !queue_end(account->queues, account))
			return false;
	return true;
}
