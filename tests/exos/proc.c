/* /proc, as ps, free, top and uptime read it, and what the machine says of itself. */
#include "lib.h"

#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static char text[65536];

static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;

	CHECK(fd >= 0);
	for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)got;
	close(fd);
	text[n] = 0;
	return text;
}

/* The number after a name, at the start of a line of the text last read. */
static long value(const char *name)
{
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, strlen(name)))
			return atol(line + strlen(name));
	}
	return -1;
}

static void own_status_is_right(void)
{
	read_text("/proc/self/status");
	IS(value("Pid:"), getpid());
	IS(value("PPid:"), getppid());
	CHECK(strstr(text, "Name:\tproc\n"));
	CHECK(strstr(text, "State:\tR"));
	CHECK(value("VmRSS:") > 0);
}

static void own_stat_line_has_its_fields(void)
{
	int pid, parent, group, session;
	char name[32], state;

	read_text("/proc/self/stat");
	IS(sscanf(text, "%d (%31[^)]) %c %d %d %d", &pid, name, &state, &parent, &group, &session), 6);
	IS(pid, getpid());
	IS(parent, getppid());
	IS(group, getpgrp());
	IS(session, getsid(0));
	IS(state, 'R');
	CHECK(!strcmp(name, "proc"));
	int spaces = 0;
	for (char *c = text; *c; c++)
		spaces += *c == ' ';
	IS(spaces, 51);
}

static void command_line_and_links_are_those_of_the_program(void)
{
	char path[64], target[128] = "";

	read_text("/proc/self/cmdline");
	CHECK(strstr(text, "proc"));
	snprintf(path, sizeof path, "/proc/%d/exe", getpid());
	CHECK(readlink(path, target, sizeof target - 1) > 0);
	CHECK(!strcmp(target + strlen(target) - 5, "/proc"));
	CHECK(!chdir("/tmp"));
	memset(target, 0, sizeof target);
	CHECK(readlink("/proc/self/cwd", target, sizeof target - 1) == 4);
	CHECK(!strcmp(target, "/tmp"));
	int fd = open("/dev/null", O_RDONLY);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	memset(target, 0, sizeof target);
	CHECK(readlink(path, target, sizeof target - 1) == 9);
	CHECK(!strcmp(target, "/dev/null"));
	CHECK(open(path, O_RDONLY) >= 0);
}

static void processes_come_and_go(void)
{
	char path[64];
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (int i = 0; i < 1000 && !strstr(read_text(path), ") S "); i++)
		sleep_ms(1);
	CHECK(strstr(text, ") S "));
	bool found = false;
	DIR *d = opendir("/proc");
	CHECK(d);
	for (struct dirent *entry; (entry = readdir(d));)
		found |= atoi(entry->d_name) == pid;
	CHECK(found);
	kill(pid, SIGKILL);
	siginfo_t info;
	IS(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK(strstr(read_text(path), ") Z "));
	ENDS(pid, SIGKILL);
	FAILS(open(path, O_RDONLY), ENOENT);
}

static void memory_figures_add_up(void)
{
	struct sysinfo info;

	read_text("/proc/meminfo");
	long total = value("MemTotal:"), free = value("MemFree:");
	CHECK(total > 32768 && free > 0 && free < total);
	CHECK(!sysinfo(&info));
	IS(info.totalram * info.mem_unit / 1024, total);
	long before = free;
	char *p = malloc(32 << 20);
	memset(p, 1, 32 << 20);
	__asm__ volatile("" : : "r"(p) : "memory"); /* or the compiler leaves it out */
	read_text("/proc/meminfo");
	long used = before - value("MemFree:");
	CHECK(used > 30000 && used < 40000);
}

static void uptime_and_load_are_there(void)
{
	double up, idle;

	read_text("/proc/uptime");
	IS(sscanf(text, "%lf %lf", &up, &idle), 2);
	CHECK(up > 0 && up < 100000);
	CHECK(strchr(read_text("/proc/loadavg"), '/'));
	CHECK(!strncmp(read_text("/proc/stat"), "cpu ", 4));
	CHECK(strstr(text, "btime "));
	CHECK(read_text("/proc/version")[0]);
	CHECK(strstr(read_text("/proc/mounts"), " / "));
}

static void memory_map_shows_what_is_mapped(void)
{
	char expected[64];
	void *p = mmap(NULL, 5 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	read_text("/proc/self/maps");
	snprintf(expected, sizeof expected, "%lx", (unsigned long)p);
	CHECK(strstr(text, expected));
	CHECK(strstr(text, "[stack]"));
	CHECK(strstr(text, "/proc\n"));
}

static void identity_is_roots(void)
{
	struct utsname name;

	IS(getuid(), 0);
	IS(geteuid(), 0);
	IS(getgid(), 0);
	CHECK(!uname(&name));
	CHECK(!strcmp(name.machine, "x86_64"));
	CHECK(name.sysname[0] && name.release[0]);
}

static void unknown_calls_say_so(void)
{
	FAILS(syscall(9999), ENOSYS);
	FAILS(syscall(-5), ENOSYS);
	FAILS(syscall(400), ENOSYS);
}

TESTS(T(own_status_is_right), T(own_stat_line_has_its_fields), T(command_line_and_links_are_those_of_the_program), T(processes_come_and_go),
	T(memory_figures_add_up), T(uptime_and_load_are_there), T(memory_map_shows_what_is_mapped), T(identity_is_roots), T(unknown_calls_say_so))
