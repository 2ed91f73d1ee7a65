/* The kernel's block table (docs/extents.md), as the page cache uses it: pages that are read whole are registered by the read itself, so whoever has an extent for the block can bind them; and when memory is asked back, dirty ones are named, so that what is taken by force goes to the disk first.
 *
 * A frame that was registered is taken out before it can be anything else's. That is a call, made for many at once: until then the frames wait here, with their references. Never waits. */
#include <aegis/x86_64/stubs.h>
#include <exos/volume/internal.h>

static frame_t leaving[AEGIS_BATCH_MAX]; /* owner of all here: the domain lock */
static uint32_t leaving_count;
static uint32_t held_open; /* who removes several pages settles at the end */
static struct aegis_block list[AEGIS_BATCH_MAX];

/* The table takes whole blocks at sectors that are multiples of their size. */
bool table_takes(const struct volume *v, const struct disk_request *r)
{
	return v->policy.share && !v->read_only && !r->offset && r->count == r->frame_count * BLOCK_SECTORS && r->sector % BLOCK_SECTORS == 0;
}

/* As many as the kernel does at a time; what it refuses is not in the table. */
static void enter(const struct volume *v, uint32_t count)
{
	frame_t queue = disk_queue(v->part.disk);
	uint32_t done = 0;

	while (done < count) {
		int64_t n = aegis_block_register(queue, list + done, count - done);

		if (n > 0)
			done += (uint32_t)n;
		else if (n != -E_AGAIN)
			done++;
	}
}

static void settle(const struct volume *v)
{
	uint32_t count = leaving_count;

	for (uint32_t i = 0; i < count; i++)
		list[i] = (struct aegis_block){.frame = leaving[i], .state = BLOCK_NONE};
	enter(v, count);
	leaving_count = 0;
	for (uint32_t i = 0; i < count; i++)
		frame_put(leaving[i]);
}

void table_hold(void) { held_open++; }

void table_give(const struct volume *v)
{
	if (--held_open == 0 && leaving_count)
		settle(v);
}

void table_leave(const struct volume *v, frame_t frame)
{
	leaving[leaving_count++] = frame;
	if (!held_open || leaving_count == AEGIS_BATCH_MAX)
		settle(v);
}

/* A dirty page that has its place: the kernel may be told. */
static bool name_page(struct vnode *n, uint64_t index, struct aegis_block *b)
{
	struct volume *v = n->volume;
	uint64_t *slot = cache_slot(&n->tree, index), block, sector;
	uint32_t count;

	if (!(*slot & SLOT_DIRTY) || !(*slot & SLOT_PLACED) || *slot & (SLOT_READING | SLOT_WRITING))
		return false;
	if (!ext2_map_known(n->node, index * v->page_blocks, v->page_blocks, &block, &count) || !block || count < v->page_blocks)
		return false;
	sector = v->part.first + block * v->block_sectors;
	if (sector % BLOCK_SECTORS)
		return false;
	*b = (struct aegis_block){.sector = sector, .frame = slot_frame(*slot), .state = BLOCK_DIRTY};
	*slot |= SLOT_TABLED;
	return true;
}

static uint32_t name_pages(struct vnode *n)
{
	uint32_t count = 0, all = 0;

	for (uint64_t index = 0; (index = cache_next(&n->tree, index, true)) != NEVER; index++) {
		if (!name_page(n, index, &list[count]))
			continue;
		all++;
		if (++count == AEGIS_BATCH_MAX) {
			enter(n->volume, count);
			count = 0;
		}
	}
	if (count)
		enter(n->volume, count);
	return all;
}

bool table_was_written(frame_t frame)
{
	const struct aegis_block_info *table = block_table();

	return table && table[frame].state == BLOCK_WRITTEN;
}

uint32_t volumes_name_dirty(void)
{
	uint32_t count = 0;

	if (!block_table()) /* or it could not be told afterwards what was written */
		return 0;

	LIST_FOR_EACH (l, &volumes) {
		struct volume *v = CONTAINER_OF(l, struct volume, link);

		if (v->failed || v->read_only)
			continue;
		v->named = true;
		LIST_FOR_EACH (d, &v->dirty)
			count += name_pages(CONTAINER_OF(d, struct vnode, dirty_link));
		owner_hurry(v);
	}
	return count;
}

/* It was named, and is on the disk now, or on its way: from here on the table would say too much. */
void table_written(struct vnode *n, uint64_t index)
{
	uint64_t *slot = cache_slot(&n->tree, index);

	if (!slot || !(*slot & SLOT_TABLED) || *slot & SLOT_DIRTY)
		return;
	list[0] = (struct aegis_block){.frame = slot_frame(*slot), .state = BLOCK_NONE};
	enter(n->volume, 1);
	*slot &= ~(uint64_t)SLOT_TABLED;
}
