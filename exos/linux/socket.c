/* Sockets made, named, connected and shut. Called from the table of calls. */
#include <exos/linux/socket.h>

int linux_socket_at(uint64_t number, struct socket **out)
{
	struct file *f = linux_file(number);

	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	*out = socket_of(f);
	return *out ? 0 : -ENOTSOCK;
}

int linux_address_in(uint64_t program, uint64_t length, struct socket_address *a)
{
	*a = (struct socket_address){0};
	if ((int32_t)length < 0 || (uint32_t)length > sizeof(*a))
		return -EINVAL;
	return copy_in(a, ADDRESS(const void, program), (uint32_t)length);
}

int linux_address_out(const struct socket_address *a, uint32_t length, uint64_t program, uint64_t program_length)
{
	int32_t room;

	if (!program)
		return 0;
	if (copy_in(&room, ADDRESS(const void, program_length), sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_out(ADDRESS(void, program), a, MIN(MIN((uint32_t)room, length), (uint32_t)sizeof(*a))))
		return -EFAULT;
	return copy_out(ADDRESS(void, program_length), &length, sizeof(length));
}

#define TYPE_BITS  0xfu
#define TYPE_FLAGS ((uint32_t)(OPEN_NONBLOCK | OPEN_CLOEXEC))

int64_t linux_socket(struct regs *r)
{
	uint32_t type = (uint32_t)A1(r);
	struct socket *s;
	struct file *f;
	int err;

	if (type & ~(TYPE_BITS | TYPE_FLAGS))
		return -EINVAL;
	err = A0(r) > UINT16_MAX ? -EAFNOSUPPORT : socket_new((uint16_t)A0(r), type & TYPE_BITS, (int)A2(r), &s);
	if (err)
		return err;
	f = socket_file(s, type);
	return f ? linux_install(f, type & OPEN_CLOEXEC) : -ENOMEM;
}

static int64_t install_pair(struct socket *ends[2], uint32_t flags, uint64_t program)
{
	struct file_table *t = self->proc->files;
	struct file *first = socket_file(ends[0], flags), *second = socket_file(ends[1], flags);
	int numbers[2] = {-ENOMEM, -ENOMEM};

	if (first && second)
		numbers[0] = (int)linux_install(first, flags & OPEN_CLOEXEC);
	else if (first)
		file_put(first);
	if (numbers[0] < 0) {
		if (second)
			file_put(second);
		return numbers[0];
	}
	numbers[1] = (int)linux_install(second, flags & OPEN_CLOEXEC);
	if (numbers[1] >= 0 && !copy_out(ADDRESS(void, program), numbers, sizeof(numbers)))
		return 0;
	file_close(t, numbers[0]);
	if (numbers[1] < 0)
		return numbers[1];
	file_close(t, numbers[1]);
	return -EFAULT;
}

int64_t linux_socketpair(struct regs *r)
{
	uint32_t type = (uint32_t)A1(r);
	struct socket *ends[2];
	int err;

	if (type & ~(TYPE_BITS | TYPE_FLAGS))
		return -EINVAL;
	err = A0(r) > UINT16_MAX ? -EAFNOSUPPORT : socket_pair((uint16_t)A0(r), type & TYPE_BITS, (int)A2(r), ends);
	return err ? err : install_pair(ends, type, A3(r));
}

int64_t linux_bind(struct regs *r)
{
	struct socket_address a;
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	if (!err)
		err = linux_address_in(A1(r), A2(r), &a);
	return err ? err : s->ops->bind(s, &a, (uint32_t)A2(r));
}

int64_t linux_connect(struct regs *r)
{
	struct socket_address a;
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	if (!err)
		err = linux_address_in(A1(r), A2(r), &a);
	return err ? err : s->ops->connect(s, &a, (uint32_t)A2(r));
}

int64_t linux_listen(struct regs *r)
{
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	return err ? err : s->ops->listen(s, (uint32_t)A1(r));
}

static int64_t accept_one(const struct regs *r, uint32_t flags)
{
	struct socket_address a;
	struct socket *s, *taken;
	struct file *f;
	int64_t number;
	int length, err = linux_socket_at(A0(r), &s);

	if (!err && (flags & ~TYPE_FLAGS))
		err = -EINVAL;
	if (!err)
		err = s->ops->accept(s, false, &taken);
	if (err)
		return err;
	f = socket_file(taken, flags);
	if (!f)
		return -ENOMEM;
	length = taken->ops->name(taken, true, &a);
	number = linux_install(f, flags & OPEN_CLOEXEC);
	if (number < 0 || !A1(r))
		return number;
	/* It may have been shut already by who asked for it. */
	err = length < 0 ? (taken->family == FAMILY_UNIX ? 0 : -ECONNABORTED) : linux_address_out(&a, (uint32_t)length, A1(r), A2(r));
	if (!err)
		return number;
	file_close(self->proc->files, (int)number);
	return err;
}

int64_t linux_accept(struct regs *r) { return accept_one(r, 0); }
int64_t linux_accept4(struct regs *r) { return accept_one(r, (uint32_t)A3(r)); }

static int64_t tell_name(const struct regs *r, bool peer)
{
	struct socket_address a;
	struct socket *s;
	int length, err = linux_socket_at(A0(r), &s);

	if (err)
		return err;
	length = s->ops->name(s, peer, &a);
	if (length < 0)
		return length;
	return A1(r) ? linux_address_out(&a, (uint32_t)length, A1(r), A2(r)) : -EFAULT;
}

int64_t linux_getsockname(struct regs *r) { return tell_name(r, false); }
int64_t linux_getpeername(struct regs *r) { return tell_name(r, true); }

int64_t linux_shutdown(struct regs *r)
{
	enum { SHUT_READ, SHUT_WRITE, SHUT_BOTH };
	struct socket *s;
	uint32_t how = (uint32_t)A1(r);
	int err = linux_socket_at(A0(r), &s);

	if (!err && how > SHUT_BOTH)
		err = -EINVAL;
	return err ? err : s->ops->shutdown(s, how != SHUT_WRITE, how != SHUT_READ);
}
