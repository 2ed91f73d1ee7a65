/* /proc as a file system: a tree of entries from tables, with inodes made when they are looked up.
 *
 * A file's text is written when it is opened and stays as it was then. A process's inodes hold its number, not the
 * process: when that has gone, they lead nowhere. */
#include <exos/file/device.h>
#include <exos/file/procfs.h>
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

#define PROCFS_FILE_SYSTEM 3
#define NUMBER_NONE	   (-1)
/* Cookies of a listing: ".", "..", the fixed names from COOKIE_FIXED on, the numbers from COOKIE_NUMBERS on. */
#define COOKIE_FIXED   2u
#define COOKIE_NUMBERS (1u << 16)

struct procfs_node {
	struct inode inode; /* first: see inode_init */
	const struct procfs_entry *entry;
	struct procfs_node *parent; /* a reference; null for the root */
	int pid;		    /* 0: not of a process */
	int number;		    /* of a numbered entry, or NUMBER_NONE */
	char digits[12];
};

static const struct inode_ops procfs_ops, procfs_magic_ops;

static struct procfs_node *node_of(struct inode *i) { return (struct procfs_node *)i; }

/* The process that a node tells of: null when it is of none, or that one has gone. */
static struct proc *node_proc(const struct procfs_node *n) { return n->pid ? proc_find(n->pid) : NULL; }

static bool node_gone(const struct procfs_node *n) { return n->pid && !proc_find(n->pid); }

/* The same every time that an entry is looked up: process, number and place in the table make it. */
static uint64_t node_number(const struct procfs_node *parent, const struct procfs_entry *entry, int pid, int number)
{
	uint64_t place =
		number != NUMBER_NONE ? 0x8000u + (uint32_t)number : (uint64_t)(entry - parent->entry->entries) + 1;

	return (uint64_t)pid << 32 | (parent->number == NUMBER_NONE && parent->parent ? 0x4000u : 0) << 16 |
	       (place & 0xffffu);
}

static struct procfs_node *node_new(struct procfs_node *parent, const struct procfs_entry *entry, int number)
{
	struct procfs_node *n = heap_alloc(sizeof(*n));
	struct proc *p;

	if (!n)
		return NULL;
	inode_init(&n->inode, entry->follow ? &procfs_magic_ops : &procfs_ops, entry->mode);
	n->inode.file_system = PROCFS_FILE_SYSTEM;
	n->entry = entry;
	n->number = number;
	n->parent = parent;
	if (parent) {
		n->pid = number != NUMBER_NONE && !parent->pid ? number : parent->pid;
		n->inode.number = node_number(parent, entry, n->pid, number);
		inode_ref(&parent->inode);
	}
	if (number != NUMBER_NONE)
		format(n->digits, sizeof(n->digits), "%d", number);
	p = node_proc(n);
	n->inode.uid = p ? p->euid : 0;
	n->inode.gid = p ? p->egid : 0;
	return n;
}

static void procfs_release(struct inode *i)
{
	if (node_of(i)->parent)
		inode_put(&node_of(i)->parent->inode);
}

/* A number as a listing shows it: no leading zeros, nothing else; or NUMBER_NONE. */
static int name_number(const char *name, size_t length)
{
	int number = 0;

	if (!length || length > 9 || (name[0] == '0' && length > 1))
		return NUMBER_NONE;
	for (size_t n = 0; n < length; n++) {
		if (name[n] < '0' || name[n] > '9')
			return NUMBER_NONE;
		number = number * 10 + (name[n] - '0');
	}
	return number;
}

static int procfs_lookup(struct inode *dir, const char *name, size_t length, struct inode **out)
{
	struct procfs_node *d = node_of(dir), *made = NULL;
	int number = d->entry->numbered ? name_number(name, length) : NUMBER_NONE;
	const struct procfs_entry *e = d->entry->entries;

	if (node_gone(d))
		return -ENOENT;
	if (number != NUMBER_NONE && d->entry->next(node_proc(d), number) == number) {
		made = node_new(d, d->entry->numbered, number);
	} else {
		while (e && e->name && (strlen(e->name) != length || memcmp(e->name, name, length)))
			e++;
		if (!e || !e->name)
			return -ENOENT;
		made = node_new(d, e, NUMBER_NONE);
	}
	if (!made)
		return -ENOMEM;
	*out = &made->inode;
	return 0;
}

/* Hands out the fixed names from *offset on; false when the sink is full. */
static bool list_fixed(struct procfs_node *d, uint64_t *offset, struct dirent_sink *sink)
{
	const struct procfs_entry *e = d->entry->entries;

	if (*offset == 0 && sink->entry(sink, ".", 1, d->inode.number, TYPE_DIR, 1))
		*offset = 1;
	if (*offset == 1) {
		struct inode *parent = inode_parent(&d->inode);

		if (sink->entry(sink, "..", 2, parent->number, TYPE_DIR, COOKIE_FIXED))
			*offset = COOKIE_FIXED;
		inode_put(parent);
	}
	if (*offset < COOKIE_FIXED)
		return false;
	for (uint64_t n = 0; e && e[n].name; n++) {
		uint64_t cookie = COOKIE_FIXED + n;

		if (cookie < *offset)
			continue;
		if (!sink->entry(sink, e[n].name, strlen(e[n].name), node_number(d, &e[n], d->pid, NUMBER_NONE),
			    e[n].mode & TYPE_MASK, cookie + 1))
			return false;
		*offset = cookie + 1;
	}
	*offset = MAX(*offset, COOKIE_NUMBERS);
	return true;
}

static int procfs_list(struct inode *dir, uint64_t *offset, struct dirent_sink *sink)
{
	struct procfs_node *d = node_of(dir);
	const struct procfs_entry *numbered = d->entry->numbered;
	char digits[12];

	if (node_gone(d))
		return -ENOENT;
	if (*offset < COOKIE_NUMBERS && !list_fixed(d, offset, sink))
		return 0;
	while (numbered) {
		int number = d->entry->next(node_proc(d), (int)(*offset - COOKIE_NUMBERS));
		int length = format(digits, sizeof(digits), "%d", number);
		uint64_t after = COOKIE_NUMBERS + (uint64_t)number + 1;

		if (number < 0 || !sink->entry(sink, digits, (size_t)length,
					  node_number(d, numbered, d->pid ? d->pid : number, number),
					  numbered->mode & TYPE_MASK, after))
			break;
		*offset = after;
	}
	return 0;
}

static ssize procfs_readlink(struct inode *link, char *to, size_t size)
{
	struct procfs_node *n = node_of(link);

	if (node_gone(n))
		return -ENOENT;
	return n->entry->readlink(node_proc(n), n->number, to, size);
}

/* What others hold open is not for everybody. */
static int procfs_follow(struct inode *link, struct inode **out)
{
	struct procfs_node *n = node_of(link);
	struct proc *p = node_proc(n);

	if (!p)
		return -ENOENT;
	if (self->proc->euid && self->proc->euid != p->uid)
		return -EACCES;
	return n->entry->follow(p, n->number, out);
}

static ssize procfs_locate(struct inode *i, struct inode **dir, const char **name)
{
	struct procfs_node *n = node_of(i);
	const char *own;

	if (!n->parent || node_gone(n))
		return -ENOENT;
	own = n->number != NUMBER_NONE ? n->digits : n->entry->name;
	*dir = &n->parent->inode;
	if (name)
		*name = own;
	return (ssize)strlen(own);
}

static ssize procfs_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	return text_read(f->data, program, n, offset);
}

static void procfs_close(struct file *f)
{
	text_free(f->data);
	heap_free(f->data);
}

static const struct file_ops procfs_file_ops = {.read = procfs_read, .release = procfs_close};

static int procfs_open(struct inode *i, struct file *f)
{
	struct procfs_node *n = node_of(i);
	struct text *t;

	if (node_gone(n))
		return -ENOENT;
	f->seekable = true;
	f->ops = &directory_file_ops;
	if ((i->mode & TYPE_MASK) == TYPE_DIR)
		return 0;
	if ((f->flags & OPEN_ACCESS) != OPEN_READ)
		return -EACCES;
	t = heap_alloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	n->entry->write(t, node_proc(n));
	if (t->failed) {
		text_free(t);
		heap_free(t);
		return -ENOMEM;
	}
	f->ops = &procfs_file_ops;
	f->data = t;
	return 0;
}

static const struct inode_ops procfs_ops = {
	.lookup = procfs_lookup,
	.list = procfs_list,
	.readlink = procfs_readlink,
	.locate = procfs_locate,
	.open = procfs_open,
	.release = procfs_release,
};

/* Links that are not mere text: their inodes have `follow` as well. */
static const struct inode_ops procfs_magic_ops = {
	.readlink = procfs_readlink,
	.follow = procfs_follow,
	.locate = procfs_locate,
	.release = procfs_release,
};

static const struct procfs_entry root_entry = {.mode = TYPE_DIR | 0555,
	.entries = procfs_system_entries,
	.numbered = &procfs_process,
	.next = procfs_next_process};

struct inode *procfs_root(void)
{
	struct procfs_node *root = node_new(NULL, &root_entry, NUMBER_NONE);

	return root ? &root->inode : NULL;
}
