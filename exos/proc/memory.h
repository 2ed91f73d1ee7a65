/* Writing the memory of a process other than the running one, through the window. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/vm/vm.h>

/* A place in an address space that advances as it is written; pages are brought in as it comes to them. */
struct memory_writer {
	struct vm *vm;
	uint64_t address;
	uint8_t *at; /* where that is in the window; null: to be found out */
};
int memory_put(struct memory_writer *w, const void *from, size_t n); /* 0 or -ENOMEM */
/* What the program asked to be written: -EFAULT if it could not write there itself. */
int memory_write(struct vm *vm, uint64_t address, const void *from, size_t n);
