/* Words, rings and pipes of exos/lib/ipc between two processes: any sizes, ends that close, die, sleep or lie. */
#include <sched.h>
#include <sys/time.h>

#include <exos/lib/ipc/ring.h>
#include "lib.h"
#include "random.h"

#define BYTES (1 << 18)

/* What was forked runs `run` as the other end of the rings, and ends with 0. */
static pid_t other_end(void (*run)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		run();
		_exit(0);
	}
	return pid;
}

static struct ring ring, back; /* from the child, to the child, where there are two */

static void make(struct ring *r, uint64_t size) { IS(ring_make(r, size), 0); }
static void to_parent(struct ring *r) { IS(ring_peer(r, getppid()), 0); }

static uint64_t stream_seed;

static void write_stream(void)
{
	struct random sizes = {stream_seed ^ 1}, contents = {stream_seed};
	static unsigned char bytes[9000];
	uint64_t left = BYTES;

	to_parent(&ring);
	while (left) {
		uint64_t n = random_below(&sizes, sizeof(bytes)) % left + 1;

		for (uint64_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)random_next(&contents);
		IS(ring_write(&ring, bytes, n), n);
		left -= n;
	}
	ring_close_writer(&ring);
}

static void stream_through(uint64_t size)
{
	struct random sizes = {stream_seed ^ 2}, contents = {stream_seed};
	static unsigned char bytes[7000];
	uint64_t left = BYTES;
	pid_t pid;

	make(&ring, size);
	pid = other_end(write_stream);
	IS(ring_peer(&ring, pid), 0);
	for (;;) {
		int64_t n = ring_read(&ring, bytes, random_below(&sizes, sizeof(bytes)) + 1);

		CHECK(n >= 0);
		if (!n)
			break;
		for (int64_t i = 0; i < n; i++)
			IS(bytes[i], (unsigned char)random_next(&contents));
		left -= (uint64_t)n;
	}
	IS(left, 0);
	ENDS(pid, EXITED(0));
	ring_free(&ring);
}

static void writes_of_any_size_are_read_in_any_size(void)
{
	stream_seed = random_seed();
	for (uint64_t size = 64; size <= 65536; size *= 4)
		stream_through(size);
}

static void sizes_that_are_no_power_of_two_are_refused(void)
{
	IS(ring_make(&ring, 0), -EINVAL);
	IS(ring_make(&ring, 32), -EINVAL);
	IS(ring_make(&ring, 100), -EINVAL);
	IS(ring_make(&ring, 1ul << 63), -EINVAL);
}

static void echo_words(void)
{
	uint64_t word;
	int error;

	to_parent(&ring);
	to_parent(&back);
	while (!(error = ring_get(&back, &word)))
		IS(ring_put(&ring, word * 3), 0);
	IS(error, -EPIPE);
	ring_close_writer(&ring);
}

static void words_come_back(uint64_t n)
{
	uint64_t word;
	pid_t pid = other_end(echo_words);

	IS(ring_peer(&ring, pid), 0);
	IS(ring_peer(&back, pid), 0);
	for (uint64_t i = 0; i < n; i++) {
		IS(ring_put(&back, i), 0);
		IS(ring_get(&ring, &word), 0);
		IS(word, i * 3);
	}
	ring_close_writer(&back);
	IS(ring_get(&ring, &word), -EPIPE);
	ENDS(pid, EXITED(0));
}

static void words_go_there_and_back(void)
{
	make(&ring, 64);
	make(&back, 64);
	words_come_back(10000);
}

/* After three bytes each word lies across two others, and some across the end of the ring. */
static void words_that_the_end_splits_come_back(void)
{
	make(&ring, 64);
	make(&back, 64);
	ring.at = ring.other = back.at = back.other = 3; /* as if that many had gone through */
	ring.memory->written.value = ring.memory->taken.value = back.memory->written.value = back.memory->taken.value = 3;
	words_come_back(200);
}

static void write_two_rings_full(void)
{
	static unsigned char bytes[256];

	to_parent(&ring);
	IS(ring_write(&ring, bytes, sizeof(bytes)), sizeof(bytes));
}

/* The writer can put in what fits and not a byte more until some are taken out. */
static void a_full_ring_holds_its_writer(void)
{
	unsigned char bytes[256];
	uint64_t got = 0;
	pid_t pid;

	make(&ring, 128);
	pid = other_end(write_two_rings_full);
	IS(ring_peer(&ring, pid), 0);
	while (word_get(&ring.memory->written) != 128)
		sched_yield();
	for (int i = 0; i < 100; i++)
		sched_yield();
	IS(word_get(&ring.memory->written), 128);
	while (got < sizeof(bytes)) {
		int64_t n = ring_read(&ring, bytes + got, 100);

		CHECK(n > 0);
		got += (uint64_t)n;
		CHECK(word_get(&ring.memory->written) <= got + 128);
	}
	ENDS(pid, EXITED(0));
}

static void read_a_little(void)
{
	unsigned char byte;

	to_parent(&ring);
	IS(ring_read(&ring, &byte, 1), 1);
	ring_close_reader(&ring);
}

static void a_closed_reader_refuses_its_writer(void)
{
	static unsigned char bytes[1000];
	int64_t n;
	pid_t pid;

	make(&ring, 64);
	pid = other_end(read_a_little);
	IS(ring_peer(&ring, pid), 0);
	n = ring_write(&ring, bytes, sizeof(bytes));
	CHECK(n >= 64 && n <= 65); /* those that fitted in before it was seen */
	IS(ring_write(&ring, bytes, 1), -EPIPE);
	ENDS(pid, EXITED(0));
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void write_and_wait(void)
{
	to_parent(&ring);
	IS(ring_write(&ring, "last", 4), 4);
	wait_for_ever();
}

/* A zombie is as dead as one that was waited for. */
static void a_dead_writer_ends_a_read_after_its_last_bytes(void)
{
	char bytes[8];
	pid_t pid;

	for (int reaped = 0; reaped < 2; reaped++) {
		make(&ring, 64);
		pid = other_end(write_and_wait);
		IS(ring_peer(&ring, pid), 0);
		while (word_get(&ring.memory->written) != 4)
			sched_yield();
		kill(pid, SIGKILL);
		if (reaped)
			ENDS(pid, SIGKILL);
		IS(ring_read(&ring, bytes, 8), 4);
		IS(ring_read(&ring, bytes, 8), -ESRCH);
		if (!reaped)
			ENDS(pid, SIGKILL);
		IS(ring_peer(&ring, pid), -ESRCH);
	}
}

static void kill_the_reader(void)
{
	pid_t pid = (pid_t)word_get(&back.memory->written);

	while (word_get(&ring.memory->written) != 64)
		sched_yield();
	kill(pid, SIGKILL);
}

static void a_reader_that_is_killed_ends_a_write(void)
{
	static unsigned char bytes[100];
	pid_t reader, killer;

	make(&ring, 64);
	make(&back, 64);
	reader = other_end(wait_for_ever);
	word_set(&back.memory->written, (uint64_t)reader);
	killer = other_end(kill_the_reader);
	IS(ring_peer(&ring, reader), 0);
	IS(ring_write(&ring, bytes, sizeof(bytes)), 64);
	IS(ring_write(&ring, bytes, 1), -ESRCH);
	ENDS(killer, EXITED(0));
	ENDS(reader, SIGKILL);
}

static void sleep_between_words(void)
{
	to_parent(&ring);
	for (uint64_t i = 0; i < 5; i++) {
		sleep_ms(20); /* long enough for the reader to have gone to sleep itself */
		IS(ring_put(&ring, i), 0);
	}
}

static void a_writer_that_sleeps_is_waited_for(void)
{
	uint64_t word;
	pid_t pid;

	make(&ring, 64);
	pid = other_end(sleep_between_words);
	IS(ring_peer(&ring, pid), 0);
	for (uint64_t i = 0; i < 5; i++) {
		IS(ring_get(&ring, &word), 0);
		IS(word, i);
	}
	ENDS(pid, EXITED(0));
}

static volatile sig_atomic_t alarms;
static void count_alarm(int number)
{
	(void)number;
	alarms++;
	kill((pid_t)word_get(&back.memory->written), SIGKILL);
}

/* Signals come to somebody who waits; here the handler ends the wait. */
static void who_waits_takes_signals(void)
{
	struct itimerval soon = {.it_value = {0, 30000}};
	uint64_t word;
	pid_t pid;

	make(&ring, 64);
	make(&back, 64);
	pid = other_end(wait_for_ever);
	word_set(&back.memory->written, (uint64_t)pid);
	IS(ring_peer(&ring, pid), 0);
	signal(SIGALRM, count_alarm);
	IS(setitimer(ITIMER_REAL, &soon, NULL), 0);
	IS(ring_get(&ring, &word), -ESRCH);
	IS(alarms, 1);
	ENDS(pid, SIGKILL);
}

/* A ring between canaries and pages that nobody may touch, whose other end writes what it likes into it. */
#define FENCE 4096
static unsigned char *fenced(struct ring *r, uint64_t size)
{
	unsigned char *whole = mmap(NULL, 4 * FENCE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(whole != MAP_FAILED);
	memset(whole + FENCE, 0x5a, 2 * FENCE);
	IS(mprotect(whole, FENCE, PROT_NONE), 0);
	IS(mprotect(whole + 3 * FENCE, FENCE, PROT_NONE), 0);
	r->size = size;
	r->memory = (void *)(whole + 3 * FENCE - sizeof(struct ring_memory) - size);
	memset(r->memory, 0, sizeof(struct ring_memory));
	r->at = r->other = 0;
	return whole + FENCE;
}

static void canaries_live(const struct ring *r, const unsigned char *from)
{
	while (from < (const unsigned char *)r->memory)
		IS(*from++, 0x5a);
}

/* Positions near the truth, near the limits, and anywhere. */
static uint64_t lie(struct random *x, uint64_t truth, uint64_t size)
{
	switch (random_below(x, 4)) {
	case 0:
		return truth + random_below(x, 3 * size) - size;
	case 1:
		return truth + size + random_below(x, 3) - 1;
	case 2:
		return random_below(x, 2) ? 0 : ~0ul - random_below(x, size);
	default:
		return random_next(x);
	}
}

static void forged_positions_lead_nowhere(void)
{
	struct random x = {random_seed()};
	struct ring r = {.peer = {getppid(), 0}};
	const uint64_t size = 256;
	unsigned char *canaries = fenced(&r, size), bytes[3 * 64], fill[sizeof(bytes)];
	int refused = 0, passed = 0;

	memset(fill, 0x33, sizeof(fill));
	for (int i = 0; i < 5000; i++) {
		uint64_t n = random_below(&x, sizeof(bytes) / 3) + 1, before = r.at;
		bool reads = random_below(&x, 2);
		int64_t result;

		memset(bytes, 0x77, sizeof(bytes));
		do
			r.memory->written.value = lie(&x, r.at, size);
		while (reads && r.memory->written.value == r.at); /* which would be true: nothing there */
		do /* enough room, or none that can be true: else the rest would be waited for */
			r.memory->taken.value = lie(&x, r.at, size);
		while (r.memory->taken.value == r.other || (r.at - r.memory->taken.value <= size && size - (r.at - r.memory->taken.value) < n));
		result = reads ? ring_read(&r, bytes + 64, n) : ring_write(&r, fill, n);
		CHECK(result == -EPROTO || (result > 0 && (uint64_t)result <= n));
		CHECK(r.at - before == (result > 0 ? (uint64_t)result : 0) && r.at - r.other <= size + n);
		if (reads) {
			r.other = r.at; /* one end is one thing or the other: this one is both in turns */
			for (uint64_t k = 0; k < 64; k++)
				CHECK(bytes[k] == 0x77 && bytes[64 + (result > 0 ? (uint64_t)result : 0) + k] == 0x77);
		}
		passed += result > 0;
		refused += result < 0;
		canaries_live(&r, canaries);
	}
	CHECK(passed > 250 && refused > 250);
}

static void forged_positions_do_not_mislead_words(void)
{
	struct random x = {random_seed()};
	struct ring r = {.peer = {getppid(), 0}};
	unsigned char *canaries = fenced(&r, 64);
	uint64_t word;

	for (int i = 0; i < 5000; i++) {
		int error;

		do
			r.memory->written.value = lie(&x, r.at, 64);
		while (r.memory->written.value - r.at < 8); /* it would be waited for the rest */
		error = ring_get(&r, &word);
		CHECK(error == 0 || error == -EPROTO);
		r.other = r.at;
		do
			r.memory->taken.value = lie(&x, r.at, 64);
		while (r.memory->taken.value == r.other);
		error = ring_put(&r, i);
		CHECK(error == 0 || error == -EPROTO);
		canaries_live(&r, canaries);
	}
}

static void play_ping_pong(void)
{
	words_go_there_and_back();
	exit(0);
}

static void two_pairs_do_not_disturb_each_other(void)
{
	pid_t one = other_end(play_ping_pong), two = other_end(play_ping_pong);

	ENDS(one, EXITED(0));
	ENDS(two, EXITED(0));
}

TESTS(T(writes_of_any_size_are_read_in_any_size), T(sizes_that_are_no_power_of_two_are_refused), T(words_go_there_and_back), T(words_that_the_end_splits_come_back),
	T(a_full_ring_holds_its_writer), T(a_closed_reader_refuses_its_writer), T(a_dead_writer_ends_a_read_after_its_last_bytes), T(a_reader_that_is_killed_ends_a_write),
	T(a_writer_that_sleeps_is_waited_for), T(who_waits_takes_signals), T(forged_positions_lead_nowhere), T(forged_positions_do_not_mislead_words),
	T(two_pairs_do_not_disturb_each_other))
