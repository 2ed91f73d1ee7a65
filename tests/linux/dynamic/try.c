/* Executes each file named, in a child, and prints the error that execve gives, or how the program ended. Static. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int error;

static int status_of(char *file)
{
	char *arguments[] = {file, NULL};
	int status = 0;
	pid_t child;

	error = 0;
	child = vfork(); /* so that it tells its error here */
	if (!child) {
		execve(file, arguments, arguments + 1);
		error = errno;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	for (int n = 1; n < argc; n++) {
		int status = status_of(argv[n]);
		const char *name = strrchr(argv[n], '/');

		printf("%s: ", name ? name + 1 : argv[n]);
		if (error)
			printf("%s\n", strerror(error));
		else if (WIFSIGNALED(status))
			printf("signal %d\n", WTERMSIG(status));
		else
			printf("exit %d\n", WEXITSTATUS(status));
		fflush(stdout);
	}
	return 0;
}
