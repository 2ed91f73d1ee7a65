/* Address spaces, case by case: what the random test does not reach because its model is simple. */
#include <stdio.h>

#include <exos/heap.h>
#include <exos/start.h>
#include <exos/vm/table.h>

#include "files.h"
#include "model.h"

#define RW	(VM_READ | VM_WRITE)
#define BASE	0x400000ul
#define PAGE(n) (BASE + (n)*FRAME_SIZE)

static struct vm *vm;

static uint8_t *bytes(uint64_t va)
{
	return (uint8_t *)frame_address(entry_frame(model_entry(vm->env, va))) + va % FRAME_SIZE;
}
static bool bound(uint64_t va) { return model_entry(vm->env, va) != 0; }
static bool writable(uint64_t va) { return model_entry(vm->env, va) & BIND_WRITE; }

static void fresh(void)
{
	if (vm) {
		env_id env = vm->env;

		vm_clear(vm);
		vm_destroy(vm);
		model_env_destroy(env);
	}
	vm = vm_create(model_env_new());
}

/* A file of n pages, each filled with its number + 1. */
static struct inode *numbered_file(uint32_t n)
{
	struct inode *file = files_new(n * FRAME_SIZE);

	for (uint32_t i = 0; i < n; i++)
		memset(frame_address(file->ops->page(file, i, true)), (int)i + 1, FRAME_SIZE);
	return file;
}

static void first_touch(void)
{
	uint64_t binds;

	fresh();
	vm_map(vm, PAGE(0), 8 * FRAME_SIZE, RW, NULL, 0, 0);
	binds = model_binds;
	ok(vm_fault(vm, PAGE(0) + 5, true, false) == 0 && model_binds == binds + 1,
		"first touch: one kernel call, tables included");
	ok(vm_fault(vm, PAGE(1), false, false) == 0 && model_binds == binds + 2 && writable(PAGE(1)),
		"the next page: one, and it is writable");
	ok(!*bytes(PAGE(1)) && !*bytes(PAGE(2) - 1), "it is zero");
	ok(vm_fault(vm, PAGE(8), false, false) == -EFAULT && vm_fault(vm, PAGE(0) - 1, true, false) == -EFAULT,
		"nothing beyond the area");
	ok(vm_fault(vm, PAGE(0), false, true) == -EACCES, "data is not executed");
}

static void file_pages(void)
{
	struct inode *file = numbered_file(40);
	uint64_t binds;

	fresh();
	ok(vm_map(vm, PAGE(0), 50 * FRAME_SIZE, VM_READ | VM_EXEC, file, 2 * FRAME_SIZE, 0) == 0, "a file is mapped");
	binds = model_binds;
	ok(vm_fault(vm, PAGE(5), false, true) == 0 && *bytes(PAGE(5)) == 8, "its pages are the file's");
	ok(model_binds == binds + 1 && bound(PAGE(4)) && bound(PAGE(7)) && !bound(PAGE(3)) && !bound(PAGE(8)) && vm->resident == 4,
		"and come with their neighbours");
	ok(!writable(PAGE(4)) && entry_frame(model_entry(vm->env, PAGE(5))) == files_frame(file, 7),
		"not copied, not writable");
	ok(vm_fault(vm, PAGE(37), false, false) == 0 && !bound(PAGE(38)), "the last page of the file");
	ok(vm_fault(vm, PAGE(38), false, false) == -EIO, "past its end is an error of its own");
	ok(vm_resident(vm, PAGE(20)) && !vm_resident(vm, PAGE(40)), "what the file has is resident");
	fresh();
	inode_put(file);
	ok(files_count == 0, "the last area lets go of the file");
}

/* A data segment: its last page is the file's up to the end of data, and zero from there; whole pages after that are
 * zero. */
static void data_segment(void)
{
	struct inode *file = numbered_file(4);

	fresh();
	vm_map(vm, PAGE(0), 5 * FRAME_SIZE, RW, file, 0, PAGE(2) + 100);
	ok(vm_fault(vm, PAGE(2) + 50, false, false) == 0 && *bytes(PAGE(2) + 99) == 3 && !*bytes(PAGE(2) + 100) &&
			!*bytes(PAGE(3) - 1),
		"the page in which the data end is cleared behind them");
	ok(vm_fault(vm, PAGE(4), true, false) == 0 && !*bytes(PAGE(4)), "then zeros");
	ok(vm_fault(vm, PAGE(0), false, false) == 0 && vm_fault(vm, PAGE(0), true, false) == 0, "read, then written");
	*bytes(PAGE(0)) = 77;
	ok(*(uint8_t *)frame_address(files_frame(file, 0)) == 1 && *(uint8_t *)frame_address(files_frame(file, 2)) == 3,
		"the file is as it was");
	ok(vm_move(vm, PAGE(2), 3 * FRAME_SIZE, PAGE(100), 3 * FRAME_SIZE) == 0 &&
			vm_discard(vm, PAGE(100), 3 * FRAME_SIZE) == 0 && vm_fault(vm, PAGE(100), false, false) == 0 &&
			*bytes(PAGE(100) + 99) == 3 && !*bytes(PAGE(100) + 100),
		"moved, the data end where they did");
	fresh();
	inode_put(file);
}

static void stack(void)
{
	uint64_t top = PROGRAM_TOP, bottom = top - 4 * FRAME_SIZE;

	fresh();
	vm->stack_limit = 1024 * FRAME_SIZE;
	vm_map(vm, bottom, 4 * FRAME_SIZE, RW | VM_GROWS_DOWN, NULL, 0, 0);
	ok(vm_fault(vm, bottom - 100 * FRAME_SIZE - 8, true, false) == 0, "a stack grows");
	ok(vm_fault(vm, top - 1025 * FRAME_SIZE, true, false) == -EFAULT, "up to its limit");
	vm_map(vm, top - 800 * FRAME_SIZE, FRAME_SIZE, RW, NULL, 0, 0);
	ok(vm_fault(vm, top - 600 * FRAME_SIZE, true, false) == -EFAULT, "not within the gap of another area");
	ok(vm_fault(vm, top - 540 * FRAME_SIZE, true, false) == 0, "but to there");
	vm_unmap(vm, top - 800 * FRAME_SIZE, FRAME_SIZE);
	vm->mmap_top = top;
	ok(vm_find_room(vm, FRAME_SIZE) == top - (540 + 256 + 1) * FRAME_SIZE, "and others are put beyond its gap");
}

static void room(void)
{
	fresh();
	vm->mmap_top = PAGE(100);
	ok(vm_find_room(vm, FRAME_SIZE) == PAGE(99), "room at the top");
	vm_map(vm, PAGE(99), FRAME_SIZE, RW, NULL, 0, 0);
	vm_map(vm, PAGE(90), FRAME_SIZE, RW, NULL, 0, 0);
	ok(vm_find_room(vm, 8 * FRAME_SIZE) == PAGE(91), "then in the highest hole that is large enough");
	ok(vm_find_room(vm, 9 * FRAME_SIZE) == PAGE(81), "or below");
	ok(vm_find_room(vm, PAGE(90)) == 0, "or nowhere");
	ok(vm_find_room_below(vm, FRAME_SIZE, PAGE(95)) == PAGE(94), "room below an address in a hole");
	ok(vm_find_room_below(vm, FRAME_SIZE, PAGE(90)) == PAGE(89), "and below an area");
	ok(vm_map(vm, 0, FRAME_SIZE, RW, NULL, 0, 0) == -EINVAL &&
			vm_map(vm, PROGRAM_TOP, FRAME_SIZE, RW, NULL, 0, 0) == -EINVAL &&
			vm_map(vm, PAGE(0), ~0ul << FRAME_SHIFT, RW, NULL, 0, 0) == -EINVAL,
		"nothing is mapped at null, in the library, or around the end of the address space");
}

static uint32_t area_count(void)
{
	uint32_t n = 0;

	LIST_FOR_EACH(link, &vm->areas)
		n++;
	return n;
}

static void heap_break(void)
{
	fresh();
	vm->brk = vm->brk_start = PAGE(0) + 123;
	ok(vm_set_brk(vm, 0) == PAGE(0) + 123, "the break at the start");
	ok(vm_set_brk(vm, PAGE(3) + 1) == PAGE(3) + 1 && vm_range_mapped(vm, PAGE(1), 3 * FRAME_SIZE), "it grows");
	ok(vm_set_brk(vm, PAGE(8)) == PAGE(8) && area_count() == 1, "and stays one area");
	ok(vm_fault(vm, PAGE(7), true, false) == 0 && vm_set_brk(vm, PAGE(2)) == PAGE(2) && !bound(PAGE(7)),
		"it shrinks, and the pages are gone");
	vm_map(vm, PAGE(4), FRAME_SIZE, RW, NULL, 0, 0);
	ok(vm_set_brk(vm, PAGE(6)) == PAGE(2), "not over another area");
}

static void split_and_join(void)
{
	fresh();
	vm_map(vm, PAGE(0), 9 * FRAME_SIZE, RW, NULL, 0, 0);
	vm_protect(vm, PAGE(3), 3 * FRAME_SIZE, VM_READ);
	ok(area_count() == 3, "protection splits an area");
	vm_protect(vm, PAGE(3), 3 * FRAME_SIZE, RW);
	ok(area_count() == 1, "and joins it again");
	ok(vm_protect(vm, PAGE(5), 9 * FRAME_SIZE, VM_READ) == -ENOMEM && area_count() == 1,
		"a hole is refused before anything is changed");
	vm_unmap(vm, PAGE(4), FRAME_SIZE);
	vm_map(vm, PAGE(4), FRAME_SIZE, RW, NULL, 0, 0);
	ok(area_count() == 1, "a hole filled joins both sides");
	vm_fault(vm, PAGE(2), true, false);
	vm_protect(vm, PAGE(2), FRAME_SIZE, 0);
	ok(!bound(PAGE(2)) && vm_fault(vm, PAGE(2), false, false) == -EACCES && vm->resident == 1,
		"no access: not bound, but kept");
	vm_protect(vm, PAGE(2), FRAME_SIZE, RW);
	ok(writable(PAGE(2)), "and given back whole");
}

static void remap(void)
{
	uint64_t place;

	fresh();
	vm->mmap_top = PAGE(200);
	vm_map(vm, PAGE(0), 4 * FRAME_SIZE, RW, NULL, 0, 0);
	vm_fault(vm, PAGE(3), true, false);
	*bytes(PAGE(3)) = 9;
	ok(vm_remap(vm, PAGE(0), 4 * FRAME_SIZE, 6 * FRAME_SIZE, false, &place) == 0 && place == PAGE(0) &&
			area_count() == 1,
		"an area grows in place");
	vm_map(vm, PAGE(6), FRAME_SIZE, VM_READ, NULL, 0, 0);
	ok(vm_remap(vm, PAGE(0), 6 * FRAME_SIZE, 8 * FRAME_SIZE, false, &place) == -ENOMEM,
		"unless something is in the way");
	ok(vm_remap(vm, PAGE(0), 6 * FRAME_SIZE, 8 * FRAME_SIZE, true, &place) == 0 && place == PAGE(192) &&
			*bytes(PAGE(195)) == 9 && !bound(PAGE(3)),
		"then it moves, pages and all");
	ok(vm_remap(vm, PAGE(192), 8 * FRAME_SIZE, 2 * FRAME_SIZE, false, &place) == 0 && !bound(PAGE(195)) &&
			vm_range_free(vm, PAGE(194), FRAME_SIZE),
		"and shrinks");
	ok(vm_remap(vm, PAGE(50), FRAME_SIZE, FRAME_SIZE, true, &place) == -EFAULT,
		"what is not there cannot be moved");
}

static void fork_and_copy(void)
{
	struct vm *child, *parent;
	uint64_t binds;
	frame_t shared;

	fresh();
	parent = vm;
	vm_map(vm, PAGE(0), 100 * FRAME_SIZE, RW, NULL, 0, 0);
	for (int i = 0; i < 100; i++)
		vm_fault(vm, PAGE(i), true, false);
	child = vm_create(model_env_new());
	binds = model_binds;
	ok(vm_fork(vm, child) == 0 && model_binds <= binds + 2, "a fork of 100 pages is two kernel calls");
	shared = entry_frame(model_entry(parent->env, PAGE(5)));
	ok(!writable(PAGE(5)) && frame_refs(shared) == 2 && entry_frame(model_entry(child->env, PAGE(5))) == shared,
		"the frames are shared, and not writable");
	vm = child;
	ok(vm_fault(vm, PAGE(5), true, false) == 0 && writable(PAGE(5)) &&
			entry_frame(model_entry(child->env, PAGE(5))) != shared,
		"a write copies");
	vm = parent;
	ok(vm_fault(vm, PAGE(5), true, false) == 0 && entry_frame(model_entry(parent->env, PAGE(5))) == shared,
		"the last to have a page keeps it");
	ok(vm_page(child, PAGE(6), true) != vm_page(parent, PAGE(6), false), "a page written for a process is its own");
	ok(vm_page(child, PAGE(101), false) == NO_FRAME, "and there is none where nothing is mapped");
	vm = child;
	fresh();
	fresh();
	vm = parent;
	fresh();
}

static void shared_file_rights(void)
{
	struct inode *file = numbered_file(2);

	fresh();
	vm_map(vm, PAGE(0), FRAME_SIZE, VM_READ | VM_SHARED | VM_NEVER_WRITE, file, 0, 0);
	ok(vm_protect(vm, PAGE(0), FRAME_SIZE, RW) == -EACCES, "what was opened for reading only stays so");
	vm_map(vm, PAGE(0), FRAME_SIZE, VM_READ | VM_SHARED, file, 0, 0);
	vm_fault(vm, PAGE(0), false, false);
	ok(vm_protect(vm, PAGE(0), FRAME_SIZE, RW) == 0 && writable(PAGE(0)) &&
			entry_frame(model_entry(vm->env, PAGE(0))) == files_frame(file, 0),
		"what was not can become writable, and is the file's page");
	fresh();
	inode_put(file);
}

int main(void)
{
	uint32_t before;

	model_start();
	frames_start(machine_info);
	frames_trim();
	before = model_free_frames;
	first_touch();
	file_pages();
	data_segment();
	stack();
	room();
	heap_break();
	split_and_join();
	remap();
	fork_and_copy();
	shared_file_rights();
	ok(vm_mapped(vm) == 0 && vm->resident == 0, "an empty address space counts nothing");
	{
		env_id env = vm->env;

		vm_clear(vm);
		vm_destroy(vm);
		model_env_destroy(env);
	}
	frames_trim();
	ok(before - model_free_frames <= 17, "no frame is lost (%u)", before - model_free_frames);
	return done_testing();
}
