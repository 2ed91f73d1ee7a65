/* Paths: from text to inodes, through links, mounts and `..`.
 *
 * Called with text in library memory. Iterative, with the text of links in frames: the library's stack is small. */
#include <exos/file/walk.h>
#include <exos/proc/proc.h>
#include <exos/self.h>

static struct inode *walk_top(void) { return self->proc && self->proc->root ? self->proc->root : root_inode; }

uint32_t walk_mode(uint32_t mode) { return mode & 07777 & ~(self->proc ? self->proc->umask : 0); }

int walk_start(struct walk *w, struct inode *base, const char *path)
{
	if (!*path)
		return -ENOENT;
	if (*path == '/')
		base = walk_top();
	else if (!base)
		base = self->proc && self->proc->cwd ? self->proc->cwd : root_inode;
	*w = (struct walk){.at = base, .rest = path};
	inode_ref(base);
	return 0;
}

void walk_end(struct walk *w)
{
	inode_put(w->at);
	for (int n = 0; n < 2; n++) {
		if (w->text[n] != NO_FRAME)
			frame_put(w->text[n]);
	}
}

static void walk_move(struct walk *w, struct inode *to)
{
	inode_put(w->at);
	w->at = to;
}

/* Whatever a name in the present directory leads to, a link itself included. */
static int walk_step(struct walk *w, const char *name, size_t length, struct inode **out)
{
	struct inode *dir = w->at;
	int err;

	if ((dir->mode & TYPE_MASK) != TYPE_DIR)
		return -ENOTDIR;
	err = inode_permission(dir, 1);
	if (err)
		return err;
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	if (name[0] == '.' && length == 1) {
		inode_ref(dir);
		*out = dir;
		return 0;
	}
	if (name[0] == '.' && length == 2 && name[1] == '.') {
		*out = inode_parent(dir);
		return 0;
	}
	err = dir->ops->lookup(dir, name, length, out);
	while (!err && (*out)->mounted) {
		struct inode *over = (*out)->mounted;

		inode_ref(over);
		inode_put(*out);
		*out = over;
	}
	return err;
}

/* Continues with a link's text and what was left of the path behind the link. */
static int walk_link(struct walk *w, struct inode *link)
{
	uint32_t use = 1 - w->text_used;
	size_t left = strlen(w->rest);
	ssize length;
	char *text;

	if (w->text[use] == NO_FRAME) {
		w->text[use] = frame_get();
		if (w->text[use] == NO_FRAME)
			return -ENOMEM;
	}
	text = frame_address(w->text[use]);
	length = link->ops->readlink(link, text, PATH_SIZE);
	if (length < 0)
		return (int)length;
	if (!length)
		return -ENOENT;
	if ((size_t)length + left + 2 > PATH_SIZE)
		return -ENAMETOOLONG;
	if (left)
		text[length++] = '/';
	memcpy(text + length, w->rest, left + 1);
	w->text_used = use;
	w->rest = text;
	if (*text == '/') {
		struct inode *top = walk_top();

		inode_ref(top);
		walk_move(w, top);
	}
	return 0;
}

/* Follows a link that the walk has come to: a magic one moves the walk at once, another prolongs the path. */
static int walk_follow(struct walk *w, struct inode *link, struct inode **jumped)
{
	*jumped = NULL;
	if (++w->links > WALK_LINKS_MAX)
		return -ELOOP;
	return link->ops->follow ? link->ops->follow(link, jumped) : walk_link(w, link);
}

/* Takes the next component off the text. Its slashes go with it; `slash` says that there were some. */
static const char *walk_next(struct walk *w, size_t *length, bool *slash)
{
	const char *name, *end;

	while (*w->rest == '/')
		w->rest++;
	name = end = w->rest;
	while (*end && *end != '/')
		end++;
	*length = (size_t)(end - name);
	*slash = *end == '/';
	while (*end == '/')
		end++;
	w->rest = end;
	return name;
}

int walk_parent(struct walk *w)
{
	for (;;) {
		size_t length;
		bool slash;
		const char *name = walk_next(w, &length, &slash);
		struct inode *child, *jumped;
		int err;

		w->name = name;
		w->length = length;
		w->slash = slash;
		if (!*w->rest)
			return (w->at->mode & TYPE_MASK) == TYPE_DIR ? 0 : -ENOTDIR;
		err = walk_step(w, name, length, &child);
		if (err)
			return err;
		if ((child->mode & TYPE_MASK) != TYPE_LINK) {
			walk_move(w, child);
			continue;
		}
		err = walk_follow(w, child, &jumped);
		inode_put(child);
		if (err)
			return err;
		if (jumped)
			walk_move(w, jumped);
	}
}

int walk_last(struct walk *w, bool follow, struct inode **out)
{
	for (;;) {
		struct inode *child, *jumped;
		int err;

		w->length = 0;
		err = walk_parent(w);
		if (err) {
			w->length = 0;
			return err;
		}
		if (!w->length) {
			inode_ref(w->at);
			*out = w->at;
			return 0;
		}
		err = walk_step(w, w->name, w->length, &child);
		if (err)
			return err;
		if ((child->mode & TYPE_MASK) == TYPE_LINK && (follow || w->slash)) {
			/* The slash is what makes the link's target have to be a directory. */
			w->rest = w->slash ? "/" : "";
			err = walk_follow(w, child, &jumped);
			inode_put(child);
			if (err)
				return err;
			if (!jumped)
				continue;
			child = jumped;
		}
		if (w->slash && (child->mode & TYPE_MASK) != TYPE_DIR) {
			inode_put(child);
			return -ENOTDIR;
		}
		*out = child;
		return 0;
	}
}

int path_inode(struct inode *base, const char *path, uint32_t flags, struct inode **out)
{
	struct walk w;
	int err = walk_start(&w, base, path);

	if (err)
		return err;
	err = walk_last(&w, !(flags & PATH_NOFOLLOW), out);
	walk_end(&w);
	return err;
}
