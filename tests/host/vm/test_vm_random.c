/* Address spaces against a simple model of what a program may expect of them, under random map, unmap, protect, move,
 * discard, fork, exit, reads and writes, with the hardware's entries dropped now and then and memory running out now
 * and then. After each step: what a page holds; and regularly: the hardware has nothing that the library's table has
 * not, references are exact, areas are as the model has them. At the end no frame is lost. */
#include <stdio.h>
#include <stdlib.h>

#include <exos/heap.h>
#include <exos/start.h>
#include <exos/vm/table.h>

#include "files.h"
#include "model.h"

#define ZONE_PAGES	32u
#define PAGES		(4 * ZONE_PAGES)
#define PROCESSES	6
#define OBJECTS		4 /* files that stay; what is mapped shared without a file comes after them */
#define OBJECTS_MAX	60000
#define FILE_SIZE	(40 * FRAME_SIZE + 100)
#define FILE_SIZE_PAGES 41

/* Zones lie across the ends of 2 MiB, 1 GiB and 512 GiB, and across the start of the leaf whose table is the
 * environment's own. */
static const uint64_t zones[] = {
	0x5f0000, 0x40000000 - 16 * FRAME_SIZE, 0x18000000000 - 16 * FRAME_SIZE, 0x27ffffe00000 - 16 * FRAME_SIZE};

struct page {
	bool mapped, own; /* own: a private page that has been written */
	uint32_t flags;
	int object;	/* -1: anonymous and private */
	uint32_t index; /* in the object */
	uint64_t value; /* of an own page */
};

struct process {
	struct vm *vm; /* null: no such process */
	struct page pages[PAGES];
};

static struct process processes[PROCESSES];
static struct inode *files[OBJECTS];
static uint64_t (*values)[FILE_PAGES]; /* by object */
static uint32_t *object_pages;
static int objects = OBJECTS;
static const char *problem;
static uint32_t forks, refusals; /* refusals: for want of memory */

static uint64_t address(uint32_t page) { return zones[page / ZONE_PAGES] + page % ZONE_PAGES * FRAME_SIZE; }

static void expect(bool good, const char *what)
{
	if (!good && !problem)
		problem = what;
}

static uint32_t random_range(uint32_t *count)
{
	uint32_t first = (uint32_t)random_below(PAGES);

	*count = 1 + (uint32_t)random_below(ZONE_PAGES - first % ZONE_PAGES);
	if (random_below(2))
		*count = MIN(*count, 4u);
	return first;
}

static uint32_t random_rights(void) { return (uint32_t)random_below(8); }

static bool refused(int error)
{
	refusals += error == -ENOMEM && model_withheld;
	return error == -ENOMEM && model_withheld;
}

/* After a failure for want of memory a range may be as it was, or gone in part. */
static void resynchronize(struct process *p, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		if (vm_range_free(p->vm, address(i), FRAME_SIZE))
			p->pages[i].mapped = false;
}

static void do_map(struct process *p)
{
	uint32_t count, first = random_range(&count), flags = random_rights(), offset = (uint32_t)random_below(50);
	int object = (int)random_below(OBJECTS + 4) - 4, error;

	if (object < 0)
		object = -1;
	if (random_below(3) == 0)
		flags |= VM_SHARED;
	if (object < 0 && flags & VM_SHARED && objects == OBJECTS_MAX)
		return;
	error = vm_map(p->vm, address(first), count * FRAME_SIZE, flags, object < 0 ? NULL : files[object],
		object < 0 ? 0 : offset * FRAME_SIZE, 0);
	if (error) {
		expect(refused(error), "map fails only without memory");
		resynchronize(p, first, count);
		return;
	}
	if (object < 0 && flags & VM_SHARED) {
		object = objects++;
		object_pages[object] = count;
		memset(values[object], 0, sizeof(values[object]));
		offset = 0;
	}
	for (uint32_t i = 0; i < count; i++)
		p->pages[first + i] = (struct page){
			.mapped = true, .flags = flags, .object = object, .index = object < 0 ? 0 : offset + i};
}

static void do_unmap(struct process *p)
{
	uint32_t count, first = random_range(&count);
	int error = vm_unmap(p->vm, address(first), count * FRAME_SIZE);

	expect(!error || refused(error), "unmap fails only without memory");
	for (uint32_t i = first; i < first + count && !error; i++)
		p->pages[i].mapped = false;
}

static bool all_mapped(struct process *p, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		if (!p->pages[i].mapped)
			return false;
	return true;
}

static void do_protect(struct process *p)
{
	uint32_t count, first = random_range(&count), flags = random_rights();
	int error = vm_protect(p->vm, address(first), count * FRAME_SIZE, flags);

	if (!all_mapped(p, first, count)) {
		expect(error == -ENOMEM, "protect of a hole fails");
		return;
	}
	expect(!error || refused(error), "protect fails only without memory");
	for (uint32_t i = first; i < first + count && !error; i++)
		p->pages[i].flags = (p->pages[i].flags & VM_SHARED) | flags;
}

static void do_discard(struct process *p)
{
	uint32_t count, first = random_range(&count);
	int error = vm_discard(p->vm, address(first), count * FRAME_SIZE);

	expect(error == (all_mapped(p, first, count) ? 0 : -ENOMEM), "discard of what is mapped");
	for (uint32_t i = first; i < first + count && !error; i++) {
		p->pages[i].own = false;
		p->pages[i].value = 0;
	}
}

/* Does one mapping (not several that happen to touch) hold these pages? */
static bool one_area(struct process *p, uint32_t first, uint32_t count)
{
	struct vm_area *area = vm_area_at(p->vm, address(first));

	return area && area->end >= address(first) + count * FRAME_SIZE;
}

static void do_move(struct process *p)
{
	uint32_t count, first = random_range(&count), to = (uint32_t)random_below(PAGES), kept;
	uint32_t wanted = 1 + (uint32_t)random_below(count + 4), new_count = MIN(wanted, ZONE_PAGES - to % ZONE_PAGES);
	bool possible = one_area(p, first, count) && vm_range_free(p->vm, address(to), new_count * FRAME_SIZE);
	struct page moved[ZONE_PAGES];
	int error;

	error = vm_move(p->vm, address(first), count * FRAME_SIZE, address(to), new_count * FRAME_SIZE);
	expect(possible ? !error || refused(error) : error != 0, "move");
	if (error)
		return;
	kept = MIN(count, new_count);
	memcpy(moved, p->pages + first, count * sizeof(*moved));
	for (uint32_t i = 0; i < count; i++)
		p->pages[first + i].mapped = false;
	for (uint32_t i = 0; i < new_count; i++) {
		struct page last = moved[count - 1];

		last.own = false;
		last.value = 0;
		last.index += last.object < 0 ? 0 : i - (count - 1);
		p->pages[to + i] = i < kept ? moved[i] : last;
	}
}

static uint32_t pages_of(const struct page *page)
{
	return page->object < OBJECTS ? FILE_SIZE_PAGES : object_pages[page->object];
}

static int expected_result(const struct page *page, bool write, bool exec)
{
	if (!page->mapped)
		return -EFAULT;
	if (!(page->flags & (write ? VM_WRITE : exec ? VM_EXEC : VM_READ | VM_WRITE | VM_EXEC)))
		return -EACCES;
	return page->object >= 0 && !page->own && page->index >= pages_of(page) ? -EIO : 0;
}

static bool allows(uint64_t entry, bool write, bool exec)
{
	return entry & BIND_READ && (!write || entry & BIND_WRITE) && (!exec || entry & BIND_EXEC);
}

static uint64_t expected_value(const struct page *page)
{
	if (page->own)
		return page->value;
	return page->object < 0 ? 0 : values[page->object][page->index];
}

static void do_access(struct process *p, uint32_t i)
{
	bool write = random_below(2), exec = !write && random_below(4) == 0;
	struct page *page = &p->pages[i];
	uint64_t va = address(i) + random_below(FRAME_SIZE), entry = model_entry(p->vm->env, address(i));
	uint64_t *first, *last;
	int result = allows(entry, write, exec) ? 0 : vm_fault(p->vm, va, write, exec);

	if (refused(result))
		return;
	expect(result == expected_result(page, write, exec), "the result of an access");
	entry = model_entry(p->vm->env, address(i));
	if (result || problem)
		return;
	expect(allows(entry, write, exec), "after a fault the hardware has the page");
	expect(!write || page->flags & VM_WRITE, "what is not writable is not written");
	first = frame_address(entry_frame(entry));
	last = first + FRAME_SIZE / sizeof(*first) - 1;
	expect(*first == expected_value(page) && *last == *first, "what the page holds");
	if (!write)
		return;
	*first = *last = random_below(UINT64_MAX);
	if (page->flags & VM_SHARED) {
		values[page->object][page->index] = *first;
	} else {
		page->own = true;
		page->value = *first;
	}
}

static void do_end(struct process *p)
{
	env_id env = p->vm->env;

	if (random_below(2)) {
		vm_clear(p->vm);
		vm_destroy(p->vm);
		model_env_destroy(env);
	} else { /* stopped by force: the environment goes first */
		model_env_destroy(env);
		vm_destroy(p->vm);
	}
	memset(p, 0, sizeof(*p));
}

static void do_fork(struct process *p)
{
	struct process *child = &processes[random_below(PROCESSES)];
	int error;

	if (child->vm || model_free_frames < 8 || model_free_frames < model_withheld + 8)
		return;
	child->vm = vm_create(model_env_new());
	if (!child->vm)
		panic("the test has no memory left for a process");
	error = vm_fork(p->vm, child->vm);
	forks++;
	memcpy(child->pages, p->pages, sizeof(p->pages));
	if (error) {
		expect(refused(error), "fork fails only without memory");
		do_end(child);
	}
}

static void do_exec(struct process *p)
{
	vm_clear(p->vm);
	memset(p->pages, 0, sizeof(p->pages));
}

/* Invariants. */
static uint32_t counted[MODEL_FRAMES];
static struct vm *checked;

static void check_hardware(env_id env, uint64_t va, uint64_t entry)
{
	struct vm_leaf *leaf = leaf_at(checked, va);

	(void)env;
	if (va >= LIBRARY_STACK_BOTTOM)
		return;
	expect(leaf && bit_is_set(leaf->present, page_index(va)), "the hardware has only what the table has");
	if (leaf)
		expect(entry_binding(leaf->entries[page_index(va)]) == entry, "and with the same frame and rights");
}

static void check_areas(struct process *p)
{
	uint64_t end = 0;

	LIST_FOR_EACH(link, &p->vm->areas) {
		struct vm_area *area = CONTAINER_OF(link, struct vm_area, link);

		expect(area->start >= end && area->end > area->start && (area->start | area->end) % FRAME_SIZE == 0,
			"areas are in order");
		end = area->end;
	}
	for (uint32_t i = 0; i < PAGES; i++) {
		struct vm_area *area = vm_area_at(p->vm, address(i));

		expect(!area == !p->pages[i].mapped, "areas are where they should be");
		if (area)
			expect((area->flags & 15) == (p->pages[i].flags & 15), "with the rights that they should have");
	}
}

static void check_all(void)
{
	memset(counted, 0, sizeof(counted));
	for (uint32_t n = 0; n < PROCESSES; n++) {
		struct vm *vm = checked = processes[n].vm;
		uint64_t present = 0;

		if (!vm)
			continue;
		check_areas(&processes[n]);
		model_each(vm->env, check_hardware);
		for (struct vm_leaf *leaf = leaf_from(vm, 0); leaf; leaf = leaf_from(vm, leaf->va + LEAF_SPAN)) {
			expect(leaf->count != 0, "no leaf without pages stays");
			BIT_FOR_EACH(i, leaf->present) {
				counted[entry_frame(leaf->entries[i])]++;
				present++;
			}
		}
		expect(present == vm->resident, "resident pages are counted");
	}
	for (uint32_t n = 0; n < OBJECTS; n++)
		for (uint32_t i = 0; i < FILE_PAGES; i++)
			counted[files_frame(files[n], i)] += files_frame(files[n], i) != NO_FRAME;
	for (frame_t f = 1; f < MODEL_FRAMES; f++)
		if (counted[f]) /* a page of memory shared without a file has one reference more: its object's */
			expect(frame_refs(f) == counted[f] || frame_refs(f) == counted[f] + 1, "references are exact");
}

static void step(struct process *p)
{
	switch (random_below(24)) {
	case 0:
	case 1:
		do_map(p);
		break;
	case 2:
		do_unmap(p);
		break;
	case 3:
		do_protect(p);
		break;
	case 4:
		do_discard(p);
		break;
	case 5:
		do_move(p);
		break;
	case 6:
		if (random_below(8) == 0)
			do_fork(p);
		break;
	case 7:
		if (random_below(16) == 0 && p != processes)
			do_end(p);
		else if (random_below(60) == 0)
			do_exec(p);
		break;
	case 8:
		model_drop_entry(p->vm->env, address((uint32_t)random_below(PAGES)));
		break;
	case 9:
		if (random_below(100) == 0) {
			frames_trim();
			model_withheld = model_withheld ? 0 : model_free_frames - (uint32_t)random_below(40);
		}
		break;
	default:
		do_access(p, (uint32_t)random_below(PAGES));
	}
}

static bool run(uint32_t steps)
{
	for (uint32_t n = 0; n < steps && !problem; n++) {
		struct process *p = &processes[random_below(PROCESSES)];

		if (p->vm)
			step(p);
		if (n % 64 == 0)
			check_all();
		if (problem)
			printf("# step %u: %s\n", n, problem);
	}
	return !problem;
}

int main(void)
{
	uint32_t before;

	values = malloc(OBJECTS_MAX * sizeof(*values));
	object_pages = calloc(OBJECTS_MAX, sizeof(*object_pages));
	model_start();
	frames_start(machine_info);
	for (int i = 0; i < OBJECTS; i++) {
		files[i] = files_new(FILE_SIZE);
		memset(values[i], 0, sizeof(values[i]));
	}
	frames_trim();
	before = model_free_frames;
	processes[0].vm = vm_create(model_env_new());
	ok(run(600000), "600,000 random steps are as a program expects");
	ok(forks > 200 && refusals > 500, "among them %u forks, and %u refusals for want of memory", forks, refusals);
	model_withheld = 0;
	for (int i = 0; i < PROCESSES; i++)
		if (processes[i].vm)
			do_end(&processes[i]);
	ok(files_count == OBJECTS, "all memory shared without a file is gone with its users");
	for (int i = 0; i < OBJECTS; i++)
		inode_put(files[i]);
	frames_trim();
	/* Tables of the window may have been added. */
	ok(before - model_free_frames <= MODEL_FRAMES / 512 + 1, "no frame is lost (%u)", before - model_free_frames);
	free(values);
	free(object_pages);
	return done_testing();
}
