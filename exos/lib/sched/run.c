/* Turns (run.h). */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include <aegis/env.h>
#include <aegis/upcall.h>
#include <exos/lib/sched/run.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

static const struct aegis_upcall *const upcall = (const struct aegis_upcall *)SELF_VA;
static const volatile uint64_t *claims;
static const struct aegis_info *machine;
static volatile sig_atomic_t child_ended;

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static void on_child(int signal)
{
	(void)signal;
	child_ended = 1;
}

bool run_start(struct run *r, const struct sched_ops *ops, uint64_t option)
{
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	cpu_set_t here;

	*r = (struct run){ 0 };
	if (!exos_here()) {
		errno = ENOSYS;
		return false;
	}
	claims = (const volatile uint64_t *)exos_info(EXOS_INFO_CLAIMS);
	machine = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);
	r->quantum = machine->quantum;
	CPU_ZERO(&here);
	CPU_SET(upcall->cpu, &here);
	if (!(r->sched = ops->make(option)) || sched_setaffinity(0, sizeof(here), &here) || sigaction(SIGCHLD, &action, NULL)) {
		if (r->sched)
			ops->free(r->sched);
		return false;
	}
	return true;
}

static void lie_down(struct run *r, struct run_child *c)
{
	r->sched->ops->sleep(r->sched, c->client);
	if (!r->asleep)
		r->asleep = c->next_asleep = c->previous_asleep = c;
	c->next_asleep = r->asleep;
	c->previous_asleep = r->asleep->previous_asleep;
	c->previous_asleep->next_asleep = c->next_asleep->previous_asleep = c;
}

static void out_of_ring(struct run *r, struct run_child *c)
{
	if (!c->next_asleep)
		return;
	r->asleep = c->next_asleep == c ? NULL : c->next_asleep;
	c->previous_asleep->next_asleep = c->next_asleep;
	c->next_asleep->previous_asleep = c->previous_asleep;
	c->next_asleep = c->previous_asleep = NULL;
}

static bool ready(const struct run_child *c)
{
	uint64_t claim = claims[env_slot_of(machine, c->env)];

	return claim == ((uint64_t)CLAIM_READY << 32 | c->env);
}

/* Of those who sleep, the next few: who is awake again? True: somebody. */
static bool look(struct run *r, uint64_t most)
{
	bool found = false;

	for (struct run_child *c = r->asleep, *first = NULL; c && most && c != first; most--) {
		struct run_child *following = c->next_asleep;

		if (ready(c)) {
			out_of_ring(r, c);
			r->sched->ops->wake(r->sched, c->client, now());
			following = r->asleep ? following : NULL;
			found = true;
		} else if (!first) {
			first = c;
		}
		c = following;
		if (r->asleep)
			r->asleep = c;
	}
	return found;
}

struct run_child *run_add(struct run *r, pid_t pid, const struct sched_share *share)
{
	struct run_child *c = calloc(1, sizeof(*c));
	struct sched_client *client = calloc(1, r->sched->ops->client_size);
	int64_t env = exos_environment(pid);
	int error = c && client ? env < 0 ? (int)env : 0 : -ENOMEM;

	if (!error) {
		client->share = *share;
		client->owner = c;
		error = r->sched->ops->join(r->sched, client);
	}
	if (!error && (error = (int)exos_slices(pid, 0)))
		r->sched->ops->leave(r->sched, client);
	if (error) {
		free(c);
		free(client);
		errno = -error;
		return NULL;
	}
	c->client = client;
	c->pid = pid;
	c->env = (env_id)env;
	c->next = r->children;
	r->children = c;
	r->sched->ops->wake(r->sched, client, now());
	return c;
}

static void drop(struct run *r, struct run_child **link)
{
	struct run_child *c = *link;

	*link = c->next;
	out_of_ring(r, c);
	r->sched->ops->leave(r->sched, c->client);
}

static void forget(struct run_child *c)
{
	free(c->client);
	free(c);
}

static void reap(struct run *r)
{
	int status;
	pid_t pid;

	child_ended = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct run_child **link = &r->children; *link; link = &(*link)->next)
			if ((*link)->pid == pid) {
				struct run_child *c = *link;

				drop(r, link);
				if (r->ended)
					r->ended(r, c, status);
				forget(c);
				break;
			}
}

/* What happened while others ran is told at the next call of ExOS that takes its lock. */
static void take_events(struct run *r)
{
	if (upcall->pending)
		exos_here();
	if (child_ended)
		reap(r);
}

/* False: it could not have it, and sleeps. */
static bool turn(struct run *r, struct run_child *c)
{
	uint64_t begin = now(), end = upcall->slice_end, after, ticks;
	bool fresh = end != r->given, next_slice;

	if (give_yield(c->env)) {
		lie_down(r, c);
		return false;
	}
	after = now();
	r->given = end;
	next_slice = upcall->slice_end != end;
	ticks = (after < end ? after : end) - begin;
	if (begin > end)
		ticks = 0;
	c->turns++;
	c->ticks += ticks;
	r->sched->ops->charge(r->sched, c->client,
		&(struct sched_use){ .now = after, .ticks = ticks, .back = !next_slice,
			.part = (fresh && next_slice && after >= end) || ticks >= r->quantum ? SCHED_SLICE : (uint32_t)(ticks * SCHED_SLICE / r->quantum) });
	if (!ready(c))
		lie_down(r, c);
	return true;
}

/* Until somebody may be found, at most a slice if there are sleepers, whose waking nobody tells. */
static void idle(struct run *r)
{
	uint64_t from = now(), until = r->sched->idle_until, ticks = r->quantum;

	if (until)
		ticks = until <= from ? 0 : !r->asleep || until - from < ticks ? until - from : ticks;
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ticks / machine->tsc_hz),
			  .tv_nsec = (long)((unsigned __int128)(ticks % machine->tsc_hz) * 1000000000 / machine->tsc_hz) + 1 },
		NULL);
}

bool run_turn(struct run *r)
{
	struct sched_client *c;

	take_events(r);
	look(r, RUN_LOOKS);
	r->sched->idle_until = 0;
	while ((c = r->sched->ops->choose(r->sched, now())))
		if (turn(r, c->owner))
			return true;
	if (!look(r, UINT64_MAX))
		idle(r);
	if (child_ended)
		reap(r);
	return r->children;
}

void run_end(struct run *r)
{
	while (r->children) {
		struct run_child *c = r->children;

		exos_slices(c->pid, 1ul << upcall->cpu);
		drop(r, &r->children);
		forget(c);
	}
	r->sched->ops->free(r->sched);
}
