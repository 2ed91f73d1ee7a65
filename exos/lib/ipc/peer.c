/* Finding the other end of a conversation, and finding out that it is gone. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <exos/lib/ipc/peer.h>
#include <exos/lib/x86_64/calls.h>

#define LOOK_EVERY 16 /* rounds between two looks whether it lives: a look costs about as much as a few rounds */

/* Linux has no call that tells a zombie from the living to anybody but its parent; its file does. */
static bool zombie(int pid)
{
	char path[32], text[256];
	const char *after;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = 0;
	after = strrchr(text, ')'); /* the name before it may contain anything */
	return !after || after[2] == 'Z' || after[2] == 'X';
}

int peer_find(struct peer *p, int pid)
{
	int64_t env = exos_environment(pid);

	if (env < 0 && env != -ENOSYS)
		return (int)env;
	*p = (struct peer){.pid = pid, .env = env < 0 ? 0 : (env_id)env};
	return peer_gone(p) ? -ESRCH : 0;
}

bool peer_gone(const struct peer *p)
{
	if (p->env)
		return exos_environment(p->pid) != (int64_t)p->env;
	return (kill(p->pid, 0) && errno == ESRCH) || zombie(p->pid);
}

int peer_wait(const struct peer *p, uint32_t round)
{
	if (round % LOOK_EVERY == LOOK_EVERY - 1 && peer_gone(p))
		return -ESRCH;
	sched_yield(); /* a call of the library's, which takes the signals that have come */
	return 0;
}
