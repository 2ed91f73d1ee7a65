/* Process 1 of the Linux baseline: runs PROGRAM as ExOS's first process runs it, with the same root, arguments, environment and
 * standard streams, and ends the machine with it.
 *
 * `./exo linux` puts it into the archive as /init. It reads .exos/start (DESIGN in tools/README.md), speaks exos/tty/link.h
 * over the second serial line, and relays PROGRAM's streams: through a pseudo-terminal where ./exo's are terminals,
 * through pipes where not. Built static against the C library; nothing here runs on ExOS. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <exos/tty/link.h>

#include "init.h"

#define LINE "/dev/ttyS1"
#define MODULES "/.exos/modules"
#define EXIT_PORT 0xf4 /* QEMU's isa-debug-exit */
#define ROOM 2048u     /* input under way at most: less than the 4,095 bytes that the serial line's driver buffers */
#define RECORDS_MAX 4096
#define MACHINE_FAILED 125

/* .exos/start, decoded. */
static char *program_name, *program_else, *program_argv[RECORDS_MAX], *program_env[RECORDS_MAX], *cwd = "/";
static bool terminal[3], root_on_disk;
static struct winsize window = { .ws_row = 24, .ws_col = 80 };

static int line = -1;
static int terminal_end = -1;              /* our end of the pseudo-terminal */
static int stream_end[3] = { -1, -1, -1 }; /* our ends of the pipes, for streams that are no terminal */
static uint8_t input[ROOM];                /* what PROGRAM has not taken yet */
static size_t input_count;
static bool input_ended;

static _Noreturn void machine_off(void)
{
	if (line >= 0)
		tcdrain(line);
	if (!ioperm(EXIT_PORT, 4, 1))
		outl(0, EXIT_PORT);
	for (;;)
		pause();
}

static void write_all(int fd, const void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t written = write(fd, (const char *)bytes + done, n - done);
		if (written < 0 && errno != EINTR)
			return;
		done += written < 0 ? 0 : (size_t)written;
	}
}

static void post(enum link_channel channel, const void *bytes, size_t n)
{
	uint8_t header[LINK_HEADER] = { (uint8_t)channel, (uint8_t)n, (uint8_t)(n >> 8) };

	write_all(line, header, sizeof header);
	write_all(line, bytes, n);
}

_Noreturn void fail(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	if (line >= 0)
		post(LINK_EXIT, &(uint8_t){ MACHINE_FAILED }, 1);
	machine_off();
}

static void grant(size_t bytes)
{
	uint8_t room[4] = { (uint8_t)bytes, (uint8_t)(bytes >> 8), (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24) };

	if (bytes)
		post(LINK_ROOM, room, sizeof room);
}

static void mount_all(void)
{
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) || mount("proc", "/proc", "proc", 0, NULL))
		fail("mount");
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666");
	mkdir("/dev/shm", 01777);
	mount("shm", "/dev/shm", "tmpfs", 0, NULL);
}

/* The drivers that ./exo has packed (tools/machine.sh), in the order of their names. */
static void load_modules(void)
{
	struct dirent **entries;
	int n = scandir(MODULES, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		int fd;

		snprintf(path, sizeof path, MODULES "/%s", entries[i]->d_name);
		if (entries[i]->d_name[0] == '.')
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fail(path);
		close(fd);
		unlink(path);
	}
	rmdir(MODULES);
}

static struct sockaddr address_of(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text) };
	struct sockaddr address;

	memcpy(&address, &in, sizeof address);
	return address;
}

/* What a machine of QEMU's own network would be told by DHCP. The address is in the kernel's command line, which hands on what it does not know; without one there is no interface. */
static void start_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct rtentry route = { .rt_dst = address_of("0.0.0.0"), .rt_genmask = address_of("0.0.0.0"), .rt_gateway = address_of("10.0.2.2"),
		.rt_flags = RTF_UP | RTF_GATEWAY };
	int s;

	if (!getenv("address"))
		return;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(s, SIOCSIFFLAGS, &request))
		fail("lo");
	strcpy(request.ifr_name, "eth0");
	request.ifr_addr = address_of(getenv("address"));
	if (ioctl(s, SIOCSIFADDR, &request))
		fail("eth0");
	request.ifr_netmask = address_of("255.255.255.0");
	if (ioctl(s, SIOCSIFNETMASK, &request))
		fail("eth0");
	request.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &request) || ioctl(s, SIOCADDRT, &route))
		fail("eth0");
	close(s);
}

static void open_line(void)
{
	struct termios settings;

	line = open(LINE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (line < 0 || tcgetattr(line, &settings))
		fail(LINE);
	cfmakeraw(&settings);
	settings.c_cflag |= CLOCAL;
	cfsetspeed(&settings, B115200);
	if (tcsetattr(line, TCSANOW, &settings))
		fail(LINE);
}

/* The value of a record if it has this name. */
static char *value_of(char *record, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(record, name, n) ? record + n : NULL;
}

static void read_start(void)
{
	static char records[1 << 20];
	int fd = open("/.exos/start", O_RDONLY), arguments = 0, variables = 0;
	ssize_t size = read(fd, records, sizeof records - 1);

	if (size <= 0)
		fail("/.exos/start");
	close(fd);
	for (char *record = records, *value; record < records + size; record += strlen(record) + 1) {
		if ((value = value_of(record, "argv=")) && arguments < RECORDS_MAX - 1)
			program_argv[arguments++] = value;
		else if ((value = value_of(record, "env=")) && variables < RECORDS_MAX - 1)
			program_env[variables++] = value;
		else if ((value = value_of(record, "program-name=")))
			program_name = value;
		else if ((value = value_of(record, "program-else=")))
			program_else = value;
		else if (value_of(record, "root="))
			root_on_disk = true;
		else if ((value = value_of(record, "cwd=")))
			cwd = value;
		else if ((value = value_of(record, "rows=")))
			window.ws_row = (uint16_t)atoi(value);
		else if ((value = value_of(record, "columns=")))
			window.ws_col = (uint16_t)atoi(value);
		else if ((value = value_of(record, "tty=")))
			for (int i = 0; i < 3 && value[i]; i++)
				terminal[i] = value[i] == '1';
	}
	/* The root is to look as it does on ExOS. */
	unlink("/.exos/start");
	rmdir("/.exos");
	unlink("/init");
}

/* Opens PROGRAM's streams: its ends into `ends`, ours into stream_end. */
static void open_streams(int ends[3])
{
	int pty = -1, pair[2];

	if ((terminal[0] || terminal[1] || terminal[2]) && openpty(&terminal_end, &pty, NULL, NULL, &window))
		fail("openpty");
	for (int i = 0; i < 3; i++) {
		if (terminal[i]) {
			ends[i] = pty;
			continue;
		}
		if (pipe(pair))
			fail("pipe");
		ends[i] = pair[i > 0];
		stream_end[i] = pair[i == 0];
	}
	for (int i = 0; i < 3; i++)
		fcntl(stream_end[i], F_SETFL, O_NONBLOCK);
	fcntl(terminal_end, F_SETFL, O_NONBLOCK);
}

/* As a shell reports it; the message goes where PROGRAM's own errors would go. */
static _Noreturn void exec_failed(void)
{
	int status = errno == ENOENT ? 127 : 126;

	dprintf(2, "exo: %s: %s\n", program_argv[0], strerror(errno));
	_exit(status);
}

static pid_t start_program(void)
{
	int ends[3];
	sigset_t none;

	open_streams(ends);
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		setsid();
		for (int i = 0; i < 3; i++)
			dup2(ends[i], i);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		for (int i = 2; i >= 0; i--)
			if (terminal[i])
				ioctl(i, TIOCSCTTY, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		errno = ENOENT;
		if (program_name && !chdir(cwd))
			execve(program_name, program_argv, program_env);
		exec_failed();
	}
	for (int i = 0; i < 3; i++)
		close(ends[i]);
	return pid;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int input_end(void) { return terminal[0] ? terminal_end : stream_end[0]; }

static void pass_input(void)
{
	ssize_t n = input_count && input_end() >= 0 ? write(input_end(), input, input_count) : 0;

	if (n > 0) {
		input_count -= (size_t)n;
		memmove(input, input + n, input_count);
		grant((size_t)n);
	} else if (n < 0 && errno != EAGAIN) {
		input_count = 0; /* PROGRAM has closed its end */
		close_end(&stream_end[0]);
	}
	if (input_ended && !input_count)
		close_end(&stream_end[0]);
}

static void handle_message(uint8_t channel, const uint8_t *bytes, size_t n)
{
	if (channel == LINK_INPUT && input_end() >= 0 && n <= sizeof input - input_count) {
		memcpy(input + input_count, bytes, n);
		input_count += n;
	} else if (channel == LINK_INPUT_END) {
		input_ended = true;
	} else if (channel == LINK_SIZE && n == 4) {
		window.ws_row = (uint16_t)(bytes[0] | bytes[1] << 8);
		window.ws_col = (uint16_t)(bytes[2] | bytes[3] << 8);
		ioctl(terminal_end, TIOCSWINSZ, &window);
	} else if (channel == LINK_OUTPUT_CLOSED && n == 1 && (bytes[0] == 1 || bytes[0] == 2)) {
		close_end(&stream_end[bytes[0]]);
	}
}

/* Reads what has come over the line and handles every whole message. */
static void receive(void)
{
	static uint8_t buffer[2 * (LINK_HEADER + LINK_MAX)];
	static size_t count;
	ssize_t n = read(line, buffer + count, sizeof buffer - count);
	size_t at = 0, size;

	if (n <= 0)
		return;
	count += (size_t)n;
	for (; count - at >= LINK_HEADER; at += LINK_HEADER + size) {
		size = buffer[at + 1] | (size_t)buffer[at + 2] << 8;
		if (count - at < LINK_HEADER + size)
			break;
		handle_message(buffer[at], buffer + at + LINK_HEADER, size);
	}
	count -= at;
	memmove(buffer, buffer + at, count);
}

/* Sends what PROGRAM has written; false: nothing there now, or nothing more will come and our end is closed. */
static bool relay(int *fd, enum link_channel channel)
{
	static uint8_t bytes[LINK_MAX];
	ssize_t n = *fd < 0 ? 0 : read(*fd, bytes, sizeof bytes);

	if (n > 0)
		post(channel, bytes, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		close_end(fd);
	return n > 0;
}

/* Takes in every child that has ended, orphans too; true if PROGRAM is among them. */
static bool reap(pid_t program, uint8_t *status)
{
	int how;
	bool ended = false;

	for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
		if (pid != program)
			continue;
		*status = (uint8_t)(WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
		ended = true;
	}
	return ended;
}

int main(void)
{
	sigset_t child_ended;
	struct signalfd_siginfo news;
	uint8_t status;

	mount_all();
	open_line();
	load_modules();
	start_network();
	read_start();
	if (!program_name || !program_argv[0]) {
		errno = EINVAL;
		fail("/.exos/start");
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_ended, NULL);
	int children = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK);
	if (root_on_disk)
		start_root(program_env, &program_name, program_else);
	post(LINK_HELLO, NULL, 0);
	pid_t program = start_program();
	grant(ROOM);
	for (;;) {
		struct pollfd ready[] = { { line, POLLIN, 0 }, { children, POLLIN, 0 }, { stream_end[1], POLLIN, 0 },
			{ stream_end[2], POLLIN, 0 }, { terminal_end, POLLIN, 0 }, { input_count ? input_end() : -1, POLLOUT, 0 } };
		if (poll(ready, sizeof ready / sizeof ready[0], -1) < 0)
			continue;
		if (ready[0].revents)
			receive();
		pass_input();
		if (ready[2].revents)
			relay(&stream_end[1], LINK_OUTPUT);
		if (ready[3].revents)
			relay(&stream_end[2], LINK_ERROR);
		if (ready[4].revents)
			relay(&terminal_end, LINK_TERMINAL);
		if (ready[1].revents && read(children, &news, sizeof news) > 0 && reap(program, &status))
			break;
	}
	while (relay(&stream_end[1], LINK_OUTPUT) || relay(&stream_end[2], LINK_ERROR) || relay(&terminal_end, LINK_TERMINAL))
		;
	if (root_on_disk)
		end_root();
	post(LINK_EXIT, &status, 1);
	machine_off();
}
