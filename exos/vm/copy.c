/* Reaching the program's memory: the check that an address is the program's, and then a copy that survives a fault
 * (x86_64/page.S).
 *
 * The check alone keeps a program from having the library read or write its own data; the guard alone keeps a hole in
 * the program's memory from being taken for a bug in the library. */
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/vm/copy.h>
#include <exos/vm/vm.h>
#include <exos/vm/x86_64/page.h>

/* How much of a string is copied at a time: most names are shorter. */
#define STRING_STEP 64

static bool is_program(const void *address, size_t n)
{
	return n <= PROGRAM_TOP && (uintptr_t)address <= PROGRAM_TOP - n;
}

int copy_in(void *to, const void *program, size_t n)
{
	return is_program(program, n) ? exos_copy_guarded(to, program, n, &self->fault_resume) : -EFAULT;
}

int copy_out(void *program, const void *from, size_t n)
{
	return is_program(program, n) ? exos_copy_guarded(program, from, n, &self->fault_resume) : -EFAULT;
}

int clear_out(void *program, size_t n)
{
	return is_program(program, n) ? exos_fill_guarded(program, 0, n, &self->fault_resume) : -EFAULT;
}

#define FAULT_WRITE 2

bool copy_wait(void)
{
	uint64_t address = self->handlers.missed;

	if (!address || vm_region_at(self->proc->vm, address))
		return false;
	self->handlers.missed = 0;
	return vm_fault(self->proc->vm, address, self->handlers.missed_error & FAULT_WRITE, false) == 0;
}

/* In steps that do not cross a page: what follows the string need not be there. */
ssize copy_in_string(char *to, const char *program, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t in_page = FRAME_SIZE - ((uintptr_t)program + at) % FRAME_SIZE;
		size_t step = MIN(MIN(size - at, STRING_STEP), in_page);
		size_t n;

		if (copy_in(to + at, program + at, step))
			return -EFAULT;
		n = strnlen(to + at, step);
		if (n < step)
			return (ssize)(at + n);
		at += step;
	}
	return -ENAMETOOLONG;
}
