/* Messages sent and received: buffers, addresses and what goes beside them, in Linux's structures. Called from the table of calls. */
#include <exos/linux/socket.h>
#include <exos/linux/vector.h>
#include <exos/sched/wait.h>
#include <exos/socket/rights.h>

enum { LEVEL_SOCKET = 1, CONTROL_RIGHTS = 1, CONTROL_CREDENTIALS = 2 };
enum { MESSAGE_WAIT_ONE = 0x10000, MESSAGE_ERRORS = 0x2000 };

struct linux_message_header {
	uint64_t name;
	int32_t name_length, pad;
	uint64_t vector, vector_length;
	uint64_t control, control_length;
	uint32_t flags, pad2;
};
_Static_assert(sizeof(struct linux_message_header) == 56, "struct msghdr of x86-64");
#define MANY_SIZE 64 /* of a struct mmsghdr: one of the above and a length */

struct control_header {
	uint64_t length; /* this included */
	int32_t level, type;
};
#define CONTROL_ALIGN(n) ROUND_UP(n, sizeof(uint64_t))

/* A message with several buffers. */
struct gathered {
	struct message m; /* first */
	struct vector v;
};

static int next_buffer(struct message *m)
{
	struct gathered *g = (struct gathered *)m;
	struct linux_iovec entry;
	int more = vector_next(&g->v, &entry);

	if (more <= 0)
		return -EFAULT; /* fewer than when they were counted: the program has changed them */
	m->at = ADDRESS(char, entry.base);
	m->left = MIN(entry.length, m->length);
	return 0;
}

static int gather(struct gathered *g, const struct linux_message_header *h)
{
	ssize length = h->vector_length > VECTOR_MAX ? -EMSGSIZE : vector_length(h->vector, h->vector_length);

	if (length < 0)
		return (int)length;
	vector_start(&g->v, h->vector, h->vector_length);
	g->m.length = MIN((size_t)length, IO_MAX);
	g->m.more = next_buffer;
	return 0;
}

static int rights_in(struct message *m, uint64_t program, size_t length)
{
	uint32_t count = (uint32_t)(length / sizeof(int));
	int number;

	if (!count)
		return 0;
	if (length / sizeof(int) > RIGHTS_MAX)
		return -EINVAL;
	if ((m->rights ? m->rights->count : 0) + count > RIGHTS_MAX)
		return -EINVAL;
	if (!rights_grow(&m->rights, count))
		return -ENOMEM;
	for (uint32_t n = 0; n < count; n++) {
		struct file *f;

		if (copy_in(&number, ADDRESS(const void, program + n * sizeof(int)), sizeof(number)))
			return -EFAULT;
		f = linux_file((uint32_t)number);
		if (!f)
			return -EBADF;
		file_ref(f);
		m->rights->files[m->rights->count++] = f;
	}
	return 0;
}

static int credentials_in(struct message *m, uint64_t program, size_t length)
{
	const struct proc *p = self->proc;
	struct credentials c;

	if (length != sizeof(c))
		return -EINVAL;
	if (copy_in(&c, ADDRESS(const void, program), sizeof(c)))
		return -EFAULT;
	if (p->euid && (c.pid != p->pid || (c.uid != p->uid && c.uid != p->euid && c.uid != p->suid) || (c.gid != p->gid && c.gid != p->egid && c.gid != p->sgid)))
		return -EPERM;
	if (c.pid != p->pid && !proc_find(c.pid))
		return -ESRCH;
	m->credentials = c;
	m->has_credentials = true;
	return 0;
}

static int control_in(struct socket *s, struct message *m, uint64_t program, uint64_t length)
{
	struct control_header h;
	int err = 0;

	while (!err && length >= sizeof(h)) {
		uint64_t data = program + sizeof(h), whole;

		if (copy_in(&h, ADDRESS(const void, program), sizeof(h)))
			return -EFAULT;
		if (h.length < sizeof(h) || h.length > length)
			return -EINVAL;
		if (h.level == LEVEL_SOCKET) {
			if (h.type == CONTROL_RIGHTS && s->family == FAMILY_UNIX)
				err = rights_in(m, data, h.length - sizeof(h));
			else if (h.type == CONTROL_CREDENTIALS && s->family == FAMILY_UNIX)
				err = credentials_in(m, data, h.length - sizeof(h));
			else
				err = -EINVAL;
		}
		whole = MIN(CONTROL_ALIGN(h.length), length);
		program += whole;
		length -= whole;
	}
	return err;
}

static int64_t send_message(struct socket *s, struct message *m, uint64_t flags)
{
	int64_t result;

	m->flags = (uint32_t)flags;
	result = s->ops->send(s, m);
	if (m->rights)
		rights_drop(m->rights);
	return result;
}

static int header_in(struct linux_message_header *h, uint64_t program)
{
	if (copy_in(h, ADDRESS(const void, program), sizeof(*h)))
		return -EFAULT;
	return h->name_length < 0 ? -EINVAL : 0;
}

static int64_t send_header(struct socket *s, uint64_t program, uint64_t flags)
{
	struct gathered g = {0};
	struct linux_message_header h;
	int err = header_in(&h, program);

	if (!err)
		err = gather(&g, &h);
	if (!err && h.name && h.name_length) {
		g.m.name_length = MIN((uint32_t)h.name_length, (uint32_t)sizeof(g.m.name));
		err = linux_address_in(h.name, g.m.name_length, &g.m.name);
	}
	if (!err && h.control && h.control_length)
		err = h.control_length > INT32_MAX ? -ENOBUFS : control_in(s, &g.m, h.control, h.control_length);
	if (!err)
		return send_message(s, &g.m, flags);
	if (g.m.rights)
		rights_drop(g.m.rights);
	return err;
}

int64_t linux_sendmsg(struct regs *r)
{
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	return err ? err : send_header(s, A1(r), A2(r));
}

int64_t linux_sendto(struct regs *r)
{
	size_t n = MIN(A2(r), IO_MAX);
	struct message m = {.at = ADDRESS(char, A1(r)), .left = n, .length = n};
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	if (!err && A4(r)) {
		err = linux_address_in(A4(r), A5(r), &m.name);
		m.name_length = (uint32_t)A5(r);
	}
	return err ? err : send_message(s, &m, A3(r));
}

static int put_header(struct control_out *c, int level, int type, size_t length)
{
	struct control_header h = {sizeof(h) + length, level, type};

	if (copy_out(ADDRESS(void, c->program + c->used), &h, sizeof(h)))
		return -EFAULT;
	c->used = MIN(c->used + CONTROL_ALIGN(h.length), c->room);
	return 0;
}

int linux_control_out(struct control_out *c, int level, int type, const void *value, size_t n)
{
	uint64_t data = c->program + c->used + sizeof(struct control_header), room = c->room - c->used;

	if (room < sizeof(struct control_header)) {
		c->cut = true;
		return 0;
	}
	room -= sizeof(struct control_header);
	c->cut |= room < n;
	n = MIN(n, room);
	if (copy_out(ADDRESS(void, data), value, n))
		return -EFAULT;
	return put_header(c, level, type, n);
}

/* As many descriptors as there is room for, there and in the table; the rest is lost, and that is said. */
static int rights_out(struct control_out *c, struct rights *rights, bool close_on_exec)
{
	uint64_t room = c->room - c->used, data = c->program + c->used + sizeof(struct control_header);
	uint32_t fit = room < sizeof(struct control_header) ? 0 : (uint32_t)MIN((room - sizeof(struct control_header)) / sizeof(int), (uint64_t)rights->count), done = 0;
	int err = 0;

	while (done < fit) {
		int number = file_install(self->proc->files, rights->files[done], 0, close_on_exec);

		if (number < 0)
			break;
		file_ref(rights->files[done]);
		if (copy_out(ADDRESS(void, data + done * sizeof(int)), &number, sizeof(number))) {
			file_close(self->proc->files, number);
			break;
		}
		done++;
	}
	c->cut |= done < rights->count;
	if (done)
		err = put_header(c, LEVEL_SOCKET, CONTROL_RIGHTS, done * sizeof(int));
	return err;
}

static int control_out(struct socket *s, struct message *m, struct control_out *c)
{
	int err = 0;

	if (s->pass_credentials) {
		if (!m->has_credentials)
			m->credentials = (struct credentials){0, 65534, 65534}; /* nobody said */
		err = linux_control_out(c, LEVEL_SOCKET, CONTROL_CREDENTIALS, &m->credentials, sizeof(m->credentials));
	}
	if (m->rights && !err)
		err = rights_out(c, m->rights, m->flags & MESSAGE_CLOSE_ON_EXEC);
	if (!err && (m->arrival.hops_told || m->arrival.place_told))
		err = linux_arrival_out(s, m, c);
	return err;
}

static int64_t receive(struct socket *s, struct message *m, uint64_t flags)
{
	m->flags = (uint32_t)flags;
	return flags & MESSAGE_ERRORS ? -EAGAIN : s->ops->receive(s, m);
}

static int header_out(const struct linux_message_header *h, uint64_t program, const struct message *m, const struct control_out *c)
{
	uint32_t name_length = m->name_length, flags = m->result | (c->cut ? MESSAGE_CONTROL_CUT : 0) | (m->flags & MESSAGE_CLOSE_ON_EXEC);

	if (h->name) {
		if (copy_out(ADDRESS(void, h->name), &m->name, MIN(MIN(name_length, (uint32_t)h->name_length), (uint32_t)sizeof(m->name))))
			return -EFAULT;
		if (copy_out(ADDRESS(void, program + offsetof(struct linux_message_header, name_length)), &name_length, sizeof(name_length)))
			return -EFAULT;
	}
	if (copy_out(ADDRESS(void, program + offsetof(struct linux_message_header, flags)), &flags, sizeof(flags)))
		return -EFAULT;
	return copy_out(ADDRESS(void, program + offsetof(struct linux_message_header, control_length)), &c->used, sizeof(c->used));
}

static int64_t receive_header(struct socket *s, uint64_t program, uint64_t flags)
{
	struct gathered g = {.m.ancillary = true};
	struct linux_message_header h;
	struct control_out c;
	int64_t result;
	int err = header_in(&h, program);

	if (!err)
		err = gather(&g, &h);
	if (err)
		return err;
	c = (struct control_out){.program = h.control, .room = h.control ? MIN(h.control_length, (uint64_t)INT32_MAX) : 0};
	result = receive(s, &g.m, flags);
	if (result >= 0) {
		err = control_out(s, &g.m, &c);
		if (!err)
			err = header_out(&h, program, &g.m, &c);
		if (err)
			result = err;
	}
	if (g.m.rights)
		rights_drop(g.m.rights);
	return result;
}

int64_t linux_recvmsg(struct regs *r)
{
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	return err ? err : receive_header(s, A1(r), A2(r));
}

int64_t linux_recvfrom(struct regs *r)
{
	size_t n = MIN(A2(r), IO_MAX);
	struct message m = {.at = ADDRESS(char, A1(r)), .left = n, .length = n};
	struct socket *s;
	int64_t result = linux_socket_at(A0(r), &s);
	int err;

	if (!result)
		result = receive(s, &m, A3(r));
	if (result < 0 || !A4(r))
		return result;
	err = linux_address_out(&m.name, m.name_length, A4(r), A5(r));
	return err ? err : result;
}

/* Those of several messages. What was done before something went wrong counts. */
static int64_t many(const struct regs *r, int64_t (*one)(struct socket *, uint64_t, uint64_t), uint64_t flags, uint64_t deadline, bool first_waits)
{
	uint32_t count = MIN((uint32_t)A2(r), VECTOR_MAX), done = 0;
	int64_t result = 0;

	while (done < count) {
		uint64_t program = A1(r) + (uint64_t)done * MANY_SIZE;
		struct socket *s;
		uint32_t length;

		result = linux_socket_at(A0(r), &s);
		if (!result)
			result = one(s, program, flags);
		if (result < 0)
			break;
		length = (uint32_t)result;
		if (copy_out(ADDRESS(void, program + sizeof(struct linux_message_header)), &length, sizeof(length))) {
			result = -EFAULT;
			break;
		}
		done++;
		if (first_waits)
			flags |= MESSAGE_NOW;
		if (deadline && ticks_now() >= deadline)
			break;
	}
	return done ? done : result;
}

int64_t linux_sendmmsg(struct regs *r) { return many(r, send_header, A3(r), 0, false); }

int64_t linux_recvmmsg(struct regs *r)
{
	uint64_t ns, deadline = 0;

	if (A4(r)) {
		int err = linux_time_in(ADDRESS(const struct linux_timespec, A4(r)), &ns);

		if (err)
			return err;
		deadline = time_deadline(ns);
	}
	return many(r, receive_header, A3(r) & ~(uint64_t)MESSAGE_WAIT_ONE, deadline, A3(r) & MESSAGE_WAIT_ONE);
}
