/* See checkpoint.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <exos/lib/vm/checkpoint.h>

#define MAGIC  0x746e696f706b6863ul /* "chkpoint" */
#define COMMIT (1ul << 63)	    /* in place of a page number: the records before are a checkpoint */
#define HEAD_BYTES sizeof(struct head)

struct head {
	uint64_t magic, pages;
};

struct checkpoint_record {
	uint64_t page;
	union {
		uint64_t words[FRAME_SIZE / sizeof(uint64_t)];
		struct {
			uint64_t number, records, sum;
		} commit;
	};
};
#define COMMIT_BYTES (4 * sizeof(uint64_t))

static uint64_t sum_of(uint64_t sum, const struct checkpoint_record *r)
{
	sum = (sum ^ r->page) * 0x100000001b3ul;
	for (uint64_t i = 0; i < FRAME_SIZE / sizeof(uint64_t); i++)
		sum = (sum ^ r->words[i]) * 0x100000001b3ul; /* Fowler, Noll and Vo, by words */
	return sum;
}

static int put(int file, const void *bytes, size_t n, uint64_t at)
{
	ssize_t done = pwrite(file, bytes, n, (off_t)at);

	return done == (ssize_t)n ? 0 : done < 0 ? -errno : -ENOSPC;
}

static int file_of(const struct checkpoint *c) { return c->new_file >= 0 ? c->new_file : c->file; }

/* A page that is pending goes to the file. Also called in the fault of whoever is about to write it. */
static void write_page(struct checkpoint *c, uint64_t page)
{
	struct checkpoint_record *r = c->record;

	c->pending[page] = 0;
	c->left--;
	if (c->error)
		return;
	r->page = page;
	memcpy(r->words, c->memory->memory + page * FRAME_SIZE, FRAME_SIZE);
	c->error = put(file_of(c), r, sizeof(*r), c->at);
	c->sum = sum_of(c->sum, r);
	c->records++;
	c->at += sizeof(*r);
}

static void before(struct written *w, uint64_t page)
{
	struct checkpoint *c = w->context;
	int error = errno;

	if (c->pending[page])
		write_page(c, page);
	errno = error;
}

/* The new file is the log, if there is one. */
static int change_files(struct checkpoint *c)
{
	if (c->new_file < 0)
		return 0;
	if (rename(c->new_path, c->path))
		return -errno;
	close(c->file);
	c->file = c->new_file;
	c->new_file = -1;
	return 0;
}

static int commit(struct checkpoint *c)
{
	struct checkpoint_record *r = c->record;

	r->page = COMMIT;
	r->commit.number = c->number + 1;
	r->commit.records = c->records;
	r->commit.sum = c->sum;
	c->error = put(file_of(c), r, COMMIT_BYTES, c->at);
	if (!c->error)
		c->error = change_files(c);
	if (c->error)
		return c->error;
	c->number++;
	c->length = c->at + COMMIT_BYTES;
	return 0;
}

static void drop_new_file(struct checkpoint *c)
{
	if (c->new_file < 0)
		return;
	close(c->new_file);
	unlink(c->new_path);
	c->new_file = -1;
}

static int end(struct checkpoint *c)
{
	int error = c->error ? c->error : commit(c);

	c->under_way = false;
	c->whole = error;
	if (error)
		drop_new_file(c);
	return error;
}

static int start_new_file(struct checkpoint *c)
{
	struct head head = { MAGIC, c->memory->pages };

	c->new_file = open(c->new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return c->new_file < 0 ? -errno : put(c->new_file, &head, sizeof(head), 0);
}

int checkpoint_begin(struct checkpoint *c)
{
	struct written *w = c->memory;

	if (c->under_way)
		return -EBUSY;
	c->under_way = true;
	c->error = 0;
	c->sum = c->records = c->next = 0;
	c->at = c->length;
	if (c->length > CHECKPOINT_FACTOR * w->pages * FRAME_SIZE) {
		c->error = start_new_file(c);
		c->at = HEAD_BYTES;
		c->whole = true;
	}
	written_take(w);
	for (uint64_t i = 0; i < w->pages; i++) {
		c->pending[i] = c->whole || w->page[i];
		c->left += c->pending[i];
	}
	if (w->ops->tells && !c->error)
		return 0;
	return checkpoint_some(c, UINT64_MAX);
}

int checkpoint_some(struct checkpoint *c, uint64_t pages)
{
	if (!c->under_way)
		return 0;
	for (; c->left && pages; c->next++) {
		if (!c->pending[c->next])
			continue;
		write_page(c, c->next);
		pages--;
	}
	return c->left ? 1 : end(c);
}

int checkpoint_take(struct checkpoint *c)
{
	int error = checkpoint_begin(c);

	return error ? error : checkpoint_some(c, UINT64_MAX);
}

/* Reads the records of the next checkpoint from `at`; false: it is not whole. If `into`, its pages go into memory. */
static bool read_one(struct checkpoint *c, uint64_t *at, bool into)
{
	struct checkpoint_record *r = c->record;
	uint64_t sum = 0, records = 0, from = *at;

	for (;; records++, from += sizeof(*r)) {
		ssize_t got = pread(c->file, r, sizeof(*r), (off_t)from);

		if (got >= (ssize_t)COMMIT_BYTES && r->page == COMMIT)
			break;
		if (got != sizeof(*r) || r->page >= c->memory->pages)
			return false;
		sum = sum_of(sum, r);
		if (into)
			memcpy(c->memory->memory + r->page * FRAME_SIZE, r->words, FRAME_SIZE);
	}
	if (r->commit.sum != sum || r->commit.records != records)
		return false;
	c->number = r->commit.number;
	*at = from + COMMIT_BYTES;
	return true;
}

static int read_log(struct checkpoint *c)
{
	uint64_t at = HEAD_BYTES, again = HEAD_BYTES;
	struct head head;
	ssize_t got = pread(c->file, &head, sizeof(head), 0);

	if (got < 0)
		return -errno;
	c->length = HEAD_BYTES;
	c->whole = true;
	if (got < (ssize_t)sizeof(head)) { /* new, or its maker died at once */
		head = (struct head){ MAGIC, c->memory->pages };
		return put(c->file, &head, sizeof(head), 0);
	}
	if (head.magic != MAGIC || head.pages != c->memory->pages)
		return -EINVAL;
	while (read_one(c, &at, false))
		;
	while (again < at)
		read_one(c, &again, true);
	c->length = at;
	c->whole = !c->number;
	if (c->number)
		written_take(c->memory); /* what was restored is in the file */
	return ftruncate(c->file, (off_t)at) ? -errno : 0;
}

int checkpoint_open(struct checkpoint *c, struct written *memory, const char *path)
{
	size_t length = strlen(path) + 1;
	int error = 0;

	*c = (struct checkpoint){ .memory = memory, .new_file = -1, .file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	if (c->file < 0)
		return -errno;
	c->pending = calloc(memory->pages, 1);
	c->record = malloc(sizeof(*c->record));
	c->path = malloc(2 * length + 4);
	if (!c->pending || !c->record || !c->path)
		error = -ENOMEM;
	if (!error) {
		c->new_path = c->path + length;
		memcpy(c->path, path, length);
		snprintf(c->new_path, length + 4, "%s.new", path);
		error = read_log(c);
	}
	if (error) {
		checkpoint_close(c);
		return error;
	}
	memory->context = c;
	memory->before = before;
	return 0;
}

void checkpoint_close(struct checkpoint *c)
{
	drop_new_file(c);
	c->memory->before = NULL;
	close(c->file);
	free(c->pending);
	free(c->record);
	free(c->path);
}
