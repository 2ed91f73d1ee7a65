/* Requests for pages of files: neighbours in the file that are neighbours on the disk go together, straight between the disk and their frames.
 *
 * A page of a file system with small blocks may be in several requests; the slot counts them. A request holds a reference to its inode, so that the pages are there when it is done. */
#include <exos/volume/internal.h>

#define SPARES 2

static struct page_request *request_of(struct disk_request *r) { return CONTAINER_OF(r, struct page_request, disk); }

static size_t request_bytes(uint32_t room) { return sizeof(struct page_request) + room * sizeof(frame_t); }

/* So that contents can be written when there is no memory until they are. */
int requests_reserve(struct volume *v)
{
	list_init(&v->spare_requests);
	for (int i = 0; i < SPARES; i++) {
		struct page_request *r = heap_alloc(request_bytes(DISK_FRAMES_MAX));

		if (!r)
			return -ENOMEM;
		r->spare = true;
		r->room = DISK_FRAMES_MAX;
		list_append(&v->spare_requests, &r->disk.link);
	}
	return 0;
}

void requests_unreserve(struct volume *v)
{
	while (!list_empty(&v->spare_requests)) {
		struct list *l = v->spare_requests.next;

		list_remove(l);
		heap_free(CONTAINER_OF(l, struct page_request, disk.link));
	}
}

static struct page_request *request_new(struct volume *v, uint32_t room, bool may_wait)
{
	struct page_request *r = heap_alloc(request_bytes(room));
	struct list *l;

	if (r) {
		r->room = room;
		return r;
	}
	if (!may_wait)
		return NULL;
	/* For writes this must not fail: what was allocated is written before a commit can say that it is there. */
	while (list_empty(&v->spare_requests)) {
		disk_push(v->part.disk);
		wait_surely(&v->written);
	}
	l = v->spare_requests.next;
	list_remove(l);
	r = CONTAINER_OF(l, struct page_request, disk.link);
	*r = (struct page_request){.spare = true, .room = DISK_FRAMES_MAX};
	return r;
}

static void request_free(struct volume *v, struct page_request *r)
{
	if (r->spare)
		list_append(&v->spare_requests, &r->disk.link);
	else
		heap_free(r);
}

/* One request fewer for a page. With the last, it has been read or written, or could not be. */
void page_request_done(struct vnode *n, uint64_t index, bool write, int error)
{
	uint64_t *slot = cache_slot(&n->tree, index);

	ASSERT(slot && *slot & SLOT_REQUESTS);
	*slot -= SLOT_ONE_REQUEST;
	if (error && !write)
		*slot |= SLOT_FAILED;
	if (*slot & SLOT_REQUESTS)
		return;
	if (*slot & SLOT_READING && !(*slot & SLOT_FAILED))
		*slot |= SLOT_VALID;
	*slot &= ~(uint64_t)(SLOT_READING | SLOT_WRITING);
	pages_cleaned++;
}

static void finished(struct disk_request *disk)
{
	struct page_request *r = request_of(disk);
	struct vnode *n = r->node;
	struct volume *v = n->volume;
	bool write = disk->operation == DISK_WRITE;

	for (uint32_t i = 0; i < disk->frame_count; i++) {
		page_request_done(n, r->index + i, write, disk->error);
		if (disk->flags & DISK_REGISTER)
			*cache_slot(&n->tree, r->index + i) |= SLOT_TABLED;
		else if (write && v->named)
			table_written(n, r->index + i);
	}
	if (write) {
		if (disk->error) {
			n->disk_error = EIO;
			log_line("%s: cannot write block %lu of inode %lu", v->mount ? v->mount->source : "volume", (disk->sector - v->part.first) / v->block_sectors, n->inode.number);
		}
		n->writing--;
		v->writes++;
		v->under_way[r->generation & 1]--;
	} else {
		n->reading--;
	}
	wake_all(&n->queue);
	request_free(v, r);
	wake_all(&v->written);
	inode_put(&n->inode);
}

/* Does it go on where the last one of `r` ended, on the disk and in memory? */
static bool continues(const struct page_request *r, uint64_t index, uint32_t offset, uint64_t sector)
{
	uint32_t bytes = r->disk.offset + (r->disk.count << SECTOR_SHIFT);
	uint64_t last = r->index + r->disk.frame_count - 1;

	if (r->disk.sector + r->disk.count != sector)
		return false;
	if (index == last)
		return bytes % FRAME_SIZE == offset && offset;
	return index == last + 1 && !offset && bytes % FRAME_SIZE == 0 && r->disk.frame_count < r->room;
}

static void submit(struct request_builder *b)
{
	struct page_request *r = b->now;
	struct volume *v = b->node->volume;

	b->now = NULL;
	if (!r)
		return;
	if (b->write) {
		r->generation = v->generation;
		v->under_way[r->generation & 1]++;
		b->node->writing++;
	} else {
		b->node->reading++;
		r->disk.flags = table_takes(v, &r->disk) ? DISK_REGISTER : 0;
	}
	b->submitted = true;
	disk_submit(v->part.disk, &r->disk);
}

int request_add(struct request_builder *b, uint64_t index, frame_t frame, uint32_t offset, uint64_t block, uint32_t blocks)
{
	struct volume *v = b->node->volume;
	uint64_t sector = v->part.first + block * v->block_sectors;
	struct page_request *r = b->now;

	if (!r || !continues(r, index, offset, sector)) {
		submit(b);
		r = b->now = request_new(v, (uint32_t)MIN((uint64_t)b->left + 1, (uint64_t)DISK_FRAMES_MAX), b->may_wait);
		if (!r)
			return -ENOMEM;
		r->disk.operation = b->write ? DISK_WRITE : DISK_READ;
		r->disk.flags = 0;
		r->disk.sector = sector;
		r->disk.offset = offset;
		r->disk.frames = r->frames;
		r->disk.finished = finished;
		r->node = b->node;
		r->index = index;
		inode_ref(&b->node->inode);
	}
	if (index == r->index + r->disk.frame_count) {
		r->frames[r->disk.frame_count++] = frame;
		*cache_slot(&b->node->tree, index) += SLOT_ONE_REQUEST;
	}
	r->disk.count += blocks * v->block_sectors;
	return 0;
}

void request_end(struct request_builder *b)
{
	submit(b);
	if (b->submitted)
		disk_push(b->node->volume->part.disk);
}
