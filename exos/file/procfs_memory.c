/* /proc/PID/maps and smaps: the areas of a process's address space, and how much of each is in memory. Called by procfs.c, through the table in
 * procfs_process.c. */
#include <exos/file/procfs.h>
#include <exos/layout.h>
#include <exos/proc/proc.h>
#include <exos/vm/vm.h>

#define PATH_COLUMN 73 /* of a line of maps */

/* The path of what an area maps, escaped by nobody: names with newlines are rare, and readers know that. */
static void write_area_path(struct text *t, struct proc *p, const struct vm_area *a)
{
	frame_t buffer;
	ssize length;

	if (!a->inode) {
		if (a->flags & VM_GROWS_DOWN)
			text_print(t, "[stack]");
		else if (a->start < p->vm->brk && a->end > p->vm->brk_start)
			text_print(t, "[heap]");
		return;
	}
	buffer = frame_get();
	if (buffer == NO_FRAME) {
		t->failed = true;
		return;
	}
	length = inode_path(a->inode, p->root, frame_address(buffer), PATH_SIZE);
	if (length > 0)
		text_add(t, frame_address(buffer), (size_t)length);
	frame_put(buffer);
}

static void write_area(struct text *t, struct proc *p, const struct vm_area *a)
{
	static const char padding[PATH_COLUMN + 1] =
		"                                                                         ";
	uint64_t device = a->inode ? a->inode->file_system : 0;
	size_t before = t->length;

	text_print(t, "%08lx-%08lx %c%c%c%c %08lx %02lx:%02lx %lu", a->start, a->end, a->flags & VM_READ ? 'r' : '-', a->flags & VM_WRITE ? 'w' : '-',
		a->flags & VM_EXEC ? 'x' : '-', a->flags & VM_SHARED ? 's' : 'p', a->offset, device >> 8, device & 0xff, a->inode ? a->inode->number : 0ul);
	text_add(t, padding, (size_t)MAX(PATH_COLUMN - (ssize)(t->length - before), 1));
	write_area_path(t, p, a);
	text_print(t, "\n");
}

void procfs_write_maps(struct text *t, struct proc *p)
{
	if (!p->vm)
		return;
	LIST_FOR_EACH (l, &p->vm->areas)
		write_area(t, p, CONTAINER_OF(l, struct vm_area, link));
}

static void write_usage(struct text *t, const struct vm_usage *u)
{
	const struct {
		const char *name;
		uint64_t bytes;
	} lines[] = {{"Rss:", u->resident}, {"Pss:", u->proportional}, {"Shared_Clean:", u->shared_clean}, {"Shared_Dirty:", u->shared_dirty},
		{"Private_Clean:", u->private_clean}, {"Private_Dirty:", u->private_dirty}, {"Referenced:", u->resident},
		{"Anonymous:", u->shared_dirty + u->private_dirty}, {"AnonHugePages:", 0}, {"Swap:", 0}};

	for (uint32_t n = 0; n < ARRAY_LENGTH(lines); n++)
		text_print(t, "%-15s %8lu kB\n", lines[n].name, lines[n].bytes / 1024);
}

void procfs_write_smaps(struct text *t, struct proc *p)
{
	if (!p->vm)
		return;
	LIST_FOR_EACH (l, &p->vm->areas) {
		const struct vm_area *a = CONTAINER_OF(l, struct vm_area, link);
		struct vm_usage u = vm_usage(p->vm, a->start, a->end);

		write_area(t, p, a);
		text_print(t, "%-15s %8lu kB\nKernelPageSize: %7u kB\nMMUPageSize:    %7u kB\n", "Size:", (a->end - a->start) / 1024, 4, 4);
		write_usage(t, &u);
	}
}

void procfs_write_smaps_rollup(struct text *t, struct proc *p)
{
	struct vm_usage u;

	if (!p->vm || list_empty(&p->vm->areas))
		return;
	u = vm_usage(p->vm, PROGRAM_BOTTOM, PROGRAM_TOP);
	text_print(t, "%08lx-%08lx ---p 00000000 00:00 0                          [rollup]\n", CONTAINER_OF(p->vm->areas.next, struct vm_area, link)->start,
		CONTAINER_OF(p->vm->areas.previous, struct vm_area, link)->end);
	write_usage(t, &u);
}
