/* Runs an emulator and is the other end of its two serial lines: the log on the first, the streams of PROGRAM on the
 * second.
 *
 * Started by ./exo. Promises the contract of the front door: standard streams byte for byte, PROGRAM's exit status,
 * 124 when time runs out, 125 when the machine fails, 128+N when ended by signal N; and a terminal that is as it
 * was. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

enum { TIMED_OUT = 124, MACHINE_FAILED = 125, ENDED_BY_KEY = 130 };
#define TERM_TIME 1000 /* ms that the emulator has to end by itself when asked to */
#define EXIT_TIME 5000 /* ms that the machine has to go off after LINK_EXIT */
#define PIECE 4096     /* what a pipe that can be written to takes without blocking */

static const char usage[] =
	"usage: link [OPTIONS] [--] EMULATOR [ARGUMENTS...]\n"
	"Runs EMULATOR with @CONSOLE0@ and @CONSOLE1@ in its arguments replaced by character device backends, and joins\n"
	"these to standard error (the log) and to the standard streams. The exit status is that of the program inside;\n"
	"124: time ran out; 125: the machine failed; 128+N: ended by signal N.\n"
	"  --timeout SECONDS   end the machine after that long\n"
	"  --status-file FILE  write the exit status there as well\n"
	"  --quiet-log FILE    the log goes to FILE, not to standard error\n"
	"  --log-prefix TEXT   what log lines begin with that do not say who speaks (\"" LOG_PREFIX "\")\n"
	"On a terminal Ctrl-A x ends the machine (exit status 130), Ctrl-A Ctrl-A sends Ctrl-A, Ctrl-A h helps.\n";

static struct {
	double timeout; /* seconds; 0: none */
	const char *status_file, *log_file, *log_prefix;
} options;

/* Set by handlers; the pipe makes poll return. */
static volatile sig_atomic_t caught, resized, continued, suspended;
static int wake_pipe[2];

static struct emulator emulator;
static int status = -1;    /* the decision, once it is made */
static bool abrupt;        /* ended from outside: what is still on the way need not all arrive */
static int64_t kill_at = -1, end_at = -1; /* ms; -1: no such time */

void say(const char *text, ...)
{
	char line[1024];
	va_list arguments;
	int n = snprintf(line, sizeof(line), "exo: ");

	va_start(arguments, text);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 2, text, arguments);
	va_end(arguments);
	n = n < (int)sizeof(line) - 3 ? n : (int)sizeof(line) - 3;
	n += sprintf(line + n, terminal_is_raw ? "\r\n" : "\n");
	if (write(2, line, (size_t)n) < 0)
		return; /* nobody to tell */
}

ssize_t write_some(int descriptor, const void *bytes, size_t n)
{
	struct pollfd p = { descriptor, POLLOUT, 0 };
	ssize_t written;

	n = n < PIECE ? n : PIECE;
	if (poll(&p, 1, 0) <= 0)
		return 0;
	written = send(descriptor, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (written < 0 && errno == ENOTSOCK)
		written = write(descriptor, bytes, n);
	return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : written;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_signal(int number)
{
	int before = errno;

	switch (number) {
	case SIGWINCH:
		resized = 1;
		break;
	case SIGCONT:
		continued = 1;
		break;
	case SIGTSTP:
		suspended = 1;
		break;
	case SIGCHLD:
		break;
	default:
		caught = number;
	}
	if (write(wake_pipe[1], "", 1) < 0)
		errno = before; /* it is full: poll returns anyway */
	errno = before;
}

static void on_crash(int number)
{
	terminal_restore();
	raise(number); /* the handler is gone already */
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(number, &action, NULL);
}

/* Without SA_RESTART: a write to a terminal that its user has stopped must be interrupted. */
static void handle_signals(void)
{
	static const int ours[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGWINCH, SIGCONT };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK))
		abort();
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		handle(ours[i], on_signal, 0);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		handle(crashes[i], on_crash, (int)SA_RESETHAND);
	handle(SIGPIPE, SIG_IGN, 0);
	if (terminal_is_raw)
		handle(SIGTSTP, on_signal, 0);
}

/* The first reason counts. */
static void end_machine(int with_status)
{
	if (status >= 0)
		return;
	status = with_status;
	abrupt = true;
	if (emulator.pid > 0)
		kill(emulator.pid, SIGTERM);
	kill_at = now() + TERM_TIME;
}

static void take_signals(void)
{
	char bytes[64];

	while (read(wake_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	if (suspended) {
		suspended = 0;
		terminal_restore();
		raise(SIGSTOP);
		continued = 1;
	}
	if (continued) {
		continued = 0;
		terminal_raw();
		guest_resize();
	}
	if (resized) {
		resized = 0;
		guest_resize();
	}
	if (caught)
		end_machine(128 + caught);
	emulator_reap(&emulator);
}

static void check_time(void)
{
	if (end_at >= 0 && status < 0 && now() >= end_at) {
		say("ended after %g seconds (--timeout)", options.timeout);
		end_machine(TIMED_OUT);
	}
	if (kill_at >= 0 && now() >= kill_at) {
		if (emulator.pid > 0)
			kill(emulator.pid, SIGKILL);
		kill_at = -1;
	}
}

static void check_guest(void)
{
	if (guest.exited && status < 0) {
		status = guest.status;
		kill_at = now() + EXIT_TIME;
	}
	if (guest.lost && status < 0) {
		say("the machine sent something that is no message");
		end_machine(MACHINE_FAILED);
	}
	if (guest.quit && status < 0) {
		say("ended by Ctrl-A x");
		end_machine(ENDED_BY_KEY);
	}
}

/* For poll: ms until something is due. */
static int patience(void)
{
	int64_t at = -1, left;

	if (end_at >= 0 && status < 0)
		at = end_at;
	if (kill_at >= 0 && (at < 0 || kill_at < at))
		at = kill_at;
	if (at < 0)
		return -1;
	left = at - now();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* The machine is gone, and so is all that it sent, or as much of it as goes without waiting. */
static bool finished(bool idle)
{
	if (emulator.pid > 0)
		return false;
	if (abrupt)
		return idle;
	return emulator.console1 < 0 && emulator.console0 < 0 && guest_may_receive() && !log_pending();
}

enum { WAKE, INPUT, CONSOLE0, CONSOLE1, ERRORS, BLOCKED, LOG, OUTPUT1, OUTPUT2, COUNT };

static void choose(struct pollfd *p)
{
	int blocked = guest_blocked_on();

	for (int i = 0; i < COUNT; i++)
		p[i] = (struct pollfd){ -1, POLLIN, 0 };
	p[WAKE].fd = wake_pipe[0];
	if (guest_wants_input() && status < 0)
		p[INPUT].fd = 0;
	if (log_may_receive())
		p[CONSOLE0].fd = emulator.console0;
	p[CONSOLE1].events = (short)((guest_may_receive() ? POLLIN : 0) | (guest_has_to_send() ? POLLOUT : 0));
	if (p[CONSOLE1].events)
		p[CONSOLE1].fd = emulator.console1;
	p[ERRORS].fd = emulator.errors;
	p[BLOCKED] = (struct pollfd){ blocked, POLLOUT, 0 };
	p[LOG] = (struct pollfd){ log_pending() ? log_descriptor() : -1, POLLOUT, 0 };
	/* A reader of ours that goes away is noticed at once, as by the program inside when it writes. */
	for (int i = 1; i < 3; i++)
		if (guest_output_is_open(i) && blocked != i)
			p[OUTPUT1 + i - 1] = (struct pollfd){ i, 0, 0 };
}

static void serve(const struct pollfd *p)
{
	if (p[ERRORS].revents)
		emulator_read_errors(&emulator);
	if (p[CONSOLE0].revents)
		log_receive(&emulator.console0);
	if (p[INPUT].revents)
		guest_read_input();
	if (p[CONSOLE1].revents & POLLOUT)
		guest_send(emulator.console1);
	if (p[CONSOLE1].revents & (POLLIN | POLLHUP | POLLERR) && p[CONSOLE1].events & POLLIN)
		guest_receive(&emulator.console1);
	guest_hand_on();
	for (int i = 1; i < 3; i++)
		if (p[OUTPUT1 + i - 1].revents & (POLLERR | POLLHUP | POLLNVAL))
			guest_output_gone(i);
	if (log_pending())
		log_write();
}

static void run(void)
{
	struct pollfd p[COUNT];
	bool idle = false;

	do {
		int ready;

		choose(p);
		ready = poll(p, COUNT, emulator.pid <= 0 && abrupt ? 0 : patience());
		idle = ready == 0;
		take_signals();
		if (ready > 0)
			serve(p);
		check_guest();
		check_time();
	} while (!finished(idle));
}

static void conclude(void)
{
	FILE *file;

	log_end();
	terminal_restore();
	if (status < 0) {
		say("the machine ended without an exit status of the program");
		emulator_show_errors(&emulator);
		status = MACHINE_FAILED;
	}
	if (!options.status_file)
		return;
	file = fopen(options.status_file, "w");
	if (!file || fprintf(file, "%d\n", status) < 0 || fclose(file))
		say("%s: %s", options.status_file, strerror(errno));
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = { { "timeout", required_argument, NULL, 't' },
		{ "status-file", required_argument, NULL, 's' }, { "quiet-log", required_argument, NULL, 'q' },
		{ "log-prefix", required_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	char *end;

	for (int option; (option = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
		switch (option) {
		case 't':
			options.timeout = strtod(optarg, &end);
			if (end == optarg || *end || !(options.timeout > 0 && options.timeout < 1e9)) {
				say("--timeout %s: a number of seconds is expected", optarg);
				exit(MACHINE_FAILED);
			}
			break;
		case 's':
			options.status_file = optarg;
			break;
		case 'q':
			options.log_file = optarg;
			break;
		case 'p':
			options.log_prefix = optarg;
			break;
		default:
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : MACHINE_FAILED);
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		exit(MACHINE_FAILED);
	}
}

/* A standard stream that is closed must not become one of our own descriptors. Reading it gives the end, writing to
 * it an error. */
static void fill_standard_streams(void)
{
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != i)
			abort();
}

int main(int argc, char **argv)
{
	fill_standard_streams();
	parse(argc, argv);
	if (!log_start(options.log_file, options.log_prefix))
		return MACHINE_FAILED;
	if (options.timeout > 0)
		end_at = now() + (int64_t)(options.timeout * 1000);
	terminal_start();
	handle_signals();
	guest_start();
	if (emulator_start(&emulator, argv + optind))
		run();
	else
		status = MACHINE_FAILED;
	conclude();
	return status;
}
