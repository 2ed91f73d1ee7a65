/* See pages.h. */
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <exos/lib/dsm/pages.h>
#include <exos/lib/x86_64/calls.h>

static struct dsm *on_linux; /* whose faults are signals */
static struct sigaction before_us;

static uint64_t address_of(const struct dsm *d, uint64_t page) { return (uintptr_t)d->memory + page * FRAME_SIZE; }

/* First touch of what is this node's own and has not been anywhere: nothing to ask. */
static bool fault(struct space *s, uint64_t address, uint64_t error)
{
	struct dsm *d = s->context;
	uint64_t page = space_page(s, address);

	if (d->state[page] == DSM_WRITABLE && !space_entry(s, address))
		return space_touch(s, address, error);
	return !(error & FAULT_FETCH) && !dsm_have(d, page, error & FAULT_WRITE);
}

static void segv(int number, siginfo_t *info, void *context)
{
	struct dsm *d = on_linux;
	uint64_t page = ((uintptr_t)info->si_addr - (uintptr_t)d->memory) / FRAME_SIZE;
	uint64_t cause = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR];
	int error = errno;

	if (page >= d->pages || cause & FAULT_FETCH || dsm_have(d, page, cause & FAULT_WRITE))
		sigaction(number, &before_us, NULL); /* tried again, it ends the program */
	errno = error;
}

int dsm_pages_create(struct dsm *d)
{
	struct sigaction action = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO };
	void *p;
	int error;

	if (exos_here()) {
		error = space_create(&d->space, &page_table_radix2, (uintptr_t)d->memory, d->pages * FRAME_SIZE, fault);
		d->space.context = d;
		return error;
	}
	p = mmap(d->memory, d->pages * FRAME_SIZE, d->node ? PROT_NONE : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	on_linux = d;
	sigaddset(&action.sa_mask, DSM_SIGNAL);
	sigaction(SIGSEGV, &action, &before_us);
	return 0;
}

void dsm_pages_destroy(struct dsm *d)
{
	if (!on_linux) {
		space_destroy(&d->space);
		return;
	}
	sigaction(SIGSEGV, &before_us, NULL);
	munmap(d->memory, d->pages * FRAME_SIZE);
	on_linux = NULL;
}

static bool map_page(struct dsm *d, uint64_t va, uint64_t rights, const void *bytes)
{
	frame_t frame = bytes ? pool_get() : pool_get_zeroed();

	if (frame == NO_FRAME)
		return false;
	if (bytes)
		memcpy(exos_frame_bytes(frame), bytes, FRAME_SIZE);
	if (!space_map(&d->space, va, frame, rights))
		return true;
	pool_put(frame);
	return false;
}

static bool set_in_space(struct dsm *d, uint64_t va, uint8_t state, const void *bytes)
{
	uint64_t rights = state == DSM_WRITABLE ? BIND_READ | BIND_WRITE : BIND_READ;

	if (state == DSM_ABSENT)
		return space_unmap(&d->space, va, 1, NULL) >= 0;
	if (!space_entry(&d->space, va))
		return map_page(d, va, rights, bytes);
	return !space_protect(&d->space, va, 1, rights);
}

static bool set_on_linux(void *p, uint8_t state, const void *bytes)
{
	if (bytes) {
		if (mprotect(p, FRAME_SIZE, PROT_READ | PROT_WRITE))
			return false;
		memcpy(p, bytes, FRAME_SIZE);
	}
	return !mprotect(p, FRAME_SIZE, state == DSM_ABSENT ? PROT_NONE : state == DSM_READABLE ? PROT_READ : PROT_READ | PROT_WRITE);
}

bool dsm_page_set(struct dsm *d, uint64_t page, uint8_t state, const void *bytes)
{
	uint64_t va = address_of(d, page);
	bool set = on_linux ? set_on_linux((void *)va, state, bytes) : set_in_space(d, va, state, bytes);

	if (set)
		d->state[page] = state;
	return set;
}

bool dsm_page_read(struct dsm *d, uint64_t page, void *bytes)
{
	uint64_t va = address_of(d, page), entry;

	if (on_linux) {
		memcpy(bytes, (void *)va, FRAME_SIZE);
		return true;
	}
	entry = space_entry(&d->space, va);
	if (entry)
		memcpy(bytes, exos_frame_bytes((frame_t)(entry >> FRAME_SHIFT)), FRAME_SIZE);
	return entry;
}
