/* Copies to and from a program that gives any address: what is mapped is copied, what is not ends the copy with -EFAULT
 * wherever in it the hole is, with nothing touched beyond and the vector registers as they were. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/vm/x86_64/page.h>

#include "model.h"

#define PROGRAM ((uint8_t *)0x20000000ul) /* two pages, then nothing */
#define RIP	16			  /* REG_RIP, which sys/ucontext.h has for _GNU_SOURCE only */
#define END	(PROGRAM + 2 * FRAME_SIZE)

/* As ExOS's fault handler does it. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)number, (void)info;
	if (!self->fault_resume)
		panic("a fault outside of a guarded copy");
	c->uc_mcontext.gregs[RIP] = (greg_t)self->fault_resume;
}

static uint8_t library[2 * FRAME_SIZE];

/* n bytes of which `there` are before the end of what is mapped. */
static bool copies_at(size_t n, size_t there)
{
	uint8_t *at = END - there;
	int expected = there < n ? -EFAULT : 0;
	uint8_t before = at[-1];
	bool good;

	memset(library, (int)n | 1, n);
	good = copy_out(at, library, n) == expected && self->fault_resume == 0 && at[-1] == before;
	good = good && (expected || !memcmp(at, library, n));
	memset(library, 0xee, sizeof(library));
	good = good && copy_in(library, at, n) == expected && self->fault_resume == 0 && library[n] == 0xee;
	good = good && (expected || !memcmp(at, library, n));
	return good && clear_out(at, n) == expected && self->fault_resume == 0 && at[-1] == before &&
	       (expected || !n || (!at[0] && !at[n - 1]));
}

static bool all_copies(void)
{
	for (size_t n = 0; n < 400; n++)
		for (size_t there = 0; there <= n + 9; there++)
			if (!copies_at(n, there)) {
				printf("# %zu bytes, %zu there\n", n, there);
				return false;
			}
	return copies_at(6000, 6000) && copies_at(6000, 5999) && copies_at(6000, 4000) && copies_at(6000, 17);
}

static bool strings(void)
{
	char have[300];
	bool good = true;

	for (size_t n = 0; n < 280 && good; n++) {
		char *at = (char *)END - n - 1;

		memset(at, 'x', n);
		at[n] = 0;
		good = copy_in_string(have, at, sizeof(have)) == (ssize)n && !memcmp(have, at, n + 1);
		good = good && copy_in_string(have, at, n + 1) == (ssize)n &&
		       copy_in_string(have, at, n) == -ENAMETOOLONG;
		at[n] = 'x';
		good = good && copy_in_string(have, at, sizeof(have)) == -EFAULT;
	}
	return good;
}

/* Addresses that are not the program's are refused before they are touched. */
static bool foreign(void)
{
	char have[16];

	return copy_in(have, (void *)PROGRAM_TOP, 1) == -EFAULT &&
	       copy_in(have, (void *)(PROGRAM_TOP - 8), 9) == -EFAULT &&
	       copy_out((void *)EXOS_WINDOW_VA, have, 8) == -EFAULT && copy_out((void *)SELF_VA, have, 8) == -EFAULT &&
	       copy_in(have, (void *)~0ul, 8) == -EFAULT && copy_in(have, PROGRAM, ~0ul) == -EFAULT &&
	       copy_in(have, (void *)8, ~0ul - 4) == -EFAULT && clear_out((void *)0xffff800000000000ul, 8) == -EFAULT &&
	       copy_in_string(have, (void *)0xffff800000000000ul, 8) == -EFAULT && copy_in(have, NULL, 1) == -EFAULT;
}

typedef uint8_t vector_state[16][32] __attribute__((aligned(32)));
void vectors_call(const vector_state before, vector_state after, void (*call)(void)); /* vectors.S */
static void failing_copy(void) { exos_copy_guarded(END - 1000, library, 2000, &self->fault_resume); }
static void failing_fill(void) { exos_fill_guarded(END - 1000, 0, 2000, &self->fault_resume); }

static bool registers_survive(void (*call)(void))
{
	static vector_state before, after;

	for (size_t i = 0; i < sizeof(before); i++)
		((uint8_t *)before)[i] = (uint8_t)random_below(256);
	vectors_call(before, after, call);
	return !memcmp(before, after, sizeof(before));
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	if (mmap(PROGRAM, 2 * FRAME_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ||
		mmap(self, FRAME_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		panic("no memory where the test wants it");
	sigaction(SIGSEGV, &action, NULL);
	ok(all_copies(), "copies with the end of memory at every place");
	exos_page_start();
	ok(all_copies(), "the same in the widest registers");
	ok(strings(), "strings up to the end of memory");
	ok(foreign(), "addresses that are not the program's");
	if (__builtin_cpu_supports("avx"))
		ok(registers_survive(failing_copy) && registers_survive(failing_fill),
			"vector registers come through a copy that fails");
	else
		ok(true, "vector registers come through a copy that fails # SKIP no AVX here");
	return done_testing();
}
