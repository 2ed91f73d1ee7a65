/* Writing another address space: the stack of a program that does not run yet, a child's copy of its pid. */
#include <exos/frames.h>
#include <exos/proc/memory.h>

int memory_put(struct memory_writer *w, const void *from, size_t n)
{
	while (n) {
		size_t offset = w->address % FRAME_SIZE, part = MIN(n, FRAME_SIZE - offset);

		if (!w->at) {
			frame_t f = vm_page(w->vm, w->address, true);

			if (f == NO_FRAME)
				return -ENOMEM;
			w->at = (uint8_t *)frame_address(f) + offset;
		}
		memcpy(w->at, from, part);
		from = (const uint8_t *)from + part;
		n -= part;
		w->address += part;
		w->at = w->address % FRAME_SIZE ? w->at + part : NULL;
	}
	return 0;
}

int memory_write(struct vm *vm, uint64_t address, const void *from, size_t n)
{
	struct memory_writer w = {.vm = vm, .address = address};

	for (uint64_t end = address + n, at = address; at < end; at = ROUND_DOWN(at, FRAME_SIZE) + FRAME_SIZE) {
		const struct vm_area *area = vm_area_at(vm, at);

		if (!area || !(area->flags & VM_WRITE))
			return -EFAULT;
	}
	return memory_put(&w, from, n);
}
