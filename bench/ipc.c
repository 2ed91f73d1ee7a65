/* Words between two processes: the paper's pipe', shm, lrpc and tlrpc (6.1). Prints `row value`, ticks of the time-stamp counter a
 * round trip (or half of one, one way), which under instruction counting are guest instructions. On Linux the pipes are ordinary pipes, shm yields by
 * sched_yield, and there is no lrpc. */
#include <sys/mman.h>

#include <exos/lib/ipc/lrpc.h>
#include <exos/lib/ipc/ring.h>
#include <exos/lib/x86_64/calls.h>
#include "processes.h"

static void row(const char *name, uint64_t round_trip, bool both)
{
	if (!both) {
		printf("%s %lu\n", name, round_trip);
		return;
	}
	printf("%s %lu\n", name, round_trip / 2);
	printf("%s.roundtrip %lu\n", name, round_trip);
}

static struct ring there, back;
static int there_fd[2], back_fd[2];

static void pipes_make(void)
{
	check(!ring_make(&there, 4096) && !ring_make(&back, 4096), "ring_make");
	check(!pipe(there_fd) && !pipe(back_fd), "pipe");
}

static void pipes_peer(int pid) { check(!ring_peer(&there, pid) && !ring_peer(&back, pid), "ring_peer"); }

/* A word by the pipe that the system has for it; the specialised one, and the general one. */
static inline void put_word(struct ring *r, const int *fd, uint64_t word)
{
	check(r->peer.env ? ring_put(r, word) == 0 : write(fd[1], &word, sizeof(word)) == sizeof(word), "put");
}

static inline uint64_t get_word(struct ring *r, const int *fd)
{
	uint64_t word = 0;

	check(r->peer.env ? ring_get(r, &word) == 0 : read(fd[0], &word, sizeof(word)) == sizeof(word), "get");
	return word;
}

static inline void put_bytes(struct ring *r, const int *fd, uint64_t word)
{
	int64_t n = r->peer.env ? ring_write(r, &word, sizeof(word)) : write(fd[1], &word, sizeof(word));

	check(n == sizeof(word), "write");
}

static inline uint64_t get_bytes(struct ring *r, const int *fd)
{
	uint64_t word = 0;
	int64_t n = r->peer.env ? ring_read(r, &word, sizeof(word)) : read(fd[0], &word, sizeof(word));

	check(n == sizeof(word), "read");
	return word;
}

static void echo_words(void)
{
	pipes_peer(getppid());
	for (;;)
		put_word(&back, back_fd, get_word(&there, there_fd) + 1);
}

static void echo_bytes(void)
{
	pipes_peer(getppid());
	for (;;)
		put_bytes(&back, back_fd, get_bytes(&there, there_fd) + 1);
}

static void pipe_words(void)
{
	uint64_t word = 0;
	pid_t pid;

	pipes_make();
	pid = other_end(echo_words);
	pipes_peer(pid);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++) {
			put_word(&there, there_fd, word);
			word = get_word(&back, back_fd);
		}
	}
	row("ipc.pipe2", each(ROUNDS), true);
	check(word == 2 * ROUNDS, "the count");
	end(pid);
}

static void pipe_bytes(void)
{
	uint64_t word = 0;
	pid_t pid;

	pipes_make();
	pid = other_end(echo_bytes);
	pipes_peer(pid);
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++) {
			put_bytes(&there, there_fd, word);
			word = get_bytes(&back, back_fd);
		}
	}
	row("ipc.pipe.library", each(ROUNDS), true);
	check(word == 2 * ROUNDS, "the count");
	end(pid);
}

static struct word *counter;

/* Counts it from odd to even. */
static void count_up(void)
{
	struct peer peer;

	check(!peer_find(&peer, getppid()), "peer_find");
	for (uint64_t seen = 0;; seen += 2) {
		check(!word_wait(counter, seen, &peer), "word_wait");
		word_set(counter, seen + 2);
	}
}

static void shared_word(void)
{
	struct peer peer;
	pid_t pid;

	counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(counter != MAP_FAILED, "mmap");
	pid = other_end(count_up);
	check(!peer_find(&peer, pid), "peer_find");
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++) {
			uint64_t mine = word_get(counter) + 1;

			word_set(counter, mine);
			check(!word_wait(counter, mine, &peer), "word_wait");
		}
	}
	row("ipc.shm", each(ROUNDS), true);
	check(word_get(counter) == 4 * ROUNDS, "the count");
	end(pid);
}

static uint64_t served;

static struct lrpc_words increment(uint64_t a, uint64_t b, uint64_t c, uint64_t d, env_id caller)
{
	(void)a, (void)b, (void)c, (void)d, (void)caller;
	return (struct lrpc_words){{++served}};
}

static void serve(void) { lrpc_serve(increment, false); }
static void serve_trusted(void) { lrpc_serve(increment, true); }

static void calls(bool trusted)
{
	struct lrpc_words reply = {{0}};
	struct peer server;
	pid_t pid = other_end(trusted ? serve_trusted : serve);

	check(!peer_find(&server, pid), "peer_find");
	for (int warm = 1; warm >= 0; warm--) {
		start();
		if (trusted)
			for (int i = 0; i < ROUNDS; i++)
				check(!tlrpc_call(&server, 0, 0, 0, 0, &reply), "tlrpc_call");
		else
			for (int i = 0; i < ROUNDS; i++)
				check(!lrpc_call(&server, 0, 0, 0, 0, &reply), "lrpc_call");
	}
	row(trusted ? "ipc.tlrpc" : "ipc.lrpc", each(ROUNDS), false);
	check(reply.word[0] == 2 * ROUNDS, "the count");
	end(pid);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	pipe_words();
	pipe_bytes();
	shared_word();
	if (exos_here()) {
		calls(false);
		calls(true);
	}
	return 0;
}
