/* See dsm.h. The protocol: a node asks for one page at a time, in its own letter, and answers the other's letter while it waits.
 *
 *   page here    the other asks to read    the other asks to write
 *   WRITABLE     its bytes; READABLE       its bytes; ABSENT
 *   READABLE     (has it)                  ABSENT
 *
 * Either one has a page WRITABLE and the other ABSENT, or both READABLE. If both have it READABLE and ask to write it, node 0's wish comes first: node 1 answers,
 * loses it, and is answered with the bytes when node 0 has written. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <exos/lib/dsm/pages.h>
#include <exos/lib/x86_64/calls.h>
#include <exos/lib/x86_64/give.h>

#define LOOKS 16 /* at the letter, before one looks whether the other still lives */

enum { EMPTY, ASKED, ANSWERED };
struct letter {
	uint32_t state; /* written last, and read first */
	bool write;
	bool bytes_in; /* the answer has them */
	uint64_t page;
	char bytes[FRAME_SIZE];
};
struct dsm_mailbox {
	struct {
		pid_t pid; /* 0: has not joined */
		env_id env;
		bool looks; /* it has given the CPU away, and looks at the letter before it goes on: no signal is needed */
	} nodes[2];
	struct letter letters[2]; /* each node's own */
};

static struct dsm *joined;

static bool alive(struct dsm *d)
{
	struct pollfd p = { .fd = d->watch[!d->node], .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* The other's letter is answered, if there is one and this is the time. */
static void serve(struct dsm *d)
{
	struct letter *l = &d->box->letters[!d->node], *own = &d->box->letters[d->node];
	uint64_t page;
	uint32_t asked;

	if (__atomic_load_n(&l->state, __ATOMIC_ACQUIRE) != ASKED)
		return;
	page = l->page;
	if (page >= d->pages) /* the other end scribbles: it waits for ever */
		return;
	if (d->fresh[page]) { /* once: whoever asks comes again */
		d->fresh[page] = 0;
		return;
	}
	asked = own->page == page ? __atomic_load_n(&own->state, __ATOMIC_ACQUIRE) : EMPTY;
	if (asked == ANSWERED || (asked == ASKED && d->node == 0)) /* it is on its way here, or comes here first */
		return;
	l->bytes_in = d->state[page] == DSM_WRITABLE && dsm_page_read(d, page, l->bytes);
	dsm_page_set(d, page, l->write ? DSM_ABSENT : DSM_READABLE, NULL);
	d->served++;
	__atomic_store_n(&l->state, ANSWERED, __ATOMIC_RELEASE);
}

static void on_signal(int number)
{
	int error = errno;

	(void)number;
	if (joined && !joined->busy && !space_busy())
		serve(joined);
	errno = error;
}

static void give(struct dsm *d)
{
	env_id other = d->box->nodes[!d->node].env;
	bool *looks = &d->box->nodes[d->node].looks;

	__atomic_store_n(looks, true, __ATOMIC_RELEASE);
	if (!other)
		sched_yield();
	else if (give_yield(other) < 0)
		give_yield(0);
	__atomic_store_n(looks, false, __ATOMIC_SEQ_CST);
	serve(d);
}

void dsm_yield(struct dsm *d)
{
	d->busy = true;
	give(d);
	d->busy = false;
}

static int wait_for(struct dsm *d, struct letter *l)
{
	for (unsigned looks = 1; __atomic_load_n(&l->state, __ATOMIC_ACQUIRE) != ANSWERED; looks++) {
		pid_t other = __atomic_load_n(&d->box->nodes[!d->node].pid, __ATOMIC_ACQUIRE);

		if (looks % LOOKS == 0 && !alive(d) && __atomic_load_n(&l->state, __ATOMIC_ACQUIRE) != ANSWERED)
			return -EPIPE;
		if (other && !__atomic_load_n(&d->box->nodes[!d->node].looks, __ATOMIC_SEQ_CST))
			kill(other, DSM_SIGNAL);
		give(d);
	}
	return 0;
}

static int ask(struct dsm *d, uint64_t page, bool write)
{
	struct letter *l = &d->box->letters[d->node];
	int error;

	l->page = page;
	l->write = write;
	__atomic_store_n(&l->state, ASKED, __ATOMIC_RELEASE);
	error = wait_for(d, l);
	__atomic_store_n(&l->state, EMPTY, __ATOMIC_RELEASE);
	if (error && write && d->state[page] == DSM_READABLE)
		error = 0; /* nobody else has a copy any more */
	if (error)
		return error;
	if (!dsm_page_set(d, page, write ? DSM_WRITABLE : DSM_READABLE, l->bytes_in ? l->bytes : NULL))
		return -ENOMEM;
	d->fresh[page] = 1;
	d->fetched++;
	return 0;
}

int dsm_have(struct dsm *d, uint64_t page, bool write)
{
	uint8_t wanted = write ? DSM_WRITABLE : DSM_READABLE;

	return d->state[page] >= wanted ? 0 : ask(d, page, write);
}

int dsm_fetch(struct dsm *d, uint64_t va, bool write)
{
	uint64_t page = (va - (uintptr_t)d->memory) / FRAME_SIZE;
	int error;

	if (va < (uintptr_t)d->memory || page >= d->pages)
		return -EINVAL;
	d->busy = true;
	error = dsm_have(d, page, write);
	d->busy = false;
	return error;
}

int dsm_create(struct dsm *d, uint64_t address, uint64_t pages)
{
	*d = (struct dsm){ .memory = (char *)address, .pages = pages, .hold = { -1, -1 }, .watch = { -1, -1 } };
	if (!address || address % (FRAME_SIZE << 9) || !pages || pages % 512)
		return -EINVAL;
	d->state = calloc(2, pages);
	d->box = mmap(NULL, sizeof(*d->box), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int node = 0; node < 2 && d->state && d->box != MAP_FAILED; node++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC))
			return -errno;
		d->watch[node] = ends[0];
		d->hold[node] = ends[1];
	}
	return d->hold[1] < 0 ? -ENOMEM : 0;
}

int dsm_join(struct dsm *d, int node)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	int64_t env = exos_environment(0);
	int error;

	d->node = node;
	d->fresh = d->state + d->pages;
	memset(d->state, node ? DSM_ABSENT : DSM_WRITABLE, d->pages);
	close(d->hold[!node]);
	close(d->watch[node]);
	d->hold[!node] = d->watch[node] = -1;
	error = dsm_pages_create(d);
	if (error)
		return error;
	joined = d;
	sigaction(DSM_SIGNAL, &action, NULL);
	d->box->nodes[node].env = env > 0 ? (env_id)env : 0;
	__atomic_store_n(&d->box->nodes[node].pid, getpid(), __ATOMIC_RELEASE);
	return 0;
}

void dsm_leave(struct dsm *d)
{
	joined = NULL;
	signal(DSM_SIGNAL, SIG_IGN);
	dsm_pages_destroy(d);
	for (int i = 0; i < 2; i++) {
		if (d->hold[i] >= 0)
			close(d->hold[i]);
		if (d->watch[i] >= 0)
			close(d->watch[i]);
	}
	munmap(d->box, sizeof(*d->box));
	free(d->state);
}
