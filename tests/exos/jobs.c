/* Process groups, sessions, stopping and going on: what job control stands on. */
#include "lib.h"

static void wait_for_status(pid_t pid, int options, int expected)
{
	int status = 0;

	IS(waitpid(pid, &status, options), pid);
	IS(status, expected);
}
#define STOPPED(signal) ((signal) << 8 | 0x7f)
#define CONTINUED 0xffff

static void stop_and_continue_are_reported(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		for (;;)
			pause();
	static const int stops[] = { SIGSTOP, SIGTSTP };
	for (int i = 0; i < 2; i++) {
		setpgid(pid, pid); /* an orphaned group would not stop for SIGTSTP; this one has its parent in the session */
		CHECK(!kill(pid, stops[i]));
		wait_for_status(pid, WUNTRACED, STOPPED(stops[i]));
		IS(waitpid(pid, &status, WNOHANG | WUNTRACED), 0);
		CHECK(!kill(pid, SIGCONT));
		wait_for_status(pid, WCONTINUED, CONTINUED);
	}
	kill(pid, SIGTERM);
	ENDS(pid, SIGTERM);
}

static void stopped_process_makes_no_progress(void)
{
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid)
		for (;;)
			(*shared)++;
	while (*shared == 0)
		sleep_ms(1);
	kill(pid, SIGSTOP);
	wait_for_status(pid, WUNTRACED, STOPPED(SIGSTOP));
	int before = *shared;
	sleep_ms(50);
	IS(*shared, before);
	kill(pid, SIGCONT);
	while (*shared == before)
		sleep_ms(1);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void stopped_process_can_be_killed(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	wait_for_status(pid, WUNTRACED, STOPPED(SIGSTOP));
	kill(pid, SIGTERM); /* waits until it goes on */
	int status;
	sleep_ms(20);
	IS(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGCONT);
	ENDS(pid, SIGTERM);
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	wait_for_status(pid, WUNTRACED, STOPPED(SIGSTOP));
	kill(pid, SIGKILL); /* does not */
	ENDS(pid, SIGKILL);
}

static volatile sig_atomic_t continued;
static void note_continue(int signal)
{
	(void)signal;
	continued++;
}

static void continue_can_be_handled(void)
{
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		signal(SIGCONT, note_continue);
		*shared = 1;
		while (!continued)
			pause();
		_exit(4);
	}
	while (!*shared)
		sleep_ms(1);
	kill(pid, SIGSTOP);
	wait_for_status(pid, WUNTRACED, STOPPED(SIGSTOP));
	kill(pid, SIGCONT);
	ENDS(pid, EXITED(4));
}

static void groups_are_made_and_joined(void)
{
	pid_t leader = fork();

	if (!leader)
		for (;;)
			pause();
	IS(setpgid(leader, leader), 0);
	IS(getpgid(leader), leader);
	pid_t member = fork();
	if (!member)
		for (;;)
			pause();
	IS(setpgid(member, leader), 0);
	IS(getpgid(member), leader);
	FAILS(setpgid(member, 999999), EPERM);
	FAILS(setpgid(getpid(), 0), EPERM); /* a session's leader */
	FAILS(setpgid(999999, 0), ESRCH);
	FAILS(setpgid(0, -1), EINVAL);
	kill(-leader, SIGKILL);
	ENDS(leader, SIGKILL);
	ENDS(member, SIGKILL);
	FAILS(kill(-leader, 0), ESRCH);
}

static void sessions_are_made_once(void)
{
	FAILS(setsid(), EPERM); /* leads a group already */
	pid_t pid = fork();
	if (!pid) {
		pid_t me = getpid();
		IS(setsid(), me);
		IS(getsid(0), me);
		IS(getpgrp(), me);
		FAILS(setsid(), EPERM);
		_exit(0);
	}
	ENDS(pid, EXITED(0));
	FAILS(getsid(999999), ESRCH);
}

static void session_without_terminal_has_none(void)
{
	FAILS(open("/dev/tty", O_RDWR), ENXIO);
	FAILS(tcgetpgrp(0), ENOTTY);
}

static void orphaned_group_is_hung_up(void)
{
	int ends[2];
	char c = 0;

	CHECK(!pipe(ends));
	pid_t middle = fork();
	if (!middle) {
		pid_t stopped = fork();
		if (!stopped) {
			setpgid(0, 0);
			for (;;)
				pause();
		}
		setpgid(stopped, stopped);
		close(ends[0]);
		kill(stopped, SIGSTOP);
		wait_for_status(stopped, WUNTRACED, STOPPED(SIGSTOP));
		_exit(0); /* its group has no parent in the session any more and is stopped: SIGHUP, SIGCONT */
	}
	close(ends[1]);
	ENDS(middle, EXITED(0));
	IS(read(ends[0], &c, 1), 0); /* returns when the last holder is gone */
}

TESTS(T(stop_and_continue_are_reported), T(stopped_process_makes_no_progress), T(stopped_process_can_be_killed), T(continue_can_be_handled),
	T(groups_are_made_and_joined), T(sessions_are_made_once), T(session_without_terminal_has_none), T(orphaned_group_is_hung_up))
