/* Checkpoints (exos/lib/vm/checkpoint.h): the program is killed at any point, the file is cut anywhere, and what is restored is the memory as it was at one of its checkpoints, the last complete one. */
#include "lib.h"

#include <sched.h>

#include <exos/lib/vm/checkpoint.h>
#include <exos/lib/x86_64/calls.h>

#define PAGES 512ul
#define WORDS (PAGES * 512)
#define STEPS 60 /* between two checkpoints */
#define PATH "/tmp/checkpoint"

static struct written memory;
static struct checkpoint checkpoint;
static uint64_t model[WORDS];

/* What a program does: step n writes some words, always the same, mostly in a few pages. */
static void step(uint64_t n, uint64_t *words)
{
	uint64_t state = (n + 1) * 0x9e3779b97f4a7c15ul;

	for (int i = 0; i < 4; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		words[(state >> 11) % (i ? WORDS / 16 : WORDS)] += state;
	}
}

/* The model at checkpoint `number`; only ever forward. */
static void model_at(uint64_t number)
{
	static uint64_t n;

	while (n < number * STEPS)
		step(n++, model);
}

static bool begin(const struct written_ops *way)
{
	int error = written_create(&memory, way, PAGES);

	if (error == -ENOSYS)
		return false;
	IS(error, 0);
	IS(checkpoint_open(&checkpoint, &memory, PATH), 0);
	return true;
}

static void compare(void)
{
	model_at(checkpoint.number);
	CHECK(!memcmp(memory.memory, model, sizeof(model)));
}

static void end(void)
{
	checkpoint_close(&checkpoint);
	written_destroy(&memory);
}

/* From where the file has it, a checkpoint every so many steps, and steps between its pages. */
static void work(uint64_t checkpoints)
{
	for (uint64_t n = checkpoint.number * STEPS; checkpoints; n++) {
		if (n % STEPS == 0 && n / STEPS > checkpoint.number)
			IS(checkpoint_begin(&checkpoint), 0);
		step(n, (uint64_t *)memory.memory);
		if (n % STEPS == STEPS - 1)
			checkpoints -= checkpoint_some(&checkpoint, UINT64_MAX) == 0;
		else
			CHECK(checkpoint_some(&checkpoint, 1) >= 0);
	}
}

static void goes_on_where_it_was(const struct written_ops *way)
{
	unlink(PATH);
	for (uint64_t i = 0; i < 5; i++) {
		if (!begin(way))
			return;
		compare();
		CHECK(checkpoint.number >= i);
		work(4);
		end();
	}
}
static void goes_on_by_dirty_bits(void) { goes_on_where_it_was(&written_dirty); }
static void goes_on_by_protection(void) { goes_on_where_it_was(&written_protect); }
static void goes_on_by_signals(void) { goes_on_where_it_was(&written_signal); }
static void goes_on_by_soft_dirty_bits(void) { goes_on_where_it_was(&written_soft); }

/* Each child goes on from what the one before has left, and is killed after a random part of a slice or some. */
static void killed_at_any_point(const struct written_ops *way)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 11;
	uint64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), last = 0;

	printf("# SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed);
	unlink(PATH);
	for (int i = 0; i < 40; i++) {
		uint64_t wanted = shared[0] + (uint64_t)random() % 400;
		pid_t child = fork();

		if (!child) {
			if (!begin(way))
				_exit(0);
			compare();
			shared[1] = checkpoint.number;
			for (uint64_t n = checkpoint.number * STEPS;; n++) {
				if (n % STEPS == 0 && n / STEPS > checkpoint.number)
					IS(checkpoint_begin(&checkpoint), 0);
				step(n, (uint64_t *)memory.memory);
				CHECK(checkpoint_some(&checkpoint, n % STEPS == STEPS - 1 ? UINT64_MAX : 2) >= 0);
				__atomic_add_fetch(&shared[0], 1, __ATOMIC_RELAXED);
			}
		}
		while (__atomic_load_n(&shared[0], __ATOMIC_RELAXED) < wanted && waitpid(child, NULL, WNOHANG) == 0)
			sched_yield();
		for (volatile long spin = random() % 100000; spin; spin--)
			;
		kill(child, SIGKILL);
		if (waitpid(child, NULL, 0) != child && shared[0] < wanted)
			break; /* ended by itself: this way is not there, or a check failed */
		CHECK(shared[1] >= last);
		last = shared[1];
	}
	if (!begin(way))
		return;
	compare();
	CHECK(checkpoint.number > 20);
}
static void killed_by_dirty_bits(void) { killed_at_any_point(&written_dirty); }
static void killed_by_protection(void) { killed_at_any_point(&written_protect); }
static void killed_by_signals(void) { killed_at_any_point(&written_signal); }

static void copy_file(const char *from, const char *to, off_t n)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t got;

	for (; n && (got = read(in, bytes, (size_t)(n < (off_t)sizeof(bytes) ? n : (off_t)sizeof(bytes)))) > 0; n -= got)
		IS(write(out, bytes, (size_t)got), got);
	close(in);
	close(out);
}

/* Cut behind each byte of its ends, and at random: what is left is a checkpoint, never a later one than before. */
static void a_file_that_is_cut_has_a_checkpoint(void)
{
	struct stat before;
	uint64_t last = ~0ul;

	unlink(PATH);
	CHECK(begin(&written_signal));
	work(6);
	end();
	IS(stat(PATH, &before), 0);
	rename(PATH, PATH ".whole");
	for (off_t cut = before.st_size; cut >= 0; cut -= before.st_size - cut < 100 ? 1 : 1 + random() % 60000) {
		copy_file(PATH ".whole", PATH, cut);
		CHECK(begin(&written_signal));
		CHECK(checkpoint.number <= last);
		last = checkpoint.number;
		memset(model, 0, sizeof(model)); /* the model goes forward only */
		for (uint64_t n = 0; n < last * STEPS; n++)
			step(n, model);
		CHECK(!memcmp(memory.memory, model, sizeof(model)));
		end();
	}
	CHECK(last <= 1);
}

/* The log does not grow for ever, and nothing is lost as it begins anew. */
static void the_log_begins_anew(void)
{
	struct stat file;

	unlink(PATH);
	CHECK(begin(&written_signal));
	for (uint64_t i = 1; i <= 14; i++) {
		memset(memory.memory, (int)i, PAGES * 4096);
		IS(checkpoint_take(&checkpoint), 0);
		IS(checkpoint.number, i);
		IS(stat(PATH, &file), 0);
		CHECK((uint64_t)file.st_size < (CHECKPOINT_FACTOR + 2) * PAGES * 4200);
	}
	end();
	CHECK(access(PATH ".new", F_OK));
	CHECK(begin(&written_signal));
	IS(checkpoint.number, 14);
	for (uint64_t i = 0; i < PAGES * 4096; i++)
		if (memory.memory[i] != 14)
			IS(memory.memory[i], 14);
}

static void refuses(void)
{
	int file;

	unlink(PATH);
	CHECK(begin(&written_signal));
	memory.memory[0] = 1;
	IS(checkpoint_begin(&checkpoint), 0);
	IS(checkpoint_begin(&checkpoint), -EBUSY);
	IS(checkpoint_some(&checkpoint, UINT64_MAX), 0);
	IS(checkpoint_some(&checkpoint, 1), 0); /* none is under way */
	IS(checkpoint_take(&checkpoint), 0); /* of nothing */
	IS(checkpoint.number, 2);
	/* A file that cannot be written: the checkpoint fails, the next one has everything. */
	memory.memory[4096] = 2;
	file = checkpoint.file;
	checkpoint.file = open(PATH, O_RDONLY);
	CHECK(checkpoint_take(&checkpoint) < 0);
	IS(checkpoint.number, 2);
	close(checkpoint.file);
	checkpoint.file = file;
	IS(checkpoint_take(&checkpoint), 0);
	end();
	CHECK(begin(&written_signal));
	IS(checkpoint.number, 3);
	IS(memory.memory[0], 1);
	IS(memory.memory[4096], 2);
	end();
	/* Another's file. */
	file = open(PATH, O_WRONLY | O_TRUNC);
	IS(write(file, "something else altogether", 25), 25);
	close(file);
	IS(written_create(&memory, &written_signal, PAGES), 0);
	IS(checkpoint_open(&checkpoint, &memory, PATH), -EINVAL);
	IS(checkpoint_open(&checkpoint, &memory, "/nowhere/at/all"), -ENOENT);
}

TESTS(T(goes_on_by_dirty_bits), T(goes_on_by_protection), T(goes_on_by_signals), T(goes_on_by_soft_dirty_bits), T(killed_by_dirty_bits), T(killed_by_protection),
      T(killed_by_signals), T(a_file_that_is_cut_has_a_checkpoint), T(the_log_begins_anew), T(refuses))
