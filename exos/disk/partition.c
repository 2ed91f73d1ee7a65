/* Partitions of a disk, as its table has them, and their nodes in /dev. */
#include <exos/disk/gpt.h>
#include <exos/disk/internal.h>
#include <exos/file/file.h>
#include <exos/heap.h>
#include <exos/self.h>

#define WINDOW 64 /* sectors read at a time: with the first of them the whole of a usual table */
#define NODE_MODE (TYPE_BLOCK | 0660)

/* Linux's numbers: those of its virtio disks, 16 to a disk, and of partitions beyond them. A minor number's low 8 bits are below the major number, the others above (stat's encoding). */
#define MAJOR 254
#define MAJOR_EXTENDED 259
#define MINORS 16
#define EXTENDED_SHIFT 16
#define ENCODED(major, minor) ((uint64_t)((minor) & 0xff) | (uint64_t)(major) << 8 | (uint64_t)((minor) & ~0xffu) << 12)

uint64_t disk_device(uint32_t number, uint32_t partition)
{
	return partition < MINORS ? ENCODED(MAJOR, number * MINORS + partition) : ENCODED(MAJOR_EXTENDED, number << EXTENDED_SHIFT | partition);
}

bool disk_of_device(uint64_t device, uint32_t *number, uint32_t *partition)
{
	uint32_t major = (uint32_t)(device >> 8 & 0xfff), minor = (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));
	uint32_t per_disk = major == MAJOR ? MINORS : 1u << EXTENDED_SHIFT;

	*number = minor / per_disk;
	*partition = minor % per_disk;
	return major == MAJOR || (major == MAJOR_EXTENDED && *partition >= MINORS);
}

struct table_reader {
	struct disk *disk;
	struct disk_piece *piece;
	uint64_t first;
	uint32_t count; /* sectors from `first` on that are in it; 0: none */
	struct list found;
};

static bool reader_read(struct table_reader *t, uint64_t first, uint32_t count)
{
	piece_submit(t->disk, t->piece, DISK_READ, t->disk->first + first, count);
	disk_push(t->disk);
	t->first = first;
	t->count = disk_wait(t->disk, &t->piece->request) ? 0 : count;
	return t->count;
}

/* A bad sector that nobody has asked for is no reason to fail. */
static const uint8_t *reader_sector(void *data, uint64_t number)
{
	struct table_reader *t = data;
	uint32_t room = t->piece->request.frame_count * BLOCK_SECTORS, at;

	if (number - t->first >= t->count && !reader_read(t, number, (uint32_t)MIN(room, t->disk->sectors - number)) && !reader_read(t, number, 1))
		return NULL;
	at = (uint32_t)(number - t->first) * SECTOR_SIZE;
	return (const uint8_t *)frame_address(t->piece->frames[at / FRAME_SIZE]) + at % FRAME_SIZE;
}

static bool reader_partition(void *data, uint32_t number, uint64_t first, uint64_t sectors)
{
	struct table_reader *t = data;
	struct partition *p = heap_alloc(sizeof(*p));

	if (!p)
		return false;
	*p = (struct partition){ .number = number, .first = t->disk->first + first, .sectors = sectors };
	list_append(&t->found, &p->link);
	return true;
}

static void forget(struct list *partitions)
{
	LIST_FOR_EACH_SAFE(l, following, partitions) {
		list_remove(l);
		heap_free(CONTAINER_OF(l, struct partition, link));
	}
}

/* What cannot be read today may be tomorrow; what is damaged is until somebody writes it, and says so. */
int partitions_reread(struct disk *d)
{
	struct table_reader t = { .disk = d, .piece = piece_new(d, WINDOW / BLOCK_SECTORS) };
	struct gpt_source source = { .data = &t, .sectors = d->sectors, .sector = reader_sector, .partition = reader_partition };
	int error;

	if (!t.piece)
		return -ENOMEM;
	list_init(&t.found);
	error = gpt_read(&source);
	piece_end(t.piece);
	forget(&d->partitions);
	if (error)
		forget(&t.found);
	while (!list_empty(&t.found)) {
		struct list *l = t.found.next;

		list_remove(l);
		list_append(&d->partitions, l);
	}
	d->table_error = error;
	d->table_read = error != -EIO && error != -ENOMEM;
	return error;
}

static int table(struct disk *d) { return d->table_read ? d->table_error : partitions_reread(d); }

int disk_part(uint32_t number, uint32_t partition, struct disk_part *out)
{
	struct disk *d;
	int error = disk_get(number, &d);

	if (error)
		return error;
	*out = (struct disk_part){ d, d->first, d->sectors };
	if (!partition)
		return 0;
	error = table(d);
	if (error)
		return error;
	LIST_FOR_EACH(l, &d->partitions) {
		const struct partition *p = CONTAINER_OF(l, struct partition, link);

		if (p->number == partition) {
			*out = (struct disk_part){ d, p->first, p->sectors };
			return 0;
		}
	}
	return -ENXIO;
}

bool disk_next_part(uint32_t number, uint32_t *last, struct disk_part *out)
{
	struct disk *d;

	if (disk_get(number, &d) || table(d))
		return false;
	LIST_FOR_EACH(l, &d->partitions) {
		const struct partition *p = CONTAINER_OF(l, struct partition, link);

		if (p->number <= *last)
			continue;
		*last = p->number;
		*out = (struct disk_part){ d, p->first, p->sectors };
		return true;
	}
	return false;
}

static void node(const struct disk *d, uint32_t partition)
{
	char path[24];
	int length = format(path, sizeof(path), "/dev/vd%c", 'a' + (int)d->number);

	if (partition)
		format(path + length, sizeof(path) - (size_t)length, "%u", partition);
	path_make(root_inode, path, NODE_MODE, disk_device(d->number, partition)); /* -EEXIST: it was there before */
}

void partition_nodes(struct disk *d)
{
	struct disk_part part;
	uint32_t n = 0;

	node(d, 0);
	while (disk_next_part(d->number, &n, &part))
		node(d, n);
	if (d->table_error)
		log_line("/dev/vd%c: its partition table is damaged or cannot be read (error %d)", 'a' + (int)d->number, -d->table_error);
}
