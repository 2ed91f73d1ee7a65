/* getsockopt and setsockopt: what holds of every socket. Called from the table of calls. */
#include <exos/linux/socket.h>
#include <exos/linux/timeval.h>
#include <exos/socket/unix.h>

enum { LEVEL_SOCKET = 1 };
enum {
	SO_REUSE_ADDRESS = 2,
	SO_TYPE,
	SO_ERROR,
	SO_BROADCAST = 6,
	SO_SEND_SIZE,
	SO_RECEIVE_SIZE,
	SO_KEEP_ALIVE,
	SO_LINGER = 13,
	SO_REUSE_PORT = 15,
	SO_PASS_CREDENTIALS,
	SO_PEER_CREDENTIALS,
	SO_RECEIVE_LOW,
	SO_RECEIVE_TIMEOUT = 20,
	SO_SEND_TIMEOUT,
	SO_LISTENS = 30,
	SO_SEND_SIZE_FORCE = 32,
	SO_RECEIVE_SIZE_FORCE,
	SO_PROTOCOL = 38,
	SO_DOMAIN
};

struct linux_linger {
	int32_t on, seconds;
};
#define NS_PER_SECOND 1000000000ul

static bool *flag_of(struct socket *s, int name)
{
	switch (name) {
	case SO_REUSE_ADDRESS:
		return &s->reuse_address;
	case SO_BROADCAST:
		return &s->broadcast;
	case SO_KEEP_ALIVE:
		return &s->keep_alive;
	case SO_REUSE_PORT:
		return &s->reuse_port;
	case SO_PASS_CREDENTIALS:
		return &s->pass_credentials;
	default:
		return NULL;
	}
}

static int time_in(uint64_t program, uint32_t length, uint64_t *ns)
{
	struct linux_timeval t;

	if (length < sizeof(t))
		return -EINVAL;
	if (copy_in(&t, ADDRESS(const void, program), sizeof(t)))
		return -EFAULT;
	if (t.microseconds < 0 || t.microseconds >= 1000000)
		return -EDOM;
	if (t.seconds < 0) /* as good as none */
		*ns = 1;
	else /* more than a thousand years is for ever */
		*ns = (uint64_t)t.seconds < INT64_MAX / NS_PER_SECOND ? (uint64_t)t.seconds * NS_PER_SECOND + (uint64_t)t.microseconds * 1000 : 0;
	return 0;
}

/* Twice of what was asked for, as Linux does, since it counts its own costs in; so does unix.h. */
static uint32_t size_of(int value, bool force)
{
	uint64_t most = force && !self->proc->euid ? SOCKET_SIZE_MAX : 2 * SOCKET_SIZE;
	uint64_t size = value < 0 ? most : 2 * (uint64_t)value;

	return (uint32_t)MAX(MIN(size, most), (uint64_t)SOCKET_SIZE_MIN);
}

static int set_linger(struct socket *s, uint64_t program, uint32_t length)
{
	struct linux_linger l;

	if (length < sizeof(l))
		return -EINVAL;
	if (copy_in(&l, ADDRESS(const void, program), sizeof(l)))
		return -EFAULT;
	s->linger = l.on;
	s->linger_seconds = l.seconds < 0 ? UINT32_MAX >> 1 : (uint32_t)l.seconds;
	return 0;
}

static int set_general(struct socket *s, int name, uint64_t program, uint32_t length)
{
	bool *flag = flag_of(s, name);
	int value;

	if (name == SO_LINGER)
		return set_linger(s, program, length);
	if (name == SO_RECEIVE_TIMEOUT)
		return time_in(program, length, &s->receive_timeout);
	if (name == SO_SEND_TIMEOUT)
		return time_in(program, length, &s->send_timeout);
	if (length < sizeof(value))
		return -EINVAL;
	if (copy_in(&value, ADDRESS(const void, program), sizeof(value)))
		return -EFAULT;
	if (flag) {
		*flag = value;
		return 0;
	}
	switch (name) {
	case SO_SEND_SIZE:
	case SO_SEND_SIZE_FORCE:
		s->send_size = size_of(value, name == SO_SEND_SIZE_FORCE);
		return 0;
	case SO_RECEIVE_SIZE:
	case SO_RECEIVE_SIZE_FORCE:
		s->receive_size = size_of(value, name == SO_RECEIVE_SIZE_FORCE);
		return 0;
	case SO_RECEIVE_LOW:
		return value == 1 || value == 0 ? 0 : -ENOPROTOOPT; /* every byte is told */
	default:
		return -ENOPROTOOPT;
	}
}

int64_t linux_setsockopt(struct regs *r)
{
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	if (err)
		return err;
	if ((int32_t)A4(r) < 0)
		return -EINVAL;
	if ((int)A1(r) != LEVEL_SOCKET)
		return s->family == FAMILY_NETLINK ? -ENOPROTOOPT : s->family == FAMILY_UNIX ? -EOPNOTSUPP : linux_set_internet(s, (int)A1(r), (int)A2(r), A3(r), (uint32_t)A4(r));
	err = set_general(s, (int)A2(r), A3(r), (uint32_t)A4(r));
	if (!err && s->ops->changed)
		s->ops->changed(s);
	return err;
}

int linux_option_out(uint64_t program, uint64_t program_length, const void *value, uint32_t length)
{
	int32_t room;

	if (copy_in(&room, ADDRESS(const void, program_length), sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	length = MIN((uint32_t)room, length);
	if (copy_out(ADDRESS(void, program), value, length))
		return -EFAULT;
	return copy_out(ADDRESS(void, program_length), &length, sizeof(length));
}

/* Those that are a number. */
static int number_of(struct socket *s, int name, int *value)
{
	const bool *flag = flag_of(s, name);

	if (flag) {
		*value = *flag;
		return 0;
	}
	switch (name) {
	case SO_TYPE:
		*value = s->type;
		return 0;
	case SO_ERROR:
		*value = -socket_error(s);
		if (s->ops->changed)
			s->ops->changed(s);
		return 0;
	case SO_SEND_SIZE:
		*value = (int)s->send_size;
		return 0;
	case SO_RECEIVE_SIZE:
		*value = (int)s->receive_size;
		return 0;
	case SO_RECEIVE_LOW:
		*value = 1;
		return 0;
	case SO_LISTENS:
		*value = s->listening;
		return 0;
	case SO_PROTOCOL:
		*value = s->protocol;
		return 0;
	case SO_DOMAIN:
		*value = s->family;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_general(struct socket *s, int name, uint64_t program, uint64_t program_length)
{
	uint64_t ns = name == SO_SEND_TIMEOUT ? s->send_timeout : s->receive_timeout;
	struct linux_timeval t = {(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000)};
	struct linux_linger l = {s->linger, (int32_t)s->linger_seconds};
	struct credentials nobody = {0, UINT32_MAX, UINT32_MAX};
	int value, err;

	switch (name) {
	case SO_LINGER:
		return linux_option_out(program, program_length, &l, sizeof(l));
	case SO_RECEIVE_TIMEOUT:
	case SO_SEND_TIMEOUT:
		return linux_option_out(program, program_length, &t, sizeof(t));
	case SO_PEER_CREDENTIALS:
		return linux_option_out(program, program_length, s->family == FAMILY_UNIX ? &unix_socket(s)->others : &nobody, sizeof(nobody));
	default:
		err = number_of(s, name, &value);
		return err ? err : linux_option_out(program, program_length, &value, sizeof(value));
	}
}

int64_t linux_getsockopt(struct regs *r)
{
	struct socket *s;
	int err = linux_socket_at(A0(r), &s);

	if (err)
		return err;
	if ((int)A1(r) != LEVEL_SOCKET)
		return s->family == FAMILY_NETLINK ? -ENOPROTOOPT : s->family == FAMILY_UNIX ? -EOPNOTSUPP : linux_get_internet(s, (int)A1(r), (int)A2(r), A3(r), A4(r));
	return get_general(s, (int)A2(r), A3(r), A4(r));
}
