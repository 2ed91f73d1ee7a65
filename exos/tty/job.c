/* Job control: which session a terminal belongs to, which of its groups is in the foreground, and what happens to
 * the others.
 *
 * Called on every read, by writes and settings that are asked to (TOSTOP), by the keys that send signals, and at the
 * end of a session. */
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/tty/terminal.h>
#include <exos/vm/copy.h>

int tty_foreground(struct tty *t) { return t->foreground; }

void job_signal(struct tty *t, int number)
{
	if (t->foreground)
		signal_send_group(t->foreground, number, NULL);
}

int job_check(struct tty *t, int number)
{
	const struct proc *p = self->proc;

	if (p->tty != t || !t->foreground || p->group == t->foreground)
		return 0;
	if (p->signals.mask & signal_bit(number) || p->signals.actions[number].handler == SIGNAL_IGNORE)
		return number == SIGTTIN ? -EIO : 0;
	if (proc_group_orphaned(p->group))
		return -EIO;
	signal_send_group(p->group, number, NULL);
	return -ERESTART;
}

void tty_make_controlling(struct tty *t, struct proc *leader)
{
	t->session = leader->session;
	t->foreground = leader->group;
	leader->tty = t;
}

/* The processes of the terminal's session have none from now on. */
static void forget_session(struct tty *t)
{
	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->tty == t && p->session == t->session)
			p->tty = NULL;
	}
	t->session = t->foreground = 0;
}

static void leave_session(struct tty *t)
{
	job_signal(t, SIGHUP);
	job_signal(t, SIGCONT);
	forget_session(t);
}

void job_hang_up(struct tty *t)
{
	struct proc *leader = t->session ? proc_find(t->session) : NULL;

	t->hangups++;
	if (leader && leader->group != t->foreground) {
		signal_send(leader, SIGHUP, NULL);
		signal_send(leader, SIGCONT, NULL);
	}
	leave_session(t);
	discipline_flush(t);
	t->output_length = 0;
	output_restart(t);
	wake_all(&t->changed);
}

void tty_hangup_session(int session)
{
	if (console_tty && session && console_tty->session == session)
		job_hang_up(console_tty);
}

static int take_terminal(struct tty *t, bool steal)
{
	struct proc *p = self->proc;

	if (p->tty == t && t->session == p->session)
		return 0;
	if (p->session != p->pid || p->tty)
		return -EPERM;
	if (t->session) {
		if (!steal || p->euid)
			return -EPERM;
		forget_session(t);
	}
	tty_make_controlling(t, p);
	return 0;
}

static int give_up_terminal(struct tty *t)
{
	struct proc *p = self->proc;

	if (p->tty != t)
		return -ENOTTY;
	if (p->session == p->pid)
		leave_session(t);
	p->tty = NULL;
	return 0;
}

static struct proc *group_member(int group)
{
	LIST_FOR_EACH(l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (p->group == group)
			return p;
	}
	return NULL;
}

static int set_foreground(struct tty *t, uint64_t argument)
{
	const struct proc *p = self->proc, *member;
	int group, err = job_check(t, SIGTTOU);

	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (p->tty != t || t->session != p->session)
		return -ENOTTY;
	if (copy_in(&group, (const void *)argument, sizeof(group)))
		return -EFAULT;
	if (group < 0)
		return -EINVAL;
	member = group_member(group);
	if (!member)
		return -ESRCH;
	if (member->session != p->session)
		return -EPERM;
	t->foreground = group;
	return 0;
}

static int tell(const struct tty *t, int value, uint64_t argument)
{
	if (self->proc->tty != t)
		return -ENOTTY;
	return copy_out((void *)argument, &value, sizeof(value));
}

int64_t job_control(struct tty *t, uint64_t command, uint64_t argument)
{
	switch (command) {
	case TIOCSCTTY:
		return take_terminal(t, argument == 1);
	case TIOCNOTTY:
		return give_up_terminal(t);
	case TIOCGPGRP:
		return tell(t, t->foreground, argument);
	case TIOCSPGRP:
		return set_foreground(t, argument);
	case TIOCGSID:
		return t->session ? tell(t, t->session, argument) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}
