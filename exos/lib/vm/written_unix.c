/* See written.h: the ways that Unix has, and Linux. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <exos/lib/vm/tracking.h>
#include <exos/lib/x86_64/calls.h>

#define SOFT_DIRTY (1ul << 55) /* in an entry of pagemap */

static struct written *watched; /* those that wait for signals */
static struct sigaction before_us;

static int map_memory(struct written *w)
{
	void *p = mmap(NULL, w->pages * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	w->memory = p;
	madvise(p, w->pages * FRAME_SIZE, MADV_NOHUGEPAGE); /* or a fault would be of 2 MiB */
	return 0;
}

/* A fault that is nobody's is tried again with the handler that was there before. */
static void segv(int number, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	for (struct written *w = watched; w; w = w->next) {
		uint64_t page = ((uintptr_t)info->si_addr - (uintptr_t)w->memory) / FRAME_SIZE;

		if ((uintptr_t)info->si_addr < (uintptr_t)w->memory || page >= w->pages || w->now[page])
			continue;
		w->faults++;
		if (w->before)
			w->before(w, page);
		w->now[page] = 1;
		if (!mprotect(w->memory + page * FRAME_SIZE, FRAME_SIZE, PROT_READ | PROT_WRITE)) {
			errno = error;
			return;
		}
	}
	sigaction(number, &before_us, NULL);
}

static int signal_create(struct written *w)
{
	struct sigaction action = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO };

	if (map_memory(w))
		return -ENOMEM;
	memset(w->now, 1, w->pages);
	w->next = watched;
	if (!watched)
		sigaction(SIGSEGV, &action, &before_us);
	watched = w;
	return 0;
}

static void signal_protect(struct written *w, uint64_t page, uint64_t n) { mprotect(w->memory + page * FRAME_SIZE, n * FRAME_SIZE, PROT_READ); }
static void signal_take(struct written *w) { tracking_take(w, signal_protect); }

static void signal_destroy(struct written *w)
{
	struct written **link = &watched;

	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
	munmap(w->memory, w->pages * FRAME_SIZE);
	if (!watched)
		sigaction(SIGSEGV, &before_us, NULL);
}

static uint64_t faults_of_process(void)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
}

static void soft_destroy(struct written *w)
{
	if (w->memory)
		munmap(w->memory, w->pages * FRAME_SIZE);
	if (w->clear >= 0)
		close(w->clear);
	if (w->pagemap >= 0)
		close(w->pagemap);
	free(w->map);
}

static bool soft_read(struct written *w)
{
	size_t bytes = w->pages * sizeof(uint64_t);

	return pread(w->pagemap, w->map, bytes, (off_t)((uintptr_t)w->memory / FRAME_SIZE * sizeof(uint64_t))) == (ssize_t)bytes;
}

/* Tried before it is relied upon: a kernel may be built without, and then answers 0. */
static int soft_create(struct written *w)
{
	w->clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	w->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	w->map = malloc(w->pages * sizeof(uint64_t));
	if (!exos_here() && w->clear >= 0 && w->pagemap >= 0 && w->map && !map_memory(w)) {
		w->memory[0] = 0;
		if (write(w->clear, "4", 1) == 1 && soft_read(w) && !(w->map[0] & SOFT_DIRTY)) {
			w->memory[0] = 0;
			if (soft_read(w) && w->map[0] & SOFT_DIRTY)
				return 0;
		}
	}
	soft_destroy(w);
	return -ENOSYS;
}

static void soft_take(struct written *w)
{
	bool known = soft_read(w);

	for (uint64_t i = 0; i < w->pages; i++)
		w->page[i] = !known || w->map[i] & SOFT_DIRTY;
	if (write(w->clear, "4", 1) != 1)
		abort(); /* it could be written when this began; to go on would lose writes */
	w->faults = faults_of_process();
}

const struct written_ops written_signal = { "signal", signal_create, signal_take, signal_destroy, true };
const struct written_ops written_soft = { "soft", soft_create, soft_take, soft_destroy, false };
