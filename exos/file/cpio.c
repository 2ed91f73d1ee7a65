/* Unpacking "newc" cpio archives into the root: how the files of a machine come into it. Called by start.c, and by start_root.c for a root on a disk.
 *
 * The archive comes from outside: every number in it is checked against what is there before it is used. Later entries
 * replace earlier ones, so that archives can be laid one over the other. What would land in a file system that is laid
 * over the root is left out. */
#include <exos/file/ramfs.h>
#include <exos/file/walk.h>
#include <exos/heap.h>

#define HEADER_BYTES 110
#define FIELD_DIGITS 8
#define ALIGNMENT    4
#define END_NAME     "TRAILER!!!"
#define NS	     1000000000ul

enum {
	FIELD_NUMBER,
	FIELD_MODE,
	FIELD_UID,
	FIELD_GID,
	FIELD_LINKS,
	FIELD_TIME,
	FIELD_SIZE,
	FIELD_DEV_MAJOR,
	FIELD_DEV_MINOR,
	FIELD_MAJOR,
	FIELD_MINOR,
	FIELD_NAME_SIZE,
	FIELD_CHECK,
	FIELDS
};
_Static_assert(HEADER_BYTES == 6 + FIELDS * FIELD_DIGITS, "magic and fields");

/* A file that has several names in an archive: they share a number, and the contents come with one of them. */
struct cpio_link {
	struct cpio_link *next;
	uint64_t device;
	uint32_t number;
	struct inode *inode;
};

struct cpio {
	const uint8_t *bytes;
	size_t length, at;
	const char *below; /* only what has names that begin so is unpacked, without that; null: everything */
	bool keep;	   /* what is there stays */
	struct cpio_link *links;
	/* The entry at hand. */
	uint32_t field[FIELDS];
	const char *name; /* terminated */
	const uint8_t *data;
};

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_field(const uint8_t *digits, uint32_t *out)
{
	*out = 0;
	for (int n = 0; n < FIELD_DIGITS; n++) {
		int digit = hex_digit(digits[n]);

		if (digit < 0)
			return false;
		*out = *out << 4 | (uint32_t)digit;
	}
	return true;
}

/* Goes past n bytes and what aligns the next part; false when the archive does not have so many. */
static bool advance(struct cpio *c, size_t n)
{
	if (n > c->length - c->at)
		return false;
	c->at = MIN(ROUND_UP(c->at + n, ALIGNMENT), c->length);
	return true;
}

/* Reads the entry at hand: header, name, where the contents are. */
static int cpio_entry(struct cpio *c)
{
	const uint8_t *header = c->bytes + c->at;
	size_t name_size;

	if (c->length - c->at < HEADER_BYTES || memcmp(header, "07070", 5) || (header[5] != '1' && header[5] != '2'))
		return -EINVAL;
	for (int n = 0; n < FIELDS; n++) {
		if (!hex_field(header + 6 + n * FIELD_DIGITS, &c->field[n]))
			return -EINVAL;
	}
	name_size = c->field[FIELD_NAME_SIZE];
	c->name = (const char *)header + HEADER_BYTES;
	if (!name_size || name_size > PATH_SIZE || !advance(c, HEADER_BYTES + name_size) || c->name[name_size - 1])
		return -EINVAL;
	c->data = c->bytes + c->at;
	return advance(c, c->field[FIELD_SIZE]) ? 0 : -EINVAL;
}

static void set_attributes(const struct cpio *c, struct inode *i)
{
	i->mode = (i->mode & TYPE_MASK) | (c->field[FIELD_MODE] & 07777);
	i->uid = c->field[FIELD_UID];
	i->gid = c->field[FIELD_GID];
	i->accessed = i->modified = i->changed = c->field[FIELD_TIME] * NS;
	inode_changed(i);
}

/* Into a file that is not in memory, which may wait. */
static int write_to_disk(const struct cpio *c, struct inode *i)
{
	uint32_t size = c->field[FIELD_SIZE];
	uint64_t done = 0;
	struct file *f;
	ssize n = inode_open(i, OPEN_WRITE, &f);

	if (n)
		return (int)n;
	while (n >= 0 && done < size) {
		n = f->ops->write_library(f, c->data + done, size - done, &done);
		if (!n)
			n = -EIO;
	}
	file_put(f);
	return n < 0 ? (int)n : 0;
}

/* Contents, page by page; whole pages by the fastest copy there is. */
static int write_contents(const struct cpio *c, struct inode *i)
{
	uint32_t size = c->field[FIELD_SIZE];

	if (i->ops != &ramfs_ops)
		return write_to_disk(c, i);

	for (uint32_t done = 0; done < size; done += FRAME_SIZE) {
		uint32_t part = MIN(size - done, (uint32_t)FRAME_SIZE);

		if (ramfs_write_library(i, c->data + done, part, done) != (ssize)part)
			return -ENOSPC;
	}
	return 0;
}

static struct cpio_link *find_link(const struct cpio *c)
{
	uint64_t device = (uint64_t)c->field[FIELD_DEV_MAJOR] << 32 | c->field[FIELD_DEV_MINOR];
	struct cpio_link *l = c->links;

	while (l && (l->device != device || l->number != c->field[FIELD_NUMBER]))
		l = l->next;
	return l;
}

static int remember_link(struct cpio *c, struct inode *i)
{
	struct cpio_link *l = heap_alloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct cpio_link){c->links, (uint64_t)c->field[FIELD_DEV_MAJOR] << 32 | c->field[FIELD_DEV_MINOR],
		c->field[FIELD_NUMBER], i};
	inode_ref(i);
	c->links = l;
	return 0;
}

static void forget_links(struct cpio *c)
{
	while (c->links) {
		struct cpio_link *l = c->links;

		c->links = l->next;
		inode_put(l->inode);
		heap_free(l);
	}
}

static int unpack_file(struct cpio *c, struct walk *w)
{
	bool shared = c->field[FIELD_LINKS] > 1;
	struct cpio_link *known = shared ? find_link(c) : NULL;
	struct inode *i = NULL;
	int err;

	if (known) {
		i = known->inode;
		inode_ref(i);
		err = w->at->ops->link(w->at, w->name, w->length, i);
	} else {
		err = w->at->ops->make(w->at, w->name, w->length, c->field[FIELD_MODE] & (TYPE_MASK | 07777), 0, &i);
		if (!err && shared)
			err = remember_link(c, i);
	}
	if (!err && c->field[FIELD_SIZE]) {
		err = inode_truncate(i, 0);
		if (!err)
			err = write_contents(c, i);
	}
	if (!err)
		set_attributes(c, i);
	if (i)
		inode_put(i);
	return err;
}

static int unpack_link(const struct cpio *c, struct walk *w)
{
	uint32_t size = c->field[FIELD_SIZE];
	frame_t f;
	char *target;
	int err;

	if (!size || size >= PATH_SIZE)
		return -EINVAL;
	f = frame_get();
	if (f == NO_FRAME)
		return -ENOSPC;
	target = frame_address(f);
	memcpy(target, c->data, size);
	target[size] = 0;
	err = w->at->ops->symlink(w->at, w->name, w->length, target);
	frame_put(f);
	return err;
}

static int unpack_node(const struct cpio *c, struct walk *w)
{
	uint64_t device = (uint64_t)c->field[FIELD_MAJOR] << 8 | (c->field[FIELD_MINOR] & 0xff) |
			  (uint64_t)(c->field[FIELD_MINOR] & 0xfff00) << 12;
	struct inode *i;
	int err = w->at->ops->make(w->at, w->name, w->length, c->field[FIELD_MODE] & (TYPE_MASK | 07777), device, &i);

	if (!err) {
		set_attributes(c, i);
		inode_put(i);
	}
	return err;
}

/* Clears the way for the entry at hand. 1: there is a directory, as the entry wants one, or what is there stays. */
static int replace(const struct cpio *c, struct walk *w)
{
	bool directory = (c->field[FIELD_MODE] & TYPE_MASK) == TYPE_DIR;
	struct inode *there;
	int err = w->at->ops->lookup(w->at, w->name, w->length, &there);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (there->mounted || c->keep) {
		err = 1;
	} else if (directory && c->below && (there->mode & TYPE_MASK) != TYPE_FILE) {
		err = 1; /* a directory on the way to what is added, or a link to one, is the root's own */
	} else if (directory && (there->mode & TYPE_MASK) == TYPE_DIR) {
		set_attributes(c, there);
		err = 1;
	} else {
		err = w->at->ops->unlink(w->at, w->name, w->length, (there->mode & TYPE_MASK) == TYPE_DIR);
	}
	inode_put(there);
	return err;
}

/* What is added to a root that is complete goes wherever its name leads: /tmp is such a place. */
static bool is_ours(const struct cpio *c, const struct inode *dir) { return c->below || dir->file_system == root_inode->file_system; }

static int unpack_at(struct cpio *c, struct walk *w)
{
	int err;

	if (!w->length || (w->name[0] == '.' && w->length == 1)) {
		set_attributes(c, w->at);
		return 0;
	}
	/* Nothing is put where another file system is laid over the root, nor outside of directories. */
	if (!is_ours(c, w->at))
		return 0;
	if (w->length > NAME_MAX || (w->name[0] == '.' && w->name[1] == '.' && w->length == 2))
		return -EINVAL;
	err = replace(c, w);
	if (err)
		return err < 0 ? err : 0;
	switch (c->field[FIELD_MODE] & TYPE_MASK) {
	case TYPE_FILE:
		return unpack_file(c, w);
	case TYPE_LINK:
		return unpack_link(c, w);
	case TYPE_DIR:
	case TYPE_CHAR:
	case TYPE_BLOCK:
	case TYPE_FIFO:
	case TYPE_SOCKET:
		return unpack_node(c, w);
	default:
		return -EINVAL;
	}
}

/* Goes to the directory of a name, making what is missing on the way: one directory a walk. 1: the way leads out of the
 * root's file system. */
static int walk_making(const struct cpio *c, struct walk *w, const char *name)
{
	for (;;) {
		struct inode *made;
		int err = walk_start(w, root_inode, name);

		if (err)
			return err;
		err = walk_parent(w);
		if (!err)
			return 0;
		if (err == -ENOENT) {
			err = 1;
			if (is_ours(c, w->at))
				err = w->at->ops->make(w->at, w->name, w->length, TYPE_DIR | 0755, 0, &made);
			if (!err)
				inode_put(made);
		}
		walk_end(w);
		if (err)
			return err;
	}
}

static int unpack_entry(struct cpio *c)
{
	const char *name = c->name;
	struct walk w;
	int err;

	while (*name == '/')
		name++;
	if (c->below && strncmp(name, c->below, strlen(c->below)))
		return 0;
	name += c->below ? strlen(c->below) : 0;
	if (!*name)
		return 0;
	err = walk_making(c, &w, name);
	if (err)
		return err < 0 ? err : 0;
	err = unpack_at(c, &w);
	walk_end(&w);
	return err;
}

/* One archive, to its end mark. */
static int unpack_archive(struct cpio *c)
{
	for (;;) {
		int err = cpio_entry(c);

		if (err)
			return err;
		if (!strcmp(c->name, END_NAME))
			return 0;
		err = unpack_entry(c);
		if (err)
			return err;
	}
}

int cpio_unpack(const uint8_t *bytes, size_t length) { return cpio_unpack_below(bytes, length, NULL, false); }

int cpio_unpack_below(const uint8_t *bytes, size_t length, const char *below, bool keep)
{
	struct cpio c = {.bytes = bytes, .length = length, .below = below, .keep = keep};
	int err;

	do {
		err = unpack_archive(&c);
		forget_links(&c);
		/* Archives are padded with zeros to whole blocks. */
		while (c.at < length && !bytes[c.at])
			c.at++;
	} while (!err && c.at < length);
	return err;
}

int cpio_find(const uint8_t *bytes, size_t length, const char *name, const uint8_t **data, size_t *size)
{
	struct cpio c = {.bytes = bytes, .length = length};

	while (cpio_entry(&c) == 0 && strcmp(c.name, END_NAME)) {
		if (strcmp(c.name, name) == 0) {
			*data = c.data;
			*size = c.field[FIELD_SIZE];
			return 0;
		}
	}
	return -ENOENT;
}
