/* Listing directories. Called from the table of calls. */
#include <exos/linux/files.h>

/* An entry as the program sees it is put together here and copied out in one piece. */
struct listing {
	struct dirent_sink sink; /* first: the sink's function finds the rest */
	uint64_t program, room;
	int64_t used;
	int err;
	bool old; /* getdents: the type comes last, not before the name */
};

#define HEADER_NEW 19u /* number, offset, length, type */
#define HEADER_OLD 18u

static bool put_entry(
	struct dirent_sink *sink, const char *name, size_t length, uint64_t number, uint32_t type, uint64_t next)
{
	struct listing *l = (struct listing *)sink;
	uint32_t header = l->old ? HEADER_OLD : HEADER_NEW;
	uint16_t size = (uint16_t)ROUND_UP(header + length + (l->old ? 2 : 1), 8);
	uint8_t bytes[ROUND_UP(HEADER_NEW + NAME_MAX + 2, 8)];

	if (size > l->room) {
		l->err = l->used ? 0 : -EINVAL;
		return false;
	}
	memset(bytes, 0, size);
	memcpy(bytes, &number, 8);
	memcpy(bytes + 8, &next, 8);
	memcpy(bytes + 16, &size, 2);
	bytes[l->old ? size - 1u : 18u] = (uint8_t)(type >> 12);
	memcpy(bytes + header, name, length);
	if (copy_out(ADDRESS(void, l->program), bytes, size)) {
		l->err = l->used ? 0 : -EFAULT;
		return false;
	}
	l->program += size;
	l->room -= size;
	l->used += size;
	return true;
}

static int64_t list(struct regs *r, bool old)
{
	struct file *f = linux_file(A0(r));
	struct listing l = {.sink = {put_entry}, .program = A1(r), .room = (uint32_t)A2(r), .old = old};
	int err;

	if (!f || !linux_readable(f))
		return -EBADF;
	if ((f->inode->mode & TYPE_MASK) != TYPE_DIR || !f->inode->ops->list)
		return -ENOTDIR;
	err = f->inode->ops->list(f->inode, &f->offset, &l.sink);
	return err ? err : l.err ? l.err : l.used;
}

int64_t linux_getdents(struct regs *r) { return list(r, true); }
int64_t linux_getdents64(struct regs *r) { return list(r, false); }
