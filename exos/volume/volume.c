/* Volumes come and go: mounting, mounting anew, the end. */
#include <exos/proc/service.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/volume/internal.h>

#define MAGIC_EXT2 0xef53
#define END_PASSES 4
#define LAST_WORDS_NS 1000000000ul /* for processes, at the machine's end */

static void counts(struct mount *m, struct mount_counts *out)
{
	struct volume *v = m->data;
	struct ext2_counts c;

	/* What was removed is free, for who asks. */
	if (!list_empty(&v->unwanted) && !hold_take(v)) {
		vnodes_free_unwanted(v);
		hold_give(v);
	}
	ext2_counts(v->ext2, &c);
	*out = (struct mount_counts){.magic = MAGIC_EXT2, .block_size = v->block_size, .blocks = c.blocks, .free_blocks = c.free_blocks,
		.available_blocks = c.available_blocks, .inodes = c.inodes, .free_inodes = c.free_inodes};
}

void volume_leave(struct volume *v)
{
	if (!--v->inside)
		wake_all(&v->outside);
}

static int sync(struct mount *m)
{
	struct volume *v = m->data;
	int err;

	volume_enter(v);
	err = volume_sync(v);
	volume_leave(v);
	return err;
}

static void set_flags(struct volume *v, uint32_t flags)
{
	v->no_access_times = flags & MOUNT_NO_ACCESS_TIMES;
	v->synchronous = flags & MOUNT_SYNCHRONOUS;
}

static bool open_for_writing(const struct volume *v)
{
	LIST_FOR_EACH (l, &v->vnodes) {
		const struct vnode *n = CONTAINER_OF(l, struct vnode, all_link);

		if (n->writer || n->writers)
			return true;
	}
	return false;
}

static bool only_readable(const struct volume *v)
{
	struct ext2_counts c;

	ext2_counts(v->ext2, &c);
	return c.read_only;
}

/* A volume that was opened for reading cannot be made writable in place: its journal was not looked after. */
static int remount(struct mount *m, uint32_t flags)
{
	struct volume *v = m->data;
	int err = 0;

	if (flags & MOUNT_READ_ONLY && !v->read_only) {
		if (open_for_writing(v))
			return -EBUSY;
		err = volume_sync(v);
		if (!err)
			v->read_only = true;
	} else if (!(flags & MOUNT_READ_ONLY) && v->read_only) {
		if (only_readable(v) || v->failed)
			return -EROFS;
		v->read_only = false;
	}
	if (!err) {
		set_flags(v, flags);
		m->flags = flags;
	}
	return err;
}

static void volume_free(struct volume *v)
{
	list_remove(&v->link);
	if (v->port)
		port_end(v->port);
	requests_unreserve(v);
	heap_free(v);
}

/* What was written to a volume that has failed since goes nowhere. */
static void drop_unwritten(struct volume *v)
{
	LIST_FOR_EACH (l, &v->idle) {
		struct vnode *n = CONTAINER_OF(l, struct vnode, idle_link);

		if (!n->reading && !n->writing)
			cache_drop(n, 0);
	}
}

/* Everything that nobody uses goes. Only the root may be left, with the mount's reference. Holding. */
static bool everything_unused(struct volume *v)
{
	uint32_t before;

	vnodes_free_unwanted(v);
	do { /* a directory is free when what was found in it is */
		before = v->vnode_count;
		if (v->failed)
			drop_unwritten(v);
		vnodes_trim(v, 0);
	} while (v->vnode_count < before);
	return v->vnode_count == 1 && v->root->inode.refs == 1;
}

/* Whoever has died in the midst of a change or a commit has left what only the machine's end clears away. */
static int structure_end(struct volume *v)
{
	struct ext2 *e = v->ext2;

	v->ext2 = NULL;
	if (!v->failed)
		return ext2_close(e);
	if (!v->broken && !v->committing)
		ext2_abandon(e);
	return -EIO;
}

/* Holding, or broken. */
static int end_holding(struct volume *v)
{
	struct vnode *root = v->root;

	v->ending = true;
	if (!v->broken)
		vnodes_carry(v);
	inode_put(&root->inode);
	vnode_forget(root);
	return structure_end(v);
}

/* From here on nobody comes to it; those who do something to it without an inode of it finish that. */
static void let_out(struct mount *m)
{
	struct volume *v = m->data;

	mount_bare(m);
	v->ending = true;
	while (v->inside)
		wait_surely(&v->outside);
}

/* Writes that are begun while the sync waits need another. */
static int end(struct mount *m)
{
	struct volume *v = m->data;
	int err, result = 0;
	bool unused = false;

	for (int pass = 0; pass < END_PASSES && !unused; pass++) {
		result = volume_sync(v);
		while (v->under_way[0] || v->under_way[1])
			wait_surely(&v->written);
		err = hold_take(v); /* nobody is in a volume that is broken */
		unused = everything_unused(v) && list_empty(&v->dirty);
		if (!unused && !err)
			hold_give(v);
	}
	if (!unused)
		return -EBUSY;
	hold_give(v);
	let_out(m); /* at this moment, and from then on, nobody is in it */
	owner_end(v);
	hold_take(v);
	err = end_holding(v);
	hold_give(v);
	volume_free(v);
	return err ? err : result;
}

/* Nobody is left who could come back to what he used: nodes are taken from under their inodes. */
static void close_by_force(struct volume *v)
{
	if (volume_sync(v) || hold_take(v))
		return;
	vnodes_free_unwanted(v);
	vnodes_carry(v);
	v->ending = true;
	LIST_FOR_EACH (l, &v->vnodes) {
		struct vnode *n = CONTAINER_OF(l, struct vnode, all_link);

		n->node->owner = NULL;
		ext2_node_put(n->node);
		slice_check();
	}
	if (ext2_close(v->ext2))
		log_line("%s: the volume could not be closed", v->mount->source);
	v->failed = true;
}

static bool others_run(void)
{
	LIST_FOR_EACH (l, &proc_list) {
		const struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p != proc_keeper && !p->service && p->state != PROC_ZOMBIE)
			return true;
	}
	return false;
}

static void end_others(void)
{
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p != proc_keeper && !p->service && p->state != PROC_ZOMBIE)
			signal_send(p, SIGKILL, NULL);
	}
}

static bool ended;

/* A service: the keeper looks after devices meanwhile. Who does not end in time keeps his volume from being marked clean: the journal has what he did. */
static void end_all(void *data)
{
	uint64_t deadline = time_deadline(LAST_WORDS_NS);

	(void)data;
	end_others();
	while (others_run() && ticks_now() < deadline)
		wait_on(&proc_keeper->child_news, deadline);
	LIST_FOR_EACH (l, &volumes) {
		struct volume *v = CONTAINER_OF(l, struct volume, link);

		if (v->read_only || v->failed || !v->mount)
			continue;
		if (others_run())
			volume_sync(v);
		else
			close_by_force(v);
	}
	ended = true;
	wake_proc(proc_keeper);
}

bool volumes_end(void)
{
	static bool begun;
	struct proc *p;

	if (!begun && !list_empty(&volumes))
		begun = proc_service("unmount", end_all, NULL, &p) == 0;
	return ended || !begun;
}

static const struct mount_kind kinds[] = {
	{.type = "ext2", .on_disk = true, .counts = counts, .sync = sync, .remount = remount, .end = end},
	{.type = "ext3", .on_disk = true, .counts = counts, .sync = sync, .remount = remount, .end = end},
	{.type = "ext4", .on_disk = true, .counts = counts, .sync = sync, .remount = remount, .end = end},
};

static const struct mount_kind *kind_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		if (!strcmp(kinds[i].type, type))
			return &kinds[i];
	return NULL;
}

static struct volume *volume_new(uint64_t device, uint32_t flags)
{
	struct volume *v = heap_alloc(sizeof(*v));

	if (!v)
		return NULL;
	v->device = device;
	v->read_only = flags & MOUNT_READ_ONLY;
	set_flags(v, flags);
	list_init(&v->vnodes);
	list_init(&v->changed);
	list_init(&v->dirty);
	list_init(&v->idle);
	list_init(&v->unwanted);
	wait_queue_init(&v->hold.queue);
	wait_queue_init(&v->written);
	wait_queue_init(&v->commits);
	wait_queue_init(&v->owner_queue);
	wait_queue_init(&v->outside);
	volume_policy_default(&v->policy, machine_info->frames_total);
	list_append(&volumes, &v->link);
	v->port = port_new(v);
	if (!requests_reserve(v) && v->port)
		return v;
	volume_free(v);
	return NULL;
}

/* Under its lock, though nobody else knows it yet, as everything in exos/ext2 is. */
static int volume_open(struct volume *v, const char *source)
{
	const struct ext2_options options = {.read_only = v->read_only, .bytes = v->part.sectors << SECTOR_SHIFT, .read_bytes = port_read_bytes, .set_block_size = port_set_block_size};
	const char *why = NULL;
	int err;

	v->ext2_port = volume_port;
	v->ext2_port.data = v->port;
	err = hold_take(v);
	if (err)
		return err;
	err = ext2_open(&v->ext2_port, &options, &v->ext2, &why);
	if (!err && !v->read_only && only_readable(v)) {
		why = "it has features that are only good to be read: mount it read-only";
		err = -EROFS;
		ext2_abandon(v->ext2);
	}
	if (err && why)
		log_line("%s: %s", source, why);
	if (!err) {
		err = vnode_get(v, EXT2_ROOT, &v->root);
		if (!err && (v->root->inode.mode & TYPE_MASK) != TYPE_DIR)
			err = -EINVAL;
		if (err)
			ext2_abandon(v->ext2);
	}
	hold_give(v);
	return err;
}

static bool is_mounted(uint64_t device)
{
	LIST_FOR_EACH (l, &volumes)
		if (CONTAINER_OF(l, struct volume, link)->device == device)
			return true;
	return false;
}

static int volume_mount_part(const struct disk_part *part, uint64_t device, struct inode *covered, const struct mount_kind *kind, uint32_t flags, const char *source)
{
	struct volume *v = volume_new(device, flags);
	int err;

	if (!v)
		return -ENOMEM;
	v->part = *part;
	err = volume_open(v, source);
	if (err) {
		volume_free(v);
		return err;
	}
	if (!covered) {
		err = mount_root(&v->root->inode, kind, v, flags, source, &v->mount);
		if (err)
			return err;
	} else if (covered->mounted) {
		err = -EBUSY;
	} else {
		err = mount_add(&v->root->inode, covered, kind, v, flags, source, &v->mount);
	}
	if (err) {
		hold_take(v);
		end_holding(v);
		hold_give(v);
		volume_free(v);
		return err;
	}
	owner_start(v);
	return 0;
}

int volume_mount(uint64_t device, struct inode *covered, const char *type, uint32_t flags, const char *source)
{
	const struct mount_kind *kind = kind_of(type);
	struct disk_part part;
	uint32_t number, partition;
	int err;

	if (!kind)
		return -ENODEV;
	if (!disk_of_device(device, &number, &partition))
		return -ENXIO;
	if (is_mounted(device))
		return -EBUSY;
	err = disk_part(number, partition, &part);
	if (err)
		return err;
	if (!(flags & MOUNT_READ_ONLY) && !(disk_info(part.disk)->flags & DISK_CAN_WRITE))
		return -EROFS;
	return is_mounted(device) ? -EBUSY : volume_mount_part(&part, device, covered, kind, flags, source);
}
