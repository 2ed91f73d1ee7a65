/* Descriptor tables: numbers to open files, one table a process (or shared by processes that asked for that).
 *
 * Blocks of descriptors are added as numbers grow; what the table of pointers to them can hold, and the caller's
 * resource limit, bound them. */
#include <exos/file/file.h>
#include <exos/file/locks.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

#define BLOCKS_FIRST  4u
#define BLOCKS_MAX    ((uint32_t)(HEAP_MAX / sizeof(struct file_block *)))

static struct file **slot(const struct file_table *t, int number)
{
	return &t->blocks[(uint32_t)number / FILE_BLOCK]->files[(uint32_t)number % FILE_BLOCK];
}

static void mark(struct file_table *t, int number, bool close_on_exec)
{
	uint64_t *marks = &t->blocks[(uint32_t)number / FILE_BLOCK]->close_on_exec, bit = 1ul << (uint32_t)number % FILE_BLOCK;

	*marks = close_on_exec ? *marks | bit : *marks & ~bit;
}

struct file_table *file_table_new(void)
{
	static const struct file_block none;
	struct file_table *t = heap_alloc(sizeof(*t));

	if (t)
		t->first = &none;
	return t;
}

static bool table_add_block(struct file_table *t)
{
	uint32_t used = t->room / FILE_BLOCK;
	struct file_block *block;

	if (used == t->block_room) {
		uint32_t more = t->block_room ? t->block_room * 2 : BLOCKS_FIRST;
		struct file_block **blocks;

		if (more > BLOCKS_MAX || !(blocks = heap_alloc(more * sizeof(*blocks))))
			return false;
		if (used)
			memcpy(blocks, t->blocks, used * sizeof(*blocks));
		heap_free(t->blocks);
		t->blocks = blocks;
		t->block_room = more;
	}
	block = heap_alloc(sizeof(*block));
	if (!block)
		return false;
	t->blocks[used] = block;
	t->first = t->blocks[0];
	t->room += FILE_BLOCK;
	return true;
}

static void table_free(struct file_table *t)
{
	for (uint32_t b = 0; b < t->room / FILE_BLOCK; b++)
		heap_free(t->blocks[b]);
	heap_free(t->blocks);
	heap_free(t);
}

int file_table_size(struct file_table *t)
{
	for (uint32_t n = t->room; n; n--) {
		if (*slot(t, (int)n - 1))
			return (int)n;
	}
	return 0;
}

struct file_table *file_table_copy(struct file_table *t)
{
	struct file_table *copy = file_table_new();
	int size = file_table_size(t);

	if (!copy)
		return NULL;
	while (copy->room < (uint32_t)size) {
		if (!table_add_block(copy)) {
			table_free(copy);
			return NULL;
		}
	}
	for (int n = 0; n < size; n++) {
		struct file *f = *slot(t, n);

		*slot(copy, n) = f;
		if (f)
			file_ref(f);
	}
	for (uint32_t b = 0; b < copy->room / FILE_BLOCK; b++)
		copy->blocks[b]->close_on_exec = t->blocks[b]->close_on_exec;
	copy->lowest_free = t->lowest_free;
	return copy;
}

void file_table_put(struct file_table *t)
{
	int size = file_table_size(t);

	for (int n = 0; n < size; n++)
		file_close(t, n);
	table_free(t);
}

void file_table_exec(struct file_table *t)
{
	int size = file_table_size(t);

	for (int n = 0; n < size; n++) {
		if (file_close_on_exec(t, n))
			file_close(t, n);
	}
}

static uint32_t table_limit(void)
{
	uint64_t limit = self->proc ? self->proc->limits[LIMIT_FILES][0] : UINT64_MAX;

	return (uint32_t)MIN(limit, (uint64_t)BLOCKS_MAX * FILE_BLOCK);
}

/* The lowest free number from `lowest` on, with room for its file; or -EMFILE. */
static inline int find_free(struct file_table *t, int lowest)
{
	uint32_t limit = table_limit(), n = MAX((uint32_t)lowest, t->lowest_free);

	while (n < t->room && *slot(t, (int)n))
		n++;
	if (n >= limit)
		return -EMFILE;
	while (n >= t->room) {
		if (!table_add_block(t))
			return -EMFILE;
	}
	return (int)n;
}

int file_may_install(struct file_table *t)
{
	int n = find_free(t, 0);

	return MIN(n, 0);
}

int file_install(struct file_table *t, struct file *f, int lowest, bool close_on_exec)
{
	int n = find_free(t, lowest);

	if (n < 0)
		return n;
	*slot(t, n) = f;
	mark(t, n, close_on_exec);
	if ((uint32_t)lowest <= t->lowest_free)
		t->lowest_free = (uint32_t)n + 1;
	return n;
}

int file_install_at(struct file_table *t, struct file *f, int number, bool close_on_exec)
{
	if ((uint32_t)number >= table_limit())
		return -EBADF;
	while ((uint32_t)number >= t->room) {
		if (!table_add_block(t))
			return -EMFILE;
	}
	if (*slot(t, number))
		file_close(t, number);
	*slot(t, number) = f;
	mark(t, number, close_on_exec);
	return number;
}

int file_close(struct file_table *t, int number)
{
	struct file *f = file_at(t, (uint32_t)number);

	if (!f)
		return -EBADF;
	*slot(t, number) = NULL;
	t->lowest_free = MIN(t->lowest_free, (uint32_t)number);
	/* A process loses its range locks with the first of its descriptors of that file. */
	if (f->inode->locks)
		locks_drop(f->inode, t);
	file_put(f);
	return 0;
}

bool file_close_on_exec(struct file_table *t, int number)
{
	return file_at(t, (uint32_t)number) && t->blocks[(uint32_t)number / FILE_BLOCK]->close_on_exec >> (uint32_t)number % FILE_BLOCK & 1;
}

void file_set_close_on_exec(struct file_table *t, int number, bool on)
{
	if (file_at(t, (uint32_t)number))
		mark(t, number, on);
}
