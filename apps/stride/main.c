/* A stride scheduler, whole: stride TICKETS PROGRAM [TICKETS PROGRAM...] runs programs and shares this process's slices out among them. */
/* listing: begin */
#include <err.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

#define STRIDE_ONE (1ul << 32)

struct client {
	pid_t pid;
	env_id env;
	uint64_t stride, pass;
};

static struct client start(const char *tickets, char *program)
{
	struct client c = { .stride = STRIDE_ONE / (strtoul(tickets, NULL, 10) ?: 1), .pid = fork() };

	if (!c.pid) {
		execlp(program, program, NULL);
		err(1, "%s", program);
	}
	c.env = (env_id)exos_environment(c.pid);
	exos_slices(c.pid, 0); /* from now on it runs when we yield to it */
	return c;
}

int main(int argc, char **argv)
{
	int n = argc / 2, least;
	struct client *clients = calloc((size_t)n + 1, sizeof(*clients));

	for (int i = 0; i < n; i++)
		clients[i] = start(argv[1 + 2 * i], argv[2 + 2 * i]);
	while (waitpid(-1, NULL, WNOHANG) >= 0) { /* until there are none */
		least = 0;
		for (int i = 1; i < n; i++)
			if ((int64_t)(clients[i].pass - clients[least].pass) < 0)
				least = i;
		clients[least].pass += clients[least].stride;
		give_yield(clients[least].env); /* comes back at the end of the slice; at once from one that sleeps or is gone */
	}
	return 0;
}
/* listing: end */
