/* The emulator as a child process: its command, its end, and what it has to say when things go wrong. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link.h"

#define ERRORS_SIZE 16384

/* The last ERRORS_SIZE bytes of what the emulator said. */
static char errors[2 * ERRORS_SIZE];
static size_t errors_length;

/* One argument with `place` replaced by a backend that is the inherited descriptor. */
static char *substitute(char *argument, const char *place, int descriptor)
{
	char *at = strstr(argument, place), *result;

	if (!at)
		return argument;
	if (asprintf(&result, "%.*ssocket,fd=%d%s", (int)(at - argument), argument, descriptor, at + strlen(place)) < 0)
		abort();
	return result;
}

static char **command_with_lines(char *const command[], int line0, int line1)
{
	size_t n = 0;
	char **result;

	while (command[n])
		n++;
	result = calloc(n + 1, sizeof(*result));
	if (!result)
		abort();
	for (size_t i = 0; i < n; i++)
		result[i] = substitute(substitute(command[i], "@CONSOLE0@", line0), "@CONSOLE1@", line1);
	return result;
}

/* In the child. It must not outlive us, nor hold ends of ours: those are closed by exec. */
static _Noreturn void become(char **command, pid_t parent, int said, int failed)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, 0);
	dup2(said, 1);
	dup2(said, 2);
	execvp(command[0], command);
	if (write(failed, &errno, sizeof(errno)) < 0)
		_exit(2);
	_exit(1);
}

static bool make_lines(int line0[2], int line1[2], int said[2], int failed[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, line0) || socketpair(AF_UNIX, SOCK_STREAM, 0, line1) ||
		pipe2(said, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return false;
	for (int i = 0; i < 2; i++) {
		int ours = i ? line1[0] : line0[0];

		fcntl(ours, F_SETFD, FD_CLOEXEC);
		fcntl(ours, F_SETFL, O_NONBLOCK);
	}
	fcntl(said[0], F_SETFL, O_NONBLOCK);
	return true;
}

bool emulator_start(struct emulator *e, char *const command[])
{
	int line0[2], line1[2], said[2], failed[2], why = 0;
	pid_t parent = getpid();

	if (!make_lines(line0, line1, said, failed)) {
		say("cannot make the machine's serial lines: %s", strerror(errno));
		return false;
	}
	e->pid = fork();
	if (e->pid == 0)
		become(command_with_lines(command, line0[1], line1[1]), parent, said[1], failed[1]);
	close(line0[1]);
	close(line1[1]);
	close(said[1]);
	close(failed[1]);
	*e = (struct emulator){ e->pid, line0[0], line1[0], said[0] };
	if (e->pid < 0 || read(failed[0], &why, sizeof(why)) > 0) {
		say("%s cannot be started: %s", command[0], strerror(e->pid < 0 ? errno : why));
		return false;
	}
	close(failed[0]);
	return true;
}

static ssize_t read_errors(struct emulator *e)
{
	ssize_t n;

	if (errors_length >= ERRORS_SIZE) {
		size_t keep = ERRORS_SIZE / 2;

		memmove(errors, errors + errors_length - keep, keep);
		errors_length = keep;
	}
	n = read(e->errors, errors + errors_length, sizeof(errors) - errors_length);
	if (n > 0) {
		errors_length += (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(e->errors);
		e->errors = -1;
	}
	return n;
}

void emulator_read_errors(struct emulator *e) { read_errors(e); }

void emulator_show_errors(struct emulator *e)
{
	char *line, *end;

	while (e->errors >= 0 && read_errors(e) > 0)
		;
	line = errors;
	end = errors + errors_length;

	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((newline ? newline : end) - line);

		if (n)
			fprintf(stderr, "qemu: %.*s\n", (int)n, line);
		line += n + 1;
	}
}

void emulator_reap(struct emulator *e)
{
	if (e->pid > 0 && waitpid(e->pid, NULL, WNOHANG) == e->pid)
		e->pid = 0;
}
