/* Names of UNIX sockets: in the file system, where an inode of TYPE_SOCKET stands for the socket that is bound to it, and abstract ones, of which only the sockets know. */
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/socket/unix.h>

#define NAMES     256
#define PATH_ROOM 108 /* of a name, without the family */
#define NAME_HEAD sizeof(uint16_t)

static struct list abstract[NAMES]; /* domain lock */

static struct list *bucket(const struct socket_address *a, uint32_t length)
{
	uint32_t hash = 2166136261u;
	struct list *b;

	for (uint32_t n = 0; n < length - NAME_HEAD; n++)
		hash = (hash ^ a->bytes[n]) * 16777619u;
	b = &abstract[hash % NAMES];
	if (!b->next)
		list_init(b);
	return b;
}

/* Each kind has names of its own. No reference. */
static struct unix_socket *find_abstract(const struct socket_address *a, uint32_t length, uint16_t type)
{
	LIST_FOR_EACH(l, bucket(a, length)) {
		struct unix_socket *u = CONTAINER_OF(l, struct unix_socket, named);

		if (u->s.type == type && u->name_length == length && !memcmp(u->name.bytes, a->bytes, length - NAME_HEAD))
			return u;
	}
	return NULL;
}

/* The name as a path, terminated. */
static int path_of(const struct socket_address *a, uint32_t length, char path[PATH_ROOM + 1])
{
	if (a->family != FAMILY_UNIX || length <= NAME_HEAD || length > NAME_HEAD + PATH_ROOM)
		return -EINVAL;
	memcpy(path, a->bytes, length - NAME_HEAD);
	path[length - NAME_HEAD] = 0;
	return 0;
}

int unix_find(const struct socket_address *a, uint32_t length, uint16_t type, struct unix_socket **out)
{
	struct unix_socket *u = NULL;
	char path[PATH_ROOM + 1];
	struct inode *i;
	int err = path_of(a, length, path);

	if (err)
		return err;
	if (!*path) {
		u = find_abstract(a, length, type);
	} else {
		err = path_inode(NULL, path, 0, &i);
		if (err)
			return err;
		err = inode_permission(i, 2);
		if (!err && (i->mode & TYPE_MASK) == TYPE_SOCKET)
			u = i->data;
		inode_put(i);
	}
	if (!err && !u)
		err = -ECONNREFUSED;
	if (!err && u->s.type != type)
		err = -EPROTOTYPE;
	if (err)
		return err;
	unix_ref(u);
	*out = u;
	return 0;
}

static int bind_path(struct unix_socket *u, const char *path)
{
	int err = path_make(NULL, path, TYPE_SOCKET | 0777, 0);

	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = path_inode(NULL, path, PATH_NOFOLLOW, &u->inode);
	if (!err)
		u->inode->data = u;
	return err;
}

int unix_autobind(struct unix_socket *u)
{
	static uint32_t last; /* domain lock */
	struct socket_address a = {.family = FAMILY_UNIX};
	uint32_t length = NAME_HEAD + 6;

	for (uint32_t tries = 0; tries < 1u << 20; tries++) {
		last = (last + 1) & 0xfffff;
		format((char *)a.bytes + 1, sizeof(a.bytes) - 1, "%05x", last);
		if (find_abstract(&a, length, u->s.type))
			continue;
		u->name = a;
		u->name_length = length;
		list_append(bucket(&a, length), &u->named);
		return 0;
	}
	return -ENOSPC;
}

int unix_bind(struct socket *s, const struct socket_address *a, uint32_t length)
{
	struct unix_socket *u = unix_socket(s);
	char path[PATH_ROOM + 1];
	int err;

	if (length >= NAME_HEAD && a->family != FAMILY_UNIX)
		return -EINVAL;
	if (length == NAME_HEAD)
		return u->name_length ? 0 : unix_autobind(u);
	err = path_of(a, length, path);
	if (err)
		return err;
	if (u->name_length)
		return -EINVAL;
	if (!*path) {
		if (find_abstract(a, length, s->type))
			return -EADDRINUSE;
		list_append(bucket(a, length), &u->named);
	} else {
		err = bind_path(u, path);
		if (err)
			return err;
		length = (uint32_t)(NAME_HEAD + strlen(path) + 1); /* its end is of the name, as far as it has room */
	}
	u->name.family = FAMILY_UNIX;
	memcpy(u->name.bytes, a->bytes, MIN(length, NAME_HEAD + PATH_ROOM) - NAME_HEAD);
	if (*path)
		u->name.bytes[length - NAME_HEAD - 1] = 0;
	u->name_length = length;
	return 0;
}

void unix_forget_name(struct unix_socket *u)
{
	list_remove(&u->named);
	if (u->inode) {
		u->inode->data = NULL;
		inode_put(u->inode);
		u->inode = NULL;
	}
}
