/* See socket.h. */
#include <exos/heap.h>
#include <exos/proc/proc.h>
#include <exos/sched/turn.h>
#include <exos/socket/internet.h>
#include <exos/socket/netlink.h>
#include <exos/socket/socket.h>
#include <exos/socket/unix.h>
#include <exos/vm/copy.h>

#define SOCKET_FILE_SYSTEM 10

void socket_init(struct socket *s, const struct socket_ops *ops, uint16_t family, uint16_t type, int protocol)
{
	s->ops = ops;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->send_size = s->receive_size = SOCKET_SIZE;
	wait_queue_init(&s->readers);
	wait_queue_init(&s->writers);
	wait_queue_init(&s->polled);
}

int socket_new(uint16_t family, uint16_t type, int protocol, struct socket **out)
{
	switch (family) {
	case FAMILY_UNIX:
		return unix_new(type, protocol, out);
	case FAMILY_INET:
	case FAMILY_INET6:
		return internet_new(family, type, protocol, out);
	case FAMILY_NETLINK:
		return netlink_new(type, protocol, out);
	default:
		return -EAFNOSUPPORT;
	}
}

int socket_pair(uint16_t family, uint16_t type, int protocol, struct socket *out[2])
{
	int err = socket_new(family, type, protocol, &out[0]);

	if (err)
		return err;
	err = family == FAMILY_UNIX ? socket_new(family, type, protocol, &out[1]) : -EOPNOTSUPP;
	if (err) {
		out[0]->ops->release(out[0]);
		return err;
	}
	unix_join(out[0], out[1]);
	return 0;
}

static const struct inode_ops socket_inode_ops;

struct file *socket_file(struct socket *s, uint32_t flags)
{
	struct inode *i = inode_new(&socket_inode_ops, TYPE_SOCKET | 0777);
	struct file *f = i ? file_new(s->ops->file, i, OPEN_RDWR | (flags & OPEN_NONBLOCK)) : NULL;

	if (i) {
		i->file_system = SOCKET_FILE_SYSTEM;
		inode_put(i);
	}
	if (!f) {
		s->ops->release(s);
		return NULL;
	}
	f->data = s;
	s->file = f;
	return f;
}

struct socket *socket_of(const struct file *f) { return f->ops->release == socket_release ? f->data : NULL; }

int socket_wait(struct socket *s, struct wait_queue *q, struct patience *p, bool turn)
{
	struct file *f = s->file;
	int err = 0;

	if (p->none)
		return -EAGAIN;
	if (p->timeout && !p->deadline)
		p->deadline = time_deadline(p->timeout);
	file_ref(f); /* another thread may close it meanwhile */
	if (turn && turn_due())
		turn_give(q);
	else
		err = wait_on(q, p->deadline);
	file_put(f);
	if (err == -ETIMEDOUT)
		p->none = true; /* but what has come at the last moment counts */
	else if (err)
		return p->timeout ? -EINTR : -ERESTART;
	return 0;
}

int socket_may_accept(void) { return signal_ends() ? -EINTR : file_may_install(self->proc->files); }

void socket_wake(struct socket *s)
{
	wake_all(&s->readers);
	wake_all(&s->writers);
	wake_all(&s->polled);
}

int socket_error(struct socket *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

int socket_broken(uint32_t flags)
{
	if (!(flags & MESSAGE_NO_SIGNAL))
		signal_send(self->proc, SIGPIPE, NULL);
	return -EPIPE;
}

/* Of one buffer after the other; `in` says which way. */
static int message_move(struct message *m, char *library, size_t n, bool in)
{
	while (n) {
		size_t part;

		if (!m->left) {
			int err = m->more(m);

			if (err)
				return err;
			continue;
		}
		part = MIN(n, m->left);
		if (m->library)
			memcpy(in ? library : m->at, in ? m->at : library, part);
		else if (in ? copy_in(library, m->at, part) : copy_out(m->at, library, part))
			return -EFAULT;
		m->at += part;
		m->left -= part;
		m->length -= part;
		library += part;
		n -= part;
	}
	return 0;
}

int message_in(struct message *m, void *to, size_t n)
{
	return message_move(m, to, n, true);
}

int message_out(struct message *m, const void *from, size_t n)
{
	return message_move(m, (char *)(uintptr_t)from, n, false);
}

ssize socket_read(struct file *f, void *program, size_t n, uint64_t *offset)
{
	struct socket *s = f->data;
	struct message m = {.at = program, .left = n, .length = n};

	(void)offset;
	return s->ops->receive(s, &m);
}

ssize socket_write(struct file *f, const void *program, size_t n, uint64_t *offset)
{
	struct socket *s = f->data;
	struct message m = {.at = (char *)(uintptr_t)program, .left = n, .length = n};

	(void)offset;
	return s->ops->send(s, &m);
}

ssize socket_write_library(struct file *f, const void *bytes, size_t n, uint64_t *offset)
{
	struct socket *s = f->data;
	struct message m = {.at = (char *)(uintptr_t)bytes, .left = n, .length = n, .library = true};

	(void)offset;
	return s->ops->send(s, &m);
}

int64_t socket_control(struct file *f, uint64_t command, uint64_t argument)
{
	struct socket *s = f->data;

	return s->ops->control ? s->ops->control(s, (uint32_t)command, argument) : internet_control(s, (uint32_t)command, argument); /* any socket can ask */
}

uint32_t socket_poll(struct file *f, struct wait_queue **queue)
{
	struct socket *s = f->data;

	*queue = &s->polled;
	return s->ops->poll(s) | (s->error ? POLL_ERROR : 0);
}

size_t socket_available(struct file *f)
{
	struct socket *s = f->data;

	return s->ops->available(s);
}

void socket_release(struct file *f)
{
	struct socket *s = f->data;

	s->file = NULL;
	s->ops->release(s);
}

const struct file_ops socket_file_ops = {
	.read = socket_read,
	.write = socket_write,
	.write_library = socket_write_library,
	.control = socket_control,
	.poll = socket_poll,
	.available = socket_available,
	.release = socket_release,
};
