/* A counter that two processes count up in turns, in memory shared by messages (exos/lib/dsm): each turn asks for the page to be read, and then to be written. Prints `row value` lines. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <exos/lib/dsm/dsm.h>

#define ADDRESS 0x200000000000ul
#define TURNS 200ul
#define WARM 20ul

static struct dsm dsm;
static volatile uint64_t *counter = (volatile uint64_t *)ADDRESS;

static void turn(uint64_t node)
{
	while (*counter % 2 != node)
		dsm_yield(&dsm);
	(*counter)++;
}

int main(void)
{
	uint64_t started = 0;
	pid_t child;
	int node, status;

	if (dsm_create(&dsm, ADDRESS, 512))
		return 1;
	child = fork();
	node = !child;
	if (dsm_join(&dsm, node))
		return 1;
	for (uint64_t i = 0; i < WARM + TURNS; i++) {
		if (i == WARM)
			started = __rdtsc();
		turn((uint64_t)node);
	}
	if (node == 0)
		printf("dsm.turn %lu\n", (uint64_t)(__rdtsc() - started) / (2 * TURNS));
	/* Who ends takes its pages away: node 0 says when it has seen the last count. */
	while (*counter < 2 * (WARM + TURNS) + (uint64_t)node)
		dsm_yield(&dsm);
	if (node)
		_exit(0);
	(*counter)++;
	return waitpid(child, &status, 0) == child && !status ? 0 : 1;
}
