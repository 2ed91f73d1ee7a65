/* Volumes for the tests. */
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

static const char *scratch(void)
{
	static char path[64];

	if (!path[0])
		snprintf(path, sizeof(path), "image.%d", getpid());
	return path;
}

struct disk *image_make(const char *arguments, uint64_t bytes)
{
	char command[512];
	struct disk *d;
	int status;

	snprintf(command, sizeof(command), "rm -f %s && truncate -s %lu %s && mke2fs -q -F %s %s >mke2fs.log 2>&1 </dev/null", scratch(), bytes, scratch(), arguments, scratch());
	status = system(command);
	check(status == 0, "mke2fs %s: %d", arguments, status);
	d = disk_load(scratch(), 1024);
	if (image_block_size(d->image) != 1024) {
		disk_end(d);
		FILE *f = fopen(scratch(), "r");
		uint8_t super[1024];

		check(f && fseek(f, 1024, SEEK_SET) == 0 && fread(super, 1, 1024, f) == 1024, "the image is there");
		fclose(f);
		d = disk_load(scratch(), 1024u << *(uint32_t *)(super + 24));
	}
	unlink(scratch());
	return d;
}

uint32_t image_block_size(const uint8_t *image)
{
	uint32_t shift;

	memcpy(&shift, image + 1024 + 24, 4);
	return 1024u << (shift & 7);
}

bool image_clean(uint8_t *image, size_t bytes, bool replay)
{
	char command[256];
	int status;

	disk_save(image, bytes, scratch());
	if (replay) {
		snprintf(command, sizeof(command), "e2fsck -p %s >e2fsck.log 2>&1 </dev/null", scratch());
		status = system(command);
		if (!WIFEXITED(status) || (WEXITSTATUS(status) & ~1)) {
			status = system("sed 's/^/# /' e2fsck.log");
			return false;
		}
	}
	snprintf(command, sizeof(command), "e2fsck -fn %s >e2fsck.log 2>&1 </dev/null", scratch());
	status = system(command);
	if (status && system("sed 's/^/# /' e2fsck.log") == 0)
		return false;
	if (replay) {
		struct disk *d = disk_load(scratch(), 1024);

		check(disk_bytes(d) == bytes, "e2fsck leaves the length");
		memcpy(image, d->image, bytes);
		disk_end(d);
	}
	unlink(scratch());
	return !status;
}

static int read_bytes(void *data, uint64_t offset, void *to, uint32_t n)
{
	struct disk *d = data;

	check(offset % 512 == 0 && n % 512 == 0 && offset + n <= disk_bytes(d), "%u bytes at %lu", n, offset);
	if (d->gone)
		return -EIO;
	memcpy(to, d->image + offset, n);
	return 0;
}

static void set_block_size(void *data, uint32_t size)
{
	struct disk *d = data;

	d->blocks = disk_bytes(d) / size;
	d->block_size = size;
}

static const char *why;

const char *volume_why(void) { return why ? why : ""; }

int volume_try(struct volume *v, struct disk *d, bool read_only)
{
	struct ext2_options options = { .read_only = read_only, .bytes = disk_bytes(d), .read_bytes = read_bytes, .set_block_size = set_block_size };

	v->disk = d;
	v->ext2 = NULL;
	disk_port(d, &v->port);
	if (v->port_change)
		v->port_change(&v->port);
	return ext2_open(&v->port, &options, &v->ext2, &why);
}

void volume_open(struct volume *v, struct disk *d)
{
	int error = volume_try(v, d, false);

	check(!error, "ext2_open: %d %s", error, volume_why());
}

int volume_close(struct volume *v)
{
	int error = ext2_close(v->ext2);

	v->ext2 = NULL;
	return error;
}

int volume_commit(struct volume *v)
{
	struct ext2_commit *c;
	int error, later;

	if (v->committing)
		v->committing(v, false);
	error = ext2_commit_begin(v->ext2, &c);
	if (error || !c)
		return error;
	error = ext2_commit_write(c);
	later = ext2_commit_end(c);
	if (v->committing && !error && !later)
		v->committing(v, true);
	return error ? error : later;
}

void volume_room(struct volume *v)
{
	if (ext2_commit_due(v->ext2))
		volume_commit(v);
	if (ext2_checkpoint_due(v->ext2))
		ext2_checkpoint(v->ext2);
}

int walk(struct volume *v, const char *path, struct ext2_node **out)
{
	struct ext2_node *n;
	int error = ext2_node_get(v->ext2, EXT2_ROOT, &n);

	while (!error && *path) {
		size_t length = strcspn(path, "/");
		uint32_t number;

		error = ext2_lookup(n, path, length, &number);
		ext2_node_put(n);
		if (!error)
			error = ext2_node_get(v->ext2, number, &n);
		path += length + (path[length] == '/');
	}
	if (!error)
		*out = n;
	return error;
}

int walk_parent(struct volume *v, const char *path, struct ext2_node **out, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[4096];
	size_t length = slash ? (size_t)(slash - path) : 0;

	memcpy(parent, path, length);
	parent[length] = '\0';
	*name = slash ? slash + 1 : path;
	return walk(v, parent, out);
}

int make(struct volume *v, const char *path, uint32_t mode, const char *target, struct ext2_node **out)
{
	struct ext2_new new = { .mode = mode, .uid = 70000, .gid = 5, .target = target, .target_length = target ? strlen(target) : 0 };
	struct ext2_node *dir, *n;
	const char *name;
	int error;

	volume_room(v);
	error = walk_parent(v, path, &dir, &name);
	if (error)
		return error;
	error = ext2_make(dir, name, strlen(name), &new, &n);
	ext2_node_put(dir);
	if (!error && out)
		*out = n;
	else if (!error)
		ext2_node_put(n);
	return error;
}

int remove_name(struct volume *v, const char *path, bool directory)
{
	struct ext2_node *dir;
	const char *name;
	int error;

	volume_room(v);
	error = walk_parent(v, path, &dir, &name);
	if (error)
		return error;
	error = ext2_unlink(dir, name, strlen(name), directory);
	ext2_node_put(dir);
	return error;
}

int move_name(struct volume *v, const char *from, const char *to, bool exchange)
{
	struct ext2_node *dir, *into;
	const char *name, *new;
	int error;

	volume_room(v);
	error = walk_parent(v, from, &dir, &name);
	if (error)
		return error;
	error = walk_parent(v, to, &into, &new);
	if (!error) {
		error = ext2_rename(dir, name, strlen(name), into, new, strlen(new), exchange);
		ext2_node_put(into);
	}
	ext2_node_put(dir);
	return error;
}

int link_name(struct volume *v, const char *old, const char *new)
{
	struct ext2_node *n, *dir;
	const char *name;
	int error;

	volume_room(v);
	error = walk(v, old, &n);
	if (error)
		return error;
	error = walk_parent(v, new, &dir, &name);
	if (!error) {
		error = ext2_link(dir, name, strlen(name), n);
		ext2_node_put(dir);
	}
	ext2_node_put(n);
	return error;
}

/* One block at a time, as far as it goes. */
static int block_write(struct volume *v, struct ext2_node *n, uint64_t at, uint32_t from, const void *data, uint32_t size)
{
	uint64_t block;
	uint32_t count;
	int error = ext2_map(n, at, 1, &block, &count);
	bool fresh = !error && !block;

	if (fresh)
		error = ext2_allocate(n, at, 1, false, &block, &count);
	if (error)
		return error;
	check(block < v->disk->blocks, "block %lu", block);
	if (v->disk->gone)
		return -EIO;
	{
		void *memory = aligned_alloc(4096, 4096);
		struct ext2_io io = { .block = block, .memory = memory };

		if (fresh)
			memset(memory, 0, v->disk->block_size);
		else
			error = v->port.read(v->disk, &io, 1);
		memcpy((char *)memory + from, data, size);
		if (!error)
			error = v->port.write(v->disk, &io, 1, false);
		free(memory);
	}
	return error;
}

int file_write(struct volume *v, struct ext2_node *n, uint64_t offset, const void *data, size_t size)
{
	uint32_t block_size = ext2_block_size(v->ext2);

	while (size) {
		uint32_t from = (uint32_t)(offset % block_size), here = (uint32_t)MIN(size, block_size - from);
		int error;

		volume_room(v);
		error = block_write(v, n, offset / block_size, from, data, here);
		if (error)
			return error;
		offset += here;
		data = (const char *)data + here;
		size -= here;
		if (offset > n->size)
			n->size = offset;
		n->modified = n->changed = v->port.now(v->disk);
		ext2_changed(n);
	}
	return 0;
}

int file_read(struct volume *v, struct ext2_node *n, uint64_t offset, void *data, size_t size)
{
	uint32_t block_size = ext2_block_size(v->ext2);
	size_t done = 0;

	if (offset >= n->size)
		return 0;
	size = MIN(size, n->size - offset);
	while (done < size) {
		uint32_t from = (uint32_t)((offset + done) % block_size), here = (uint32_t)MIN(size - done, block_size - from), count;
		uint64_t block;
		int error = ext2_map(n, (offset + done) / block_size, 1, &block, &count);

		if (error)
			return error;
		check(block < v->disk->blocks, "block %lu", block);
		if (block)
			memcpy((char *)data + done, disk_block(v->disk, block) + from, here);
		else
			memset((char *)data + done, 0, here);
		done += here;
	}
	return (int)done;
}

int file_truncate(struct volume *v, struct ext2_node *n, uint64_t size)
{
	uint32_t block_size = ext2_block_size(v->ext2), rest = (uint32_t)(size % block_size);
	int error;

	if (size < n->size && rest) { /* what is behind the end in the last block reads as zeros if the file grows again */
		static const char zeros[4096];
		uint64_t block;
		uint32_t count;

		error = ext2_map(n, size / block_size, 1, &block, &count);
		if (!error && block)
			error = block_write(v, n, size / block_size, rest, zeros, block_size - rest);
		if (error)
			return error;
	}
	volume_room(v);
	while ((error = ext2_truncate(n, size)) == -EAGAIN)
		if (volume_commit(v))
			return -EIO;
	return error;
}
