/* The files of block devices: /dev/vda and its partitions, written past any cache, as Linux does with O_DIRECT but at any address and of any length.
 *
 * A transfer is a stream of requests, several of them under way at a time, through frames of the library's: the next are handed over while the program's memory is copied for the last. Sectors that a write covers in part are read
 * first; so that of two such writes neither is lost, writes to the same sectors come one after the other. */
#include <exos/disk/device.h>
#include <exos/disk/internal.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

#define IN_FLIGHT 4
#define PIECE_BYTES (DISK_FRAMES_MAX * FRAME_SIZE)

/* Positions are bytes from the start of the device. A heap object: others look at the links. */
struct stream {
	struct list link;              /* of writes: the disk's */
	struct wait_queue gone;
	const struct disk_part *part;
	uint64_t first, last;          /* sectors on the disk */
	uint64_t next, end;            /* what is to be handed over yet */
	uint32_t count, head, busy;    /* pieces; the oldest that is under way, and how many are */
	struct {
		struct disk_piece *piece;
		uint64_t from, to;
	} pieces[IN_FLIGHT];
};

static uint64_t device_size(struct file *f) { return device_part(f)->sectors << SECTOR_SHIFT; }

static void stream_free(struct stream *s)
{
	for (uint32_t n = 0; n < s->count; n++)
		piece_end(s->pieces[n].piece);
	heap_free(s);
}

/* With less memory than would be best it only takes longer. */
static struct stream *stream_new(const struct disk_part *part, uint64_t from, size_t n)
{
	struct stream *s = heap_alloc(sizeof(*s));
	uint64_t bytes = ROUND_UP(from + n, SECTOR_SIZE) - ROUND_DOWN(from, SECTOR_SIZE);

	if (!s)
		return NULL;
	wait_queue_init(&s->gone);
	list_init(&s->link);
	s->part = part;
	s->first = part->first + (from >> SECTOR_SHIFT);
	s->last = part->first + ((from + n - 1) >> SECTOR_SHIFT);
	s->next = from;
	s->end = from + n;
	while (s->count < IN_FLIGHT && bytes) {
		struct disk_piece *p = piece_new(part->disk, (uint32_t)((MIN(bytes, PIECE_BYTES) + FRAME_SIZE - 1) / FRAME_SIZE));

		if (!p)
			break;
		s->pieces[s->count++].piece = p;
		bytes -= MIN(bytes, (uint64_t)p->request.frame_count * FRAME_SIZE);
	}
	if (s->count)
		return s;
	stream_free(s);
	return NULL;
}

/* Nothing may be under way in frames that are given back. */
static void stream_end(struct stream *s)
{
	for (; s->busy; s->busy--, s->head = (s->head + 1) % s->count)
		disk_wait(s->part->disk, &s->pieces[s->head].piece->request);
	list_remove(&s->link);
	wake_all(&s->gone);
	stream_free(s);
}

/* The next piece's bytes are from..to; returns which one it is. */
static uint32_t stream_next(struct stream *s)
{
	uint32_t n = (s->head + s->busy) % s->count;
	uint64_t room = (uint64_t)s->pieces[n].piece->request.frame_count * FRAME_SIZE;

	s->pieces[n].from = s->next;
	s->pieces[n].to = s->next = MIN(s->end, ROUND_DOWN(s->next, SECTOR_SIZE) + room);
	return n;
}

static void stream_submit(struct stream *s, uint32_t n, uint32_t operation)
{
	uint64_t first = s->pieces[n].from >> SECTOR_SHIFT, last = (s->pieces[n].to - 1) >> SECTOR_SHIFT;

	piece_submit(s->part->disk, s->pieces[n].piece, operation, s->part->first + first, (uint32_t)(last - first + 1));
	disk_push(s->part->disk);
	s->busy++;
}

/* Waits for the oldest, and returns its number. */
static uint32_t stream_wait(struct stream *s, int *error)
{
	uint32_t n = s->head;

	*error = disk_wait(s->part->disk, &s->pieces[n].piece->request);
	s->head = (n + 1) % s->count;
	s->busy--;
	return n;
}

enum direction { TO_PROGRAM, FROM_PROGRAM, FROM_LIBRARY };

/* A piece's bytes from or to where they are in memory. 0 or -EFAULT. */
static int piece_copy(const struct stream *s, uint32_t n, char *memory, enum direction direction)
{
	uint64_t from = s->pieces[n].from, start = ROUND_DOWN(from, SECTOR_SIZE);
	int error = 0;

	while (from < s->pieces[n].to && !error) {
		uint64_t at = from - start;
		size_t part = MIN(s->pieces[n].to - from, FRAME_SIZE - at % FRAME_SIZE);
		char *in_frame = (char *)frame_address(s->pieces[n].piece->frames[at / FRAME_SIZE]) + at % FRAME_SIZE;

		if (direction == TO_PROGRAM)
			error = copy_out(memory, in_frame, part);
		else if (direction == FROM_PROGRAM)
			error = copy_in(in_frame, memory, part);
		else
			memcpy(in_frame, memory, part);
		from += part;
		memory += part;
	}
	return error;
}

/* How much was done before something went wrong counts more than what did. */
static ssize outcome(uint64_t *offset, uint64_t done, int error)
{
	*offset += done;
	return done ? (ssize)done : error;
}

static ssize read_stream(const struct disk_part *part, void *program, size_t n, uint64_t *offset)
{
	struct stream *s = stream_new(part, *offset, n);
	uint64_t done = 0;
	int error = 0;

	if (!s)
		return -ENOMEM;
	while (done < n && !error && !(done && signal_deliverable(self->proc))) {
		uint32_t i;

		while (s->busy < s->count && s->next < s->end)
			stream_submit(s, stream_next(s), DISK_READ);
		i = stream_wait(s, &error);
		if (!error)
			error = piece_copy(s, i, (char *)program + done, TO_PROGRAM);
		if (!error)
			done += s->pieces[i].to - s->pieces[i].from;
	}
	stream_end(s);
	return outcome(offset, done, error);
}

/* Who reads little, and one piece after the other, is given what he will want next with it. */
static ssize device_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct device *d = f->data;
	uint64_t size = device_size(f), at = *offset;
	bool onwards = at == d->expected;
	ssize result = 0;

	if (at >= size || !n)
		return 0;
	n = MIN(n, size - at);
	d->expected = at + n;
	if (onwards && n < AHEAD_BYTES / 2)
		result = ahead_read(d, program, n, offset);
	return result ? result : read_stream(&d->part, program, n, offset);
}

/* Until no other write to these sectors is under way. */
static void enter_writes(struct stream *s)
{
	struct list *writes = &s->part->disk->writes, *l = writes->next;

	while (l != writes) {
		struct stream *other = CONTAINER_OF(l, struct stream, link);

		l = l->next;
		if (other->first > s->last || other->last < s->first)
			continue;
		wait_surely(&other->gone);
		l = writes->next;
	}
	list_append(writes, &s->link);
}

/* A sector of the piece that is to keep what the program does not write. */
static int keep_sector(struct stream *s, uint32_t n, uint64_t position)
{
	uint64_t in_piece = ROUND_DOWN(position, SECTOR_SIZE) - ROUND_DOWN(s->pieces[n].from, SECTOR_SIZE);
	char *memory = (char *)frame_address(s->pieces[n].piece->frames[in_piece / FRAME_SIZE]) + in_piece % FRAME_SIZE;

	return disk_transfer(s->part->disk, DISK_READ, 0, s->part->first + (position >> SECTOR_SHIFT), 1, memory);
}

static int fill(struct stream *s, uint32_t n, char *memory, enum direction direction)
{
	uint64_t from = s->pieces[n].from, last = s->pieces[n].to - 1;
	int error = 0;

	if (from % SECTOR_SIZE)
		error = keep_sector(s, n, from);
	if (!error && (last + 1) % SECTOR_SIZE && (last >> SECTOR_SHIFT != from >> SECTOR_SHIFT || from % SECTOR_SIZE == 0))
		error = keep_sector(s, n, last);
	return error ? error : piece_copy(s, n, memory, direction);
}

static int write_piece(struct stream *s, char *memory, enum direction direction)
{
	uint32_t n = stream_next(s);
	int error = fill(s, n, memory, direction);

	if (!error)
		stream_submit(s, n, DISK_WRITE);
	return error;
}

/* Waits for the oldest, and returns how many bytes more are written without a gap. *error: the first that there was. */
static uint64_t written(struct stream *s, int *error)
{
	int result;
	uint32_t n = stream_wait(s, &result);

	if (result && !*error)
		*error = result;
	return *error ? 0 : s->pieces[n].to - s->pieces[n].from;
}

static ssize write_stream(struct stream *s, char *memory, uint64_t *offset, enum direction direction)
{
	uint64_t done = 0, begin = s->next;
	int error = 0, failed = 0;

	/* After an error nothing more is handed over, but what has been may still be done. */
	for (;;) {
		bool more = s->next < s->end && !error && !failed && !(done && signal_deliverable(self->proc));

		if (more && s->busy < s->count)
			failed = write_piece(s, memory + (s->next - begin), direction);
		else if (s->busy)
			done += written(s, &error);
		else
			return outcome(offset, done, error ? error : failed);
	}
}

static ssize device_write_from(struct file *f, char *memory, size_t n, uint64_t *offset, enum direction direction)
{
	const struct disk_part *part = device_part(f);
	uint64_t size = device_size(f), at = *offset;
	struct stream *s;
	ssize result;

	if (!(disk_info(part->disk)->flags & DISK_CAN_WRITE))
		return -EPERM;
	if (!n)
		return 0;
	if (at >= size)
		return -ENOSPC;
	n = MIN(n, size - at);
	s = stream_new(part, at, n);
	if (!s)
		return -ENOMEM;
	enter_writes(s);
	result = write_stream(s, memory, offset, direction);
	stream_end(s);
	return result;
}

static ssize device_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	return device_write_from(f, (char *)(uintptr_t)program, n, offset, FROM_PROGRAM);
}

static ssize device_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	return device_write_from(f, (char *)(uintptr_t)bytes, n, offset, FROM_LIBRARY);
}

/* Without a cache of its own, and one that it cannot be told to empty, everything is where it is to be. */
static int device_sync(struct file *f, bool data_only)
{
	const struct disk_part *part = device_part(f);
	const uint32_t needed = DISK_CAN_WRITE | DISK_CAN_FLUSH;

	(void)data_only;
	if ((disk_info(part->disk)->flags & needed) != needed)
		return 0;
	return disk_transfer(part->disk, DISK_FLUSH, 0, 0, 0, NULL);
}

static void device_release(struct file *f)
{
	ahead_end(f->data);
	heap_free(f->data);
}

static const struct file_ops device_ops = {
	.read = device_read,
	.write = device_write,
	.control = disk_control,
	.release = device_release,
	.write_library = device_write_library,
	.sync = device_sync,
	.size = device_size,
};

int disk_open(struct inode *inode, struct file *f)
{
	struct device *d;
	uint32_t number, partition;
	int error;

	if (!disk_of_device(inode->device, &number, &partition))
		return -ENXIO;
	d = heap_alloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	error = disk_part(number, partition, &d->part);
	if (error) {
		heap_free(d);
		return error == -EINVAL ? -ENXIO : error;
	}
	d->expected = UINT64_MAX;
	f->data = d;
	f->ops = &device_ops;
	f->seekable = true;
	return 0;
}
