/* epoll's calls: exos/file/epoll.h in Linux's arguments. Called from the table of calls. */
#include <exos/file/epoll.h>
#include <exos/linux/polling.h>

static int64_t create(uint32_t flags)
{
	struct file *f;
	int err;

	if (flags & ~(uint32_t)OPEN_CLOEXEC)
		return -EINVAL;
	err = epoll_new(&f);
	return err ? err : linux_install(f, flags & OPEN_CLOEXEC);
}

int64_t linux_epoll_create1(struct regs *r) { return create((uint32_t)A0(r)); }
int64_t linux_epoll_create(struct regs *r) { return (int32_t)A0(r) <= 0 ? -EINVAL : create(0); }

int64_t linux_epoll_ctl(struct regs *r)
{
	struct file *epoll = linux_file(A0(r)), *f = linux_file(A2(r));
	struct epoll_event event = {0};
	int operation = (int)A1(r);

	if (operation != EPOLL_DELETE && copy_in(&event, ADDRESS(const void, A3(r)), sizeof(event)))
		return -EFAULT;
	if (!epoll || !f || ((epoll->flags | f->flags) & OPEN_PATH))
		return -EBADF;
	if (!is_epoll(epoll))
		return f->ops->poll ? -EINVAL : -EPERM;
	return epoll_control(epoll, operation, f, (int)A2(r), event);
}

static int64_t wait_events(const struct regs *r, bool now, uint64_t deadline)
{
	const size_t most = INT32_MAX / sizeof(struct epoll_event);
	struct file *epoll = linux_file(A0(r));
	int32_t room = (int32_t)A2(r);

	if (room <= 0 || (size_t)room > most)
		return -EINVAL;
	if (A1(r) > PROGRAM_TOP - (size_t)room * sizeof(struct epoll_event))
		return -EFAULT;
	if (!epoll || (epoll->flags & OPEN_PATH))
		return -EBADF;
	return is_epoll(epoll) ? epoll_wait(epoll, ADDRESS(struct epoll_event, A1(r)), (size_t)room, now, deadline) : -EINVAL;
}

static int64_t wait_milliseconds(const struct regs *r)
{
	int32_t milliseconds = (int32_t)A3(r);

	return wait_events(r, milliseconds == 0, milliseconds > 0 ? time_deadline((uint64_t)milliseconds * 1000000) : 0);
}

int64_t linux_epoll_wait(struct regs *r) { return wait_milliseconds(r); }

int64_t linux_epoll_pwait(struct regs *r)
{
	int err = poll_mask(A4(r), A5(r));

	return err ? err : poll_unmask(A4(r), wait_milliseconds(r));
}

int64_t linux_epoll_pwait2(struct regs *r)
{
	uint64_t deadline;
	bool now;
	int err = poll_deadline(A3(r), &now, &deadline);

	if (!err)
		err = poll_mask(A4(r), A5(r));
	return err ? err : poll_unmask(A4(r), wait_events(r, now, deadline));
}
