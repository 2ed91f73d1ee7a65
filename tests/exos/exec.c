/* execve: what the new program gets, what it loses, and which files it refuses. The program runs itself with a role as its argument. */
#include "lib.h"

#include <sys/auxv.h>

#include <elf.h>

#define SELF "/proc/self/exe"
extern char **environ;

static void write_file(const char *path, const void *bytes, size_t n, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	CHECK(fd >= 0);
	IS(write(fd, bytes, n), n);
	close(fd);
}

static size_t read_file(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, to, room);

	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* Runs a file in a child; its wait status. A failed exec exits with its errno. */
static int run_file(const char *path, char **argv, char **envp)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execve(path, argv, envp);
		_exit(errno);
	}
	IS(waitpid(pid, &status, 0), pid);
	return status;
}

#define RUN(path, ...) run_file(path, (char *[]){ __VA_ARGS__, NULL }, (char *[]){ "PATH=/bin", NULL })

static void arguments_and_environment_arrive(void)
{
	char output[256];
	int ends[2];

	CHECK(!pipe(ends));
	pid_t pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		execve("/bin/sh", (char *[]){ "sh", "-c", "echo \"$0|$1|$2|$#|$A|$B\"", "", "two words", "", NULL },
			(char *[]){ "A=1", "B=b c", NULL });
		_exit(1);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], output, sizeof output - 1);
	output[n > 0 ? n : 0] = 0;
	ENDS(pid, EXITED(0));
	CHECK(!strcmp(output, "|two words||2|1|b c\n"));
}

static void long_arguments_arrive(void)
{
	enum { BIG = 100000 };
	char *big = malloc(BIG + 1), script[64];

	memset(big, 'x', BIG);
	big[BIG] = 0;
	snprintf(script, sizeof script, "[ ${#1} -eq %d ]", BIG);
	IS(RUN("/bin/sh", "sh", "-c", script, "sh", big), EXITED(0));
}

static void too_long_arguments_are_refused(void)
{
	enum { BIG = 200000 };
	char *big = malloc(BIG + 1);

	memset(big, 'x', BIG);
	big[BIG] = 0;
	IS(RUN("/bin/sh", "sh", "-c", "exit 0", "sh", big), EXITED(E2BIG));
}

static void close_on_exec_closes_only_those(void)
{
	char script[128];
	int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(kept > 2 && closed > 2);
	IS(fcntl(closed, F_GETFD), FD_CLOEXEC);
	snprintf(script, sizeof script, "[ -e /proc/self/fd/%d ] && ! [ -e /proc/self/fd/%d ]", kept, closed);
	IS(RUN("/bin/sh", "sh", "-c", script), EXITED(0));
}

static void handlers_are_reset_ignored_and_mask_stay(void)
{
	sigset_t set;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGUSR1, SIG_IGN);
		signal(SIGTERM, (void (*)(int))_exit); /* a handler: after exec it must be the default action */
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_SETMASK, &set, NULL);
		execl("/bin/sh", "sh", "-c",
			"grep -q '^SigIgn:.*2..$' /proc/self/status && grep -q '^SigBlk:.*8..$' /proc/self/status && kill -USR1 $$ && kill -TERM $$",
			(char *)NULL);
		_exit(99);
	}
	ENDS(pid, SIGTERM);
}

static void pid_and_working_folder_stay(void)
{
	char script[64];
	pid_t pid = fork();

	if (!pid) {
		CHECK(!chdir("/tmp"));
		snprintf(script, sizeof script, "[ $$ -eq %d ] && [ \"$(pwd)\" = /tmp ]", getpid());
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(99);
	}
	ENDS(pid, EXITED(0));
}

static void script_runs_by_its_interpreter(void)
{
	static const char script[] = "#!/bin/sh -e\n[ \"$0\" = /tmp/exec_script ] && [ \"$1\" = arg ] && exit 42\n";

	write_file("/tmp/exec_script", script, sizeof script - 1, 0755);
	IS(RUN("/tmp/exec_script", "ignored", "arg"), EXITED(42));
}

static void missing_and_unsuitable_files_give_their_errors(void)
{
	write_file("/tmp/exec_plain", "#!/bin/sh\n", 10, 0644);
	write_file("/tmp/exec_no_interpreter", "#!/no/such\n", 11, 0755);
	write_file("/tmp/exec_text", "exit 1\n", 7, 0755);
	write_file("/tmp/exec_empty", "", 0, 0755);
	IS(RUN("/tmp/exec_missing", "x"), EXITED(ENOENT));
	IS(RUN("/tmp/exec_plain/x", "x"), EXITED(ENOTDIR));
	IS(RUN("/tmp/exec_plain", "x"), EXITED(EACCES));
	IS(RUN("/tmp", "x"), EXITED(EACCES));
	IS(RUN("/tmp/exec_no_interpreter", "x"), EXITED(ENOENT));
	IS(RUN("/tmp/exec_text", "x"), EXITED(ENOEXEC));
	IS(RUN("/tmp/exec_empty", "x"), EXITED(ENOEXEC));
}

static void damaged_executables_are_refused(void)
{
	static char image[3 << 20];
	size_t n = read_file(SELF, image, sizeof image);
	Elf64_Ehdr *elf = (Elf64_Ehdr *)image;
	Elf64_Half machine = elf->e_machine;

	CHECK(n > sizeof *elf && n < sizeof image);
	write_file("/tmp/exec_short", image, sizeof *elf / 2, 0755);
	IS(RUN("/tmp/exec_short", "x"), EXITED(ENOEXEC));
	elf->e_machine = EM_AARCH64;
	write_file("/tmp/exec_foreign", image, n, 0755);
	IS(RUN("/tmp/exec_foreign", "x"), EXITED(ENOEXEC));
	elf->e_machine = machine;
	elf->e_type = ET_REL;
	write_file("/tmp/exec_object", image, n, 0755);
	IS(RUN("/tmp/exec_object", "x"), EXITED(ENOEXEC));
	elf->e_type = ET_EXEC;
	elf->e_phoff = 1ull << 60;
	write_file("/tmp/exec_headers", image, n, 0755);
	int status = RUN("/tmp/exec_headers", "x");
	CHECK(status == EXITED(EINVAL) || status == EXITED(ENOEXEC) || status == EXITED(EIO));
}

static void failed_exec_leaves_the_program_whole(void)
{
	static volatile int kept = 77;

	write_file("/tmp/exec_text", "exit 1\n", 7, 0755);
	for (int i = 0; i < 20; i++)
		FAILS(execve("/tmp/exec_text", (char *[]){ "x", NULL }, environ), ENOEXEC);
	IS(kept, 77);
}

static void bad_pointers_are_refused(void)
{
	FAILS(syscall(SYS_execve, 1, NULL, NULL), EFAULT);
	FAILS(syscall(SYS_execve, "/bin/sh", 1, NULL), EFAULT);
	FAILS(syscall(SYS_execve, "/bin/sh", (char *[]){ (char *)1, NULL }, NULL), EFAULT);
	FAILS(syscall(SYS_execve, "", NULL, NULL), ENOENT);
}

static void exec_from_vfork_child_releases_the_parent(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
		_exit(1);
	}
	ENDS(pid, EXITED(9));
}

static void running_file_can_be_replaced(void)
{
	static char image[3 << 20];
	size_t n = read_file("/bin/busybox", image, sizeof image);

	write_file("/tmp/sleep", image, n, 0755);
	pid_t pid = fork();
	if (!pid) {
		execl("/tmp/sleep", "sleep", "10", (char *)NULL);
		_exit(1);
	}
	sleep_ms(20);
	CHECK(!unlink("/tmp/sleep"));
	write_file("/tmp/sleep", "x", 1, 0755);
	kill(pid, SIGTERM);
	ENDS(pid, SIGTERM);
}

static void auxiliary_vector_is_there(void)
{
	IS(getauxval(AT_PAGESZ), 4096);
	CHECK(getauxval(AT_RANDOM) && getauxval(AT_PHDR) && getauxval(AT_ENTRY));
}

TESTS(T(arguments_and_environment_arrive), T(long_arguments_arrive), T(too_long_arguments_are_refused), T(close_on_exec_closes_only_those),
	T(handlers_are_reset_ignored_and_mask_stay), T(pid_and_working_folder_stay), T(script_runs_by_its_interpreter),
	T(missing_and_unsuitable_files_give_their_errors), T(damaged_executables_are_refused), T(failed_exec_leaves_the_program_whole),
	T(bad_pointers_are_refused), T(exec_from_vfork_child_releases_the_parent), T(running_file_can_be_replaced),
	T(auxiliary_vector_is_there))
