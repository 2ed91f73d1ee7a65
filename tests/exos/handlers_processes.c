/* Handlers of a program that specialises (exos/program.h) and what else there is in a process: children, other programs, signals, demands, while one runs. */
#include "handlers.h"

#include <sys/resource.h>
#include <sys/time.h>

#define RECLAIM EVENT_NOTIFY(2) /* what ExOS asks a program for frames with (exos/events.h) */

static bool forks_and_returns(uint64_t address, uint64_t error)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		return true;
	return child > 0 && waitpid(child, &status, 0) == child && status == SIGSEGV && give_frame(address, error);
}

static bool forks_properly(uint64_t address, uint64_t error)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		execl("/bin/busybox", "true", NULL);
	return waitpid(child, &status, 0) == child && status == 0 && give_frame(address, error);
}

static void it_may_fork_but_only_return_once(void)
{
	make_region();
	handle(forks_properly);
	touch(region);
	IS(calls, 1);
	handle(forks_and_returns);
	touch(region + 4096);
	IS(calls, 2);
}

static bool vforks(uint64_t address, uint64_t error)
{
	pid_t child = vfork();
	int status;

	if (child == 0)
		_exit(3);
	if (waitpid(child, &status, 0) != child || status != EXITED(3))
		return false;
	child = vfork();
	if (child == 0) {
		execl("/bin/busybox", "false", NULL);
		_exit(4);
	}
	return waitpid(child, &status, 0) == child && status == EXITED(1) && give_frame(address, error);
}

static void it_may_vfork(void)
{
	make_region();
	handle(vforks);
	catch(SIGCHLD);
	touch(region);
	IS(calls, 1);
	CHECK(signals > 0);
}

/* The process that borrows the environment ends in a handler, and its lender is out of it. */
static bool exits(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	_exit(5);
}
static bool execs(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	execl("/bin/busybox", "false", NULL);
	_exit(6);
}
static bool dies(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	touch(8);
	return true;
}

static void borrow_for(bool (*fault)(uint64_t, uint64_t), int status)
{
	pid_t child;

	handle(fault);
	child = vfork();
	if (child == 0) {
		touch(region);
		_exit(0);
	}
	ENDS(child, status);
	signals = 0;
	IS(raise(SIGUSR1), 0);
	IS(signals, 1); /* signals reach the lender */
}

static void who_borrows_ends_in_it(void)
{
	make_region();
	catch(SIGUSR1);
	borrow_for(exits, EXITED(5));
	borrow_for(execs, EXITED(1));
	borrow_for(dies, SIGSEGV);
	handle(give_frame);
	touch(region);
	IS(calls, 1);
}

static bool vforks_and_returns(uint64_t address, uint64_t error)
{
	pid_t child = vfork();
	int status;

	if (child == 0)
		return true;
	return child > 0 && waitpid(child, &status, 0) == child && status == SIGSEGV && give_frame(address, error);
}

static void who_is_vforked_does_not_return_from_it(void)
{
	make_region();
	handle(vforks_and_returns);
	touch(region);
	IS(calls, 1);
}

static void exec_and_exit_end_it(void)
{
	pid_t child = fork();

	if (child == 0) {
		make_region();
		handle(execs);
		touch(region);
	}
	ENDS(child, EXITED(1));
	child = fork();
	if (child == 0) {
		make_region();
		handle(exits);
		touch(region);
	}
	ENDS(child, EXITED(5));
}

static void exec_in_it_leaves_no_trace(void)
{
	pid_t child = fork();

	if (child == 0) {
		static const char script[] = "trap 'exit 7' USR1; kill -USR1 $$; (exit 3); [ $? = 3 ] && exit 8";
		make_region();
		handle(execs);
		execl("/bin/busybox", "sh", "-c", script, NULL);
	}
	ENDS(child, EXITED(7));
}

static bool execs_shell(uint64_t address, uint64_t error)
{
	(void)address, (void)error;
	execl("/bin/busybox", "sh", "-c", "trap 'exit 7' USR1; kill -USR1 $$; exit 8", NULL);
	_exit(6);
}

static void signals_reach_what_it_has_executed(void)
{
	pid_t child = fork();

	if (child == 0) {
		make_region();
		handle(execs_shell);
		touch(region);
	}
	ENDS(child, EXITED(7));
}

/* A pager waits for its data: signals are held back, and do not make it wait in vain. */
static int inside[2]; /* says that the handler runs */

static bool reads(uint64_t address, uint64_t error)
{
	char byte;

	raise(SIGUSR1);
	if (signals || write(inside[1], "x", 1) != 1 || read(ends[0], &byte, 1) != 1)
		return false;
	return give_frame(address, error);
}

static void signals_wait_and_interrupt_nothing(void)
{
	pid_t child;
	char byte;

	IS(pipe(ends), 0);
	IS(pipe(inside), 0);
	make_region();
	catch(SIGUSR1);
	handle(reads);
	child = fork();
	if (child == 0) {
		IS(read(inside[0], &byte, 1), 1);
		for (int i = 0; i < 20; i++) {
			kill(getppid(), SIGUSR1);
			sched_yield();
		}
		_exit(write(ends[1], "x", 1) != 1);
	}
	touch(region);
	IS(signals, 1);
	IS(calls, 1);
	ENDS(child, 0);
}

static bool blocks(uint64_t address, uint64_t error)
{
	char byte;

	(void)address, (void)error;
	return write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
}

static void it_is_stopped_and_killed_while_it_waits(void)
{
	int there[2];
	pid_t child;
	char byte;

	IS(pipe(ends), 0);
	IS(pipe(there), 0);
	child = fork();
	if (child == 0) {
		int back = ends[0];

		ends[0] = there[0];
		IS(write(there[1], "x", 1), 1);
		(void)back;
		make_region();
		handle(blocks);
		touch(region);
		_exit(0);
	}
	IS(read(ends[0], &byte, 1), 1);
	kill(child, SIGSTOP);
	kill(child, SIGCONT);
	kill(child, SIGTERM);
	kill(child, SIGSTOP);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
}

static void nothing_to_spare(uint64_t n, uint64_t deadline) { (void)n, (void)deadline; }

static void wait_for_a_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		sleep_ms(300);
		_exit(0);
	}
	ENDS(child, 0);
}

static void wait_to_go_on(void) { raise(SIGSTOP); }
static void wait_in_a_handler(void)
{
	static int pair[2];
	pid_t child;

	IS(pipe(pair), 0);
	IS(pipe(inside), 0);
	ends[0] = pair[0];
	child = fork();
	if (child == 0) {
		sleep_ms(300);
		_exit(write(pair[1], "x", 1) != 1);
	}
	catch(SIGUSR1);
	make_region();
	handle(reads);
	touch(region);
	ENDS(child, 0);
}

/* A demand comes while it waits: whether it is answered then or later, the wait is no busy one. */
static void is_asked_in(void (*wait)(void))
{
	struct exos_handlers h = { .revoke = nothing_to_spare, .stack = handler_stack, .stack_size = sizeof(handler_stack), .flags = flags };
	pid_t child = fork();
	struct rusage before, after;
	int64_t env;

	if (child == 0) {
		IS(exos_handlers(&h), 0);
		wait();
		_exit(0);
	}
	sleep_ms(100);
	env = exos_environment(child);
	for (int i = 0; i < 3; i++)
		IS(aegis_notify((env_id)env, RECLAIM), 0);
	sleep_ms(300);
	kill(child, SIGCONT);
	getrusage(RUSAGE_CHILDREN, &before);
	ENDS(child, 0);
	getrusage(RUSAGE_CHILDREN, &after);
	CHECK((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec +
			(after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 + after.ru_stime.tv_usec - before.ru_stime.tv_usec <
		100000);
}

static void a_demand_makes_no_wait_a_busy_one(void)
{
	is_asked_in(wait_for_a_child);
	is_asked_in(wait_to_go_on);
	is_asked_in(wait_in_a_handler);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(it_may_fork_but_only_return_once), T(it_may_vfork), T(who_borrows_ends_in_it), T(who_is_vforked_does_not_return_from_it),
		T(exec_and_exit_end_it), T(exec_in_it_leaves_no_trace), T(signals_reach_what_it_has_executed), T(signals_wait_and_interrupt_nothing),
		T(it_is_stopped_and_killed_while_it_waits), T(a_demand_makes_no_wait_a_busy_one), { NULL, NULL },
	};

	(void)argc;
	return run_for_both(tests, argv + 1);
}
