/* The host's end of the link on a terminal: raw while the machine has it, sizes, escapes, and all put back at the end.
 * Usage: test_host_terminal FOLDER, in which link and machine are. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int terminal, user; /* the pair's ends: link's, and the one that a user would sit at */
static char link_path[512], machine_path[512];
static char seen[65536];
static size_t seen_length;
static int failures;

static void ok(bool good, const char *what)
{
	printf("%s - %s\n", good ? "ok" : "not ok", what);
	if (!good)
		printf("# seen: %s\n", seen);
	fflush(stdout);
	failures += !good;
}

static void open_pair(void)
{
	struct winsize size = { 33, 99, 0, 0 };

	user = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	grantpt(user);
	unlockpt(user);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ioctl(terminal, TIOCSWINSZ, &size);
}

static pid_t start(const char *scenario)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		ioctl(terminal, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			dup2(terminal, i);
		execl(link_path, "link", "--", machine_path, "@CONSOLE0@", "@CONSOLE1@", scenario, (char *)NULL);
		_exit(1);
	}
	seen_length = 0;
	memset(seen, 0, sizeof(seen));
	return pid;
}

/* Reads what the user sees until that text is among it: false after five seconds without. */
static bool sees(const char *text)
{
	struct pollfd p = { user, POLLIN, 0 };

	while (!strstr(seen, text)) {
		ssize_t n;

		if (poll(&p, 1, 5000) <= 0)
			return false;
		n = read(user, seen + seen_length, sizeof(seen) - 1 - seen_length);
		if (n <= 0)
			return false;
		seen_length += (size_t)n;
	}
	return true;
}

static void type(const char *keys, size_t n)
{
	if (write(user, keys, n) != (ssize_t)n)
		ok(false, "keys can be typed");
}

static bool is_raw(void)
{
	struct termios t;

	tcgetattr(terminal, &t);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}

static int end(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void keys(void)
{
	struct winsize size = { 50, 120, 0, 0 };
	pid_t pid = start("terminal");

	ok(sees("ready\r\n"), "what the guest writes to its terminal is seen");
	ok(sees("size 33 99\r\n"), "the guest is told the size");
	ok(is_raw(), "the terminal is raw");
	type("\x03\x1a\r", 3);
	ok(sees("key 03\r\nkey 1a\r\nkey 0d\r\n"), "Ctrl-C, Ctrl-Z and return are the guest's");
	type("\x01\x01", 2);
	ok(sees("key 01\r\n"), "Ctrl-A twice is Ctrl-A");
	type("\x01" "b", 2);
	ok(sees("key 01\r\nkey 62\r\n"), "Ctrl-A before another key is itself");
	type("\x01h", 2);
	ok(sees("exo: Ctrl-A x"), "Ctrl-A h helps");
	ioctl(terminal, TIOCSWINSZ, &size);
	ok(sees("size 50 120\r\n"), "a new size is passed on");
	type("q", 1);
	ok(end(pid) == 3, "the exit status is the program's");
	ok(!is_raw(), "the terminal is as it was");
}

static void escape(void)
{
	pid_t pid = start("terminal");

	sees("ready");
	type("\x01x", 2);
	ok(end(pid) == 130, "Ctrl-A x ends the machine");
	ok(sees("exo: ended by Ctrl-A x\r\n"), "and says so");
	ok(!is_raw(), "the terminal is as it was");
	pid = start("hang");
	sees("up");
	for (int i = 0; i < 10; i++)
		type("more keys than anybody reads. more keys than anybody reads.", 60);
	type("\x01x", 2);
	ok(end(pid) == 130, "even when the guest reads nothing");
}

static void ended_by(int number, int expected, const char *what)
{
	pid_t pid = start("terminal");

	sees("ready");
	kill(pid, number);
	ok(end(pid) == expected, what);
	ok(!is_raw(), "the terminal is as it was");
}

static void suspended(void)
{
	pid_t pid = start("terminal");
	int status;

	sees("ready");
	kill(pid, SIGTSTP);
	waitpid(pid, &status, WUNTRACED);
	ok(WIFSTOPPED(status) && !is_raw(), "stopped, it gives the terminal back");
	kill(pid, SIGCONT);
	seen_length = 0;
	memset(seen, 0, sizeof(seen));
	ok(sees("size"), "continued, it tells the guest the size anew");
	ok(is_raw(), "and has the terminal again");
	type("q", 1);
	ok(end(pid) == 3, "and goes on");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	snprintf(link_path, sizeof(link_path), "%s/link", argv[1]);
	snprintf(machine_path, sizeof(machine_path), "%s/machine", argv[1]);
	open_pair();
	keys();
	escape();
	ended_by(SIGTERM, 128 + SIGTERM, "SIGTERM ends it");
	ended_by(SIGHUP, 128 + SIGHUP, "SIGHUP ends it");
	ended_by(SIGSEGV, -SIGSEGV, "a crash is a crash");
	suspended();
	return failures != 0;
}
