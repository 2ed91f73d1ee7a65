/* Bulk moves of memory in vector registers, each of which is put back as it was: library code is compiled without them,
 * since they are the program's. frame_zero and frame_copy (frames.h) are in page.S as well. Needs no lock. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Copy or fill memory that may fault. *resume holds, until they return, the address at which the fault handler makes an
 * access that cannot be mended go on (registers as they were): the call then returns -EFAULT, else 0. What was moved
 * until then stays moved. With a `resume` that no handler looks at, a fault is a fault. */
int exos_copy_guarded_call(void *to, const void *from, size_t n, uint64_t *resume);
/* The same. It keeps two registers more than C does, for those who copy a few bytes and return. Compiled without a red zone. */
static inline int exos_copy_guarded(void *to, const void *from, size_t n, uint64_t *resume)
{
	int result;

	__asm__ volatile("call exos_copy_guarded_call"
			 : "=a"(result), "+D"(to), "+S"(from), "+d"(n)
			 : "c"(resume)
			 : "r8", "r9", "cc", "memory");
	return result;
}
int exos_fill_guarded(void *to, uint64_t pattern, size_t n, uint64_t *resume);

/* Looks at the CPU once, before the first of the calls above profits from wide registers; without it they use those
 * that every CPU has. */
void exos_page_start(void);
