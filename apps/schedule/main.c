/* schedule: runs programs and shares out among them, by a policy, the slices that this process has. See `schedule --help`. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exos/lib/sched/edf.h>
#include <exos/lib/sched/lottery.h>
#include <exos/lib/sched/run.h>
#include <exos/lib/sched/stride.h>
#include <exos/lib/x86_64/calls.h>

static const char help[] =
	"usage: schedule [-v] POLICY[=OPTION] SHARE PROGRAM [ARGUMENT...] [: SHARE PROGRAM [ARGUMENT...]]...\n"
	"\n"
	"Runs the programs side by side and gives them the CPU as the policy says. Exits when all have ended, with the highest exit status of them.\n"
	"\n"
	"  stride    SHARE is a number of tickets: 3 has three times what 1 has. OPTION: over how many slices each has its share to within one slice (1000)\n"
	"  lottery   SHARE is a number of tickets: each slice is drawn. OPTION: the seed\n"
	"  edf       SHARE is MS/MS: so many milliseconds in each period of so many. A program that does not say when its job is done has its budget and no more.\n"
	"            Refused if together they want more than there is\n"
	"\n"
	"  -v        says at the end what each had\n"
	"\n"
	"Words in brackets are one program: schedule lottery 2 [ schedule stride 3 a : 1 b ] : 1 c\n"
	"Programs that they start in their turn are not scheduled here, but have slices of their own.\n";

static const struct sched_ops *const policies[] = { &sched_stride, &sched_lottery, &sched_edf };
static bool verbose;
static int worst; /* exit status so far */

static const struct sched_ops *policy_named(char *name, uint64_t *option)
{
	char *value = strchr(name, '='), *end = "";

	*option = 0;
	if (value) {
		*value++ = 0;
		*option = strtoull(value, &end, 0);
		if (!*value || *end)
			errx(2, "%s: the option is a number", name);
	}
	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++)
		if (!strcmp(name, policies[i]->name))
			return policies[i];
	errx(2, "%s: no such policy; schedule --help names them", name);
}

/* MS/MS, or tickets. */
static struct sched_share share_of(const struct sched_ops *ops, const char *text, uint64_t ticks_a_ms)
{
	unsigned long long first, period = 0;
	char *end;

	first = strtoull(text, &end, 10);
	if (ops == &sched_edf && *end == '/')
		period = strtoull(end + 1, &end, 10);
	if (*end || end == text || first > UINT32_MAX || period > UINT32_MAX || (ops == &sched_edf && !period))
		errx(2, "%s: %s is expected", text, ops == &sched_edf ? "MS/MS" : "a number of tickets");
	return ops == &sched_edf ? (struct sched_share){ .budget = first * ticks_a_ms, .period = period * ticks_a_ms } :
				   (struct sched_share){ .tickets = (uint32_t)first };
}

/* The end of a program's words: a colon outside of brackets, or the last. */
static char **words_end(char **word)
{
	for (int depth = 0; *word && (depth || strcmp(*word, ":")); word++)
		depth += !strcmp(*word, "[") ? 1 : !strcmp(*word, "]") ? -1 : 0;
	return word;
}

static int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

static void note(int code) { worst = code > worst ? code : worst; }

static void start(struct run *r, const struct sched_share *share, char **words, char **end)
{
	pid_t pid;

	if (words == end)
		errx(2, "a program is expected after its share");
	if (!strcmp(*words, "[") && !strcmp(end[-1], "]")) {
		words++;
		end--;
	}
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		*end = NULL;
		execvp(*words, words);
		warn("%s", *words);
		_exit(127);
	}
	if (!run_add(r, pid, share)) {
		int error = errno, status;

		if (error == ESRCH && waitpid(pid, &status, 0) == pid) { /* it has ended before it could be scheduled */
			note(code_of(status));
			return;
		}
		kill(pid, SIGKILL);
		errx(1, "%s: %s", *words, error == EBUSY ? "more than there is beside the others" : error == EINVAL ? "no share that can be had" : strerror(error));
	}
}

static void ended(struct run *r, struct run_child *c, int status)
{
	note(code_of(status));
	if (!verbose)
		return;
	fprintf(stderr, "schedule: process %d had %lu turns, %lu slices' time", c->pid, c->turns, c->ticks / r->quantum);
	if (r->sched->ops == &sched_edf)
		fprintf(stderr, "; %lu jobs, %lu late, %lu over budget", ((struct edf_client *)c->client)->jobs, ((struct edf_client *)c->client)->missed,
			((struct edf_client *)c->client)->overran);
	fprintf(stderr, "\n");
}

int main(int argc, char **argv)
{
	const struct sched_ops *ops;
	struct run r;
	uint64_t option;

	argv++;
	if (*argv && (!strcmp(*argv, "--help") || !strcmp(*argv, "-h"))) {
		fputs(help, stdout);
		return 0;
	}
	if ((verbose = *argv && !strcmp(*argv, "-v")))
		argv++;
	if (argc < 4 || !*argv) {
		fputs(help, stderr);
		return 2;
	}
	ops = policy_named(*argv++, &option);
	if (!exos_here())
		errx(1, "this is not ExOS: a scheduler here is the kernel's business");
	if (ops == &sched_edf)
		option = ((const struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->quantum;
	if (!run_start(&r, ops, option))
		err(1, "%s", ops->name);
	r.ended = ended;
	for (char **end; *argv; argv = *end ? end + 1 : end) {
		struct sched_share share = share_of(ops, *argv, ((const struct aegis_info *)exos_info(EXOS_INFO_MACHINE))->tsc_hz / 1000);

		end = words_end(++argv);
		start(&r, &share, argv, end);
	}
	while (run_turn(&r))
		;
	run_end(&r);
	return worst;
}
