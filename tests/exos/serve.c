/* Serving protected control transfers (exos/program.h) as it should not be done: whoever waits for a server hears of its end, and nothing is left of either. */
#include "lib.h"

#include <sched.h>

#include "x86_64/transfer.h"

static volatile uint64_t *shared;
enum { READY, CALLS, GO_ON };
static int64_t server;
static pid_t server_pid;

static void share(void) { shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }

static void serve_for_ever(uint64_t (*procedure)(uint64_t, env_id))
{
	double kept = 1.5;

	for (;;) {
		shared[READY] = 1;
		IS(serve(procedure, &kept), -EINTR);
		CHECK(kept == 1.5);
	}
}

static void start_server(uint64_t (*procedure)(uint64_t, env_id))
{
	share();
	server_pid = fork();
	if (server_pid == 0)
		serve_for_ever(procedure);
	while (!shared[READY])
		sched_yield();
	server = exos_environment(server_pid);
}

/* Until it sleeps and can be called. */
static int64_t call(uint64_t *word)
{
	int64_t result;

	while ((result = transfer((env_id)server, word)) == -E_STATE)
		sched_yield();
	return result;
}

static uint64_t add_one(uint64_t word, env_id caller)
{
	(void)caller;
	shared[CALLS]++;
	return word + 1;
}

static void end_server(void)
{
	kill(server_pid, SIGKILL);
	ENDS(server_pid, SIGKILL);
}

static void words_come_back(void)
{
	start_server(add_one);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t word = i;

		IS(call(&word), 0);
		IS(word, i + 1);
	}
	end_server();
	uint64_t word = 0;
	CHECK(transfer((env_id)server, &word) < 0);
	IS(transfer((env_id)exos_environment(0), &word), -E_STATE);
	IS(transfer((env_id)exos_environment(getppid()), &word), -E_STATE);
}

static volatile int signals;
static void count_signal(int number) { signals += number != 0; }

/* What transfers did to registers is nothing to what the server does between them; and system calls in a service work. */
static uint64_t uses_vectors(uint64_t word, env_id caller)
{
	fill_vectors((double)word);
	for (int i = 0; i < 3; i++)
		sched_yield();
	return add_one(word, caller);
}

static void a_server_finds_its_vectors_as_they_were(void)
{
	share();
	server_pid = fork();
	if (server_pid == 0) {
		signal(SIGUSR1, count_signal);
		serve_for_ever(uses_vectors);
	}
	while (!shared[READY])
		sched_yield();
	server = exos_environment(server_pid);
	for (uint64_t i = 0; i < 50; i++) {
		uint64_t word = i;

		fill_vectors(2.25);
		IS(call(&word), 0);
		IS(word, i + 1);
		kill(server_pid, SIGUSR1);
	}
	kill(server_pid, SIGTERM);
	ENDS(server_pid, SIGTERM);
}

static uint64_t ends_itself(uint64_t word, env_id caller)
{
	(void)caller;
	switch (word) {
	case 0:
		_exit(3);
	case 1:
		kill(getpid(), SIGKILL);
		break;
	case 2:
		*(volatile int *)8 = 1;
		break;
	case 3:
		raise(SIGKILL);
		break;
	case 4:
		abort();
	}
	return word;
}

static void who_waits_hears_of_the_end_of_its_server(void)
{
	static const int ends[] = { EXITED(3), SIGKILL, SIGSEGV, SIGKILL };

	for (uint64_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		uint64_t word = i;

		start_server(ends_itself);
		IS(call(&word), -E_NOENV);
		ENDS(server_pid, ends[i]);
	}
}

static uint64_t executes(uint64_t word, env_id caller)
{
	(void)caller;
	execl("/bin/busybox", "sleep", "100", NULL);
	return word + (uint64_t)errno;
}

static void a_server_does_not_become_another_program_while_it_serves(void)
{
	uint64_t word = 1000;

	start_server(executes);
	IS(call(&word), 0);
	IS(word, 1000 + EINVAL);
	end_server();
}

static uint64_t has_children(uint64_t word, env_id caller)
{
	pid_t child = word & 1 ? vfork() : fork();
	int status = -1;

	(void)caller;
	if (child == 0) {
		if (word & 2)
			_exit(5);
		execl("/bin/busybox", "false", NULL);
		_exit(6);
	}
	waitpid(child, &status, 0);
	return (uint64_t)status;
}

static void a_service_may_have_children(void)
{
	start_server(has_children);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t word = i;

		IS(call(&word), 0);
		IS(word, i & 2 ? EXITED(5) : EXITED(1));
	}
	end_server();
}

static uint64_t waits(uint64_t word, env_id caller)
{
	(void)caller;
	shared[CALLS] = word;
	while (!shared[GO_ON])
		sched_yield();
	return word;
}

static void signals_wait_for_the_end_of_a_call(void)
{
	pid_t client;

	start_server(waits);
	client = fork();
	if (client == 0) {
		uint64_t word = 7;

		_exit(call(&word) != 0 || word != 7);
	}
	while (shared[CALLS] != 7)
		sched_yield();
	kill(server_pid, SIGSTOP);
	kill(server_pid, SIGTERM);
	kill(server_pid, SIGCONT);
	kill(client, SIGSTOP);
	kill(client, SIGCONT);
	for (int i = 0; i < 20; i++)
		sched_yield();
	IS(waitpid(client, NULL, WNOHANG), 0);
	shared[GO_ON] = 1;
	ENDS(client, 0);
	ENDS(server_pid, SIGTERM);
}

static void a_client_is_killed_while_it_is_served(void)
{
	pid_t client;

	start_server(waits);
	client = fork();
	if (client == 0) {
		uint64_t word = 7;

		call(&word);
		for (;;)
			;
	}
	while (shared[CALLS] != 7)
		sched_yield();
	kill(client, SIGKILL);
	kill(server_pid, SIGKILL);
	ENDS(server_pid, SIGKILL);
	ENDS(client, SIGKILL);
}

static long free_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void client_for_ever(void)
{
	for (uint64_t i = 0;; i++) {
		uint64_t word = i;
		int64_t result = call(&word);

		if (result)
			_exit(result != -E_NOENV);
		if (word != i + 1)
			_exit(2);
	}
}

/* Two clients, a server that has no time but theirs as soon as it is killed, and somebody who computes: killed at any moment. */
static void a_server_is_killed_at_any_moment(void)
{
	long before = free_kib();

	for (int round = 0; round < 40; round++) {
		pid_t clients[2], computes;
		int status;

		start_server(add_one);
		for (int i = 0; i < 2; i++)
			if ((clients[i] = fork()) == 0)
				client_for_ever();
		if ((computes = fork()) == 0)
			for (;;)
				;
		while (shared[CALLS] < 10)
			sched_yield();
		for (volatile int i = 0; i < round * 5003; i++)
			;
		if (round & 1) {
			kill(clients[0], SIGKILL);
			IS(waitpid(clients[0], &status, 0), clients[0]);
		}
		kill(server_pid, SIGKILL);
		ENDS(server_pid, SIGKILL);
		if (!(round & 1))
			ENDS(clients[0], 0);
		ENDS(clients[1], 0);
		kill(computes, SIGKILL);
		ENDS(computes, SIGKILL);
		munmap((void *)shared, 4096);
		if (round == 10)
			before = free_kib();
	}
	IS(free_kib(), before);
}

/* Slices. A child without any, and all that may happen to it. */
static pid_t idle_child(void)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			sched_yield();
	IS(exos_slices(child, 0), 0);
	return child;
}

static void who_has_no_slices_can_be_killed(void)
{
	pid_t child = idle_child();

	kill(child, SIGSTOP);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
	child = idle_child();
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	IS(sched_setaffinity(child, sizeof(set), &set), 0);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
}

/* Its scheduler is killed, or becomes another program. */
static void who_has_no_slices_outlives_its_scheduler(void)
{
	for (int round = 0; round < 3; round++) {
		pid_t scheduler;

		share();
		scheduler = fork();
		if (scheduler == 0) {
			pid_t child = fork();

			if (child == 0) {
				while (!shared[GO_ON])
					give_yield(0);
				shared[CALLS] = 1;
				_exit(0);
			}
			IS(exos_slices(child, 0), 0);
			shared[READY] = 1;
			if (round == 1)
				execl("/bin/busybox", "sleep", "100", NULL);
			if (round == 2)
				_exit(0);
			for (;;)
				sched_yield();
		}
		while (!shared[READY])
			sched_yield();
		shared[GO_ON] = 1;
		if (round == 0)
			kill(scheduler, SIGKILL);
		while (!shared[CALLS])
			sched_yield();
		kill(scheduler, SIGKILL);
		IS(waitpid(scheduler, NULL, 0), scheduler);
	}
}

static void who_borrows_gets_its_slices_later(void)
{
	pid_t child = vfork();

	if (child == 0) {
		if (exos_slices(0, 1))
			_exit(9);
		execl("/bin/busybox", "true", NULL);
		_exit(8);
	}
	ENDS(child, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		T(words_come_back), T(a_server_finds_its_vectors_as_they_were), T(who_waits_hears_of_the_end_of_its_server),
		T(a_server_does_not_become_another_program_while_it_serves), T(a_service_may_have_children), T(signals_wait_for_the_end_of_a_call),
		T(a_client_is_killed_while_it_is_served), T(a_server_is_killed_at_any_moment), T(who_has_no_slices_can_be_killed),
		T(who_has_no_slices_outlives_its_scheduler), T(who_borrows_gets_its_slices_later), { NULL, NULL },
	};

	(void)argc;
	return run_tests(exos_here() ? tests : tests + sizeof(tests) / sizeof(*tests) - 1, argv + 1);
}
