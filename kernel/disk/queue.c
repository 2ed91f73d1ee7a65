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

static void slot_unbind(struct slot *s)
{
	struct user *u = s->user;

	if (!s->count)
		return;
	u->slots--;
	user_leave(&disks[s->disk], u);
	*s = (struct slot){ 0 };
}

int64_t call_extent_bind(uint64_t name, uint64_t slot, uint64_t capability, uint64_t d, uint64_t unused)
{
	struct queue *q = queue_mine(name);
	struct aegis_cap cap;
	struct disk *disk;
	struct user *u;
	int64_t error;

	(void)d, (void)unused;
	if (slot >= QUEUE_SLOTS)
		return -E_INVALID;
	if (!q)
		return -E_DENIED;
	if (!capability) {
		slot_unbind(&q->slots[slot]);
		return 0;
	}
	if ((error = cap_fetch(&cap, capability, CAP_EXTENT, 0)))
		return error;
	disk = &disks[extent_disk(cap.first)];
	if (!(u = user_join(disk, q->account)))
		return -E_FULL;
	u->slots++; /* before the slot loses what it had, which may be the account's last */
	slot_unbind(&q->slots[slot]);
	q->slots[slot] = (struct slot){ .first = extent_sector(cap.first), .count = cap.count, .epoch = cap.epoch, .rights = cap.rights, .disk = (uint16_t)disk_number(disk), .user = u };
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
		blockdev_reap(disks[i].driver);
	if (q->produced != q->accepted)
		return false;
	for (uint32_t i = 0; i < disk_count; i++)
		queue_stop_waiting(q, &disks[i]);
	for (uint32_t i = 0; i < QUEUE_SLOTS; i++)
		slot_unbind(&q->slots[i]);
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
