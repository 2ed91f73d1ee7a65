/* The system calls for memory: Linux's flags and conditions, in terms of exos/vm. */
#include <exos/file/device.h>
#include <exos/frames.h>
#include <exos/linux/files.h>
#include <exos/start.h>
#include <exos/vm/vm.h>

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum {
	MAP_SHARED = 1,
	MAP_PRIVATE = 2,
	MAP_SHARED_VALIDATE = 3,
	MAP_TYPE = 15,
	MAP_FIXED = 0x10,
	MAP_ANONYMOUS = 0x20,
	MAP_32BIT = 0x40,
	MAP_GROWSDOWN = 0x100,
	MAP_LOCKED = 0x2000,
	MAP_NORESERVE = 0x4000,
	MAP_POPULATE = 0x8000,
	MAP_HUGETLB = 0x40000,
	MAP_FIXED_NOREPLACE = 0x100000
};
#define TOP_32BIT 0x80000000ul

static uint64_t pages_up(uint64_t length) { return ROUND_UP(length, FRAME_SIZE); }

static struct vm *current_vm(void) { return self->proc->vm; }

static bool is_aligned(uint64_t address) { return address % FRAME_SIZE == 0; }

static uint32_t protection(uint64_t prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) | (prot & PROT_EXEC ? VM_EXEC : 0);
}

/* What is to be mapped of a descriptor: its inode (null: anonymous memory, as /dev/zero gives) and what that adds to
 * the flags. */
static int mapped_file(struct regs *r, uint32_t *flags, struct inode **inode)
{
	struct file *f = linux_file(A4(r));
	bool shared = *flags & VM_SHARED;

	if (!f || f->flags & OPEN_PATH)
		return -EBADF;
	if (!linux_readable(f) || (shared && *flags & VM_WRITE && !linux_writable(f)))
		return -EACCES;
	if (shared && !linux_writable(f))
		*flags |= VM_NEVER_WRITE;
	*inode = f->inode;
	if ((f->inode->mode & TYPE_MASK) == TYPE_CHAR && f->inode->device == DEVICE_ZERO)
		*inode = NULL;
	else if (!f->inode->ops->page || (f->inode->mode & TYPE_MASK) != TYPE_FILE)
		return -ENODEV;
	return 0;
}

/* Where to map: the address asked for if it must be, or can be, that one; else what room there is. */
static int choose_place(struct vm *vm, uint64_t asked, uint64_t length, uint64_t how, uint64_t *place)
{
	bool fixed = how & (MAP_FIXED | MAP_FIXED_NOREPLACE);

	if (fixed && !is_aligned(asked))
		return -EINVAL;
	if (fixed && asked < PROGRAM_BOTTOM)
		return -EPERM;
	if (fixed && (asked > PROGRAM_TOP || length > PROGRAM_TOP - asked))
		return -ENOMEM;
	*place = ROUND_DOWN(asked, FRAME_SIZE);
	if (fixed)
		return how & MAP_FIXED_NOREPLACE && !vm_range_free(vm, *place, length) ? -EEXIST : 0;
	if (*place && vm_range_free(vm, *place, length) && (!(how & MAP_32BIT) || *place + length <= TOP_32BIT))
		return 0;
	*place = how & MAP_32BIT ? vm_find_room_below(vm, length, TOP_32BIT) : vm_find_room(vm, length);
	return *place ? 0 : -ENOMEM;
}

/* A promise of more private memory than the machine has is refused at once, unless the program says that it means to
 * use little of it. */
static bool is_hopeless(uint64_t length, uint32_t flags, uint64_t how)
{
	return (flags & (VM_WRITE | VM_SHARED)) == VM_WRITE && !(how & MAP_NORESERVE) &&
	       length / FRAME_SIZE > machine_info->frames_total;
}

int64_t linux_mmap(struct regs *r)
{
	struct vm *vm = current_vm();
	uint64_t length = pages_up(A1(r)), how = A3(r), offset = A5(r), type = how & MAP_TYPE, place;
	uint32_t flags = protection(A2(r));
	struct inode *inode = NULL;
	int error;

	if (!A1(r) || !is_aligned(offset) || how & MAP_HUGETLB || type < MAP_SHARED || type > MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (!length || length > PROGRAM_TOP)
		return -ENOMEM;
	if (offset + length < offset)
		return -EOVERFLOW;
	if (type != MAP_PRIVATE)
		flags |= VM_SHARED;
	if (how & MAP_GROWSDOWN)
		flags |= VM_GROWS_DOWN;
	if (!(how & MAP_ANONYMOUS) && (error = mapped_file(r, &flags, &inode)))
		return error;
	if (is_hopeless(length, flags, how))
		return -ENOMEM;
	error = choose_place(vm, A0(r), length, how, &place);
	if (!error)
		error = vm_map(vm, place, length, flags, inode, inode ? offset : 0, 0);
	if (error)
		return error;
	if (how & (MAP_POPULATE | MAP_LOCKED) && flags & (VM_READ | VM_WRITE | VM_EXEC))
		vm_populate(vm, place, length); /* as far as it goes: the mapping stands all the same */
	return (int64_t)place;
}

int64_t linux_munmap(struct regs *r)
{
	uint64_t start = A0(r), length = pages_up(A1(r));

	if (!is_aligned(start) || !length || start > PROGRAM_TOP || length > PROGRAM_TOP - start)
		return -EINVAL;
	if (start + length <= PROGRAM_BOTTOM)
		return 0; /* nothing is ever there */
	if (start < PROGRAM_BOTTOM) {
		length -= PROGRAM_BOTTOM - start;
		start = PROGRAM_BOTTOM;
	}
	return vm_unmap(current_vm(), start, length);
}

/* The rest of these want a range that is wholly mapped: 0, -EINVAL or -ENOMEM. */
static int mapped_range(uint64_t start, uint64_t bytes, uint64_t *length)
{
	*length = pages_up(bytes);
	if (!is_aligned(start))
		return -EINVAL;
	if (*length < bytes || start > PROGRAM_TOP || *length > PROGRAM_TOP - start)
		return -ENOMEM;
	return !*length || vm_range_mapped(current_vm(), start, *length) ? 0 : -ENOMEM;
}

int64_t linux_mprotect(struct regs *r)
{
	uint64_t length;
	int error = mapped_range(A0(r), A1(r), &length);

	if (A2(r) & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	return error || !length ? error : vm_protect(current_vm(), A0(r), length, protection(A2(r)));
}

int64_t linux_brk(struct regs *r) { return (int64_t)vm_set_brk(current_vm(), A0(r)); }

enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MREMAP_DONTUNMAP = 4 };

/* To a place that the program names: what is there gives way. */
static int64_t remap_fixed(struct vm *vm, uint64_t old, uint64_t old_length, uint64_t new_length, uint64_t to)
{
	int error;

	if (!is_aligned(to) || to < PROGRAM_BOTTOM || to > PROGRAM_TOP || new_length > PROGRAM_TOP - to)
		return -EINVAL;
	if (to < old + old_length && old < to + new_length)
		return -EINVAL;
	error = vm_unmap(vm, to, new_length);
	if (!error)
		error = vm_move(vm, old, old_length, to, new_length);
	return error ? error : (int64_t)to;
}

int64_t linux_mremap(struct regs *r)
{
	uint64_t old = A0(r), old_length = pages_up(A1(r)), new_length = pages_up(A2(r)), how = A3(r), place;
	bool may_move = how & MREMAP_MAYMOVE;
	int error;

	if (how & MREMAP_DONTUNMAP)
		return -ENOSYS;
	if (how & ~7ul || !is_aligned(old) || !old_length || !new_length || (how & MREMAP_FIXED && !may_move))
		return -EINVAL;
	if (old_length > PROGRAM_TOP || old > PROGRAM_TOP - old_length ||
		!vm_range_mapped(current_vm(), old, old_length))
		return -EFAULT;
	if (new_length > PROGRAM_TOP)
		return -ENOMEM;
	if (how & MREMAP_FIXED)
		return remap_fixed(current_vm(), old, old_length, new_length, A4(r));
	error = vm_remap(current_vm(), old, old_length, new_length, may_move, &place);
	return error ? error : (int64_t)place;
}

enum { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };

/* File by file, each wholly: while one is written, the areas may change. */
static int sync_range(uint64_t start, uint64_t end)
{
	int error = 0;

	while (start < end && !error) {
		struct vm_area *area = vm_area_at(current_vm(), start);
		struct inode *inode;

		if (!area)
			return -ENOMEM;
		inode = area->inode;
		start = area->end;
		if (!(area->flags & VM_SHARED) || !inode || !inode->ops->sync)
			continue;
		inode_ref(inode);
		error = inode->ops->sync(inode, false);
		inode_put(inode);
	}
	return error;
}

/* The pages mapped are the file's own: what is to be done is to have them written. */
int64_t linux_msync(struct regs *r)
{
	uint64_t length, how = A2(r);
	int error;

	if (how & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (how & MS_ASYNC && how & MS_SYNC))
		return -EINVAL;
	error = mapped_range(A0(r), A1(r), &length);
	return error || !(how & MS_SYNC) ? error : sync_range(A0(r), A0(r) + length);
}

int64_t linux_mincore(struct regs *r)
{
	uint8_t chunk[128];
	uint64_t length, pages = 0;
	int error = mapped_range(A0(r), A1(r), &length);

	if (error)
		return error;
	while (pages < length / FRAME_SIZE) {
		uint64_t n = MIN(length / FRAME_SIZE - pages, sizeof(chunk));

		for (uint64_t i = 0; i < n; i++)
			chunk[i] = vm_resident(current_vm(), A0(r) + (pages + i) * FRAME_SIZE);
		if (copy_out(ADDRESS(uint8_t, A2(r)) + pages, chunk, n))
			return -EFAULT;
		pages += n;
	}
	return 0;
}

enum { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE = 8, MADV_MERGEABLE = 12, MADV_UNMERGEABLE, MADV_HUGEPAGE,
	MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_COLD = 20, MADV_PAGEOUT };

/* Advice that only concerns speed is heard and has no effect; advice that changes what memory holds is followed, or
 * refused. MADV_FREE may take effect at any time, and so takes it at once. */
int64_t linux_madvise(struct regs *r)
{
	uint64_t length;
	int error = mapped_range(A0(r), A1(r), &length);

	switch (A2(r)) {
	case MADV_NORMAL ... MADV_WILLNEED:
	case MADV_MERGEABLE ... MADV_DODUMP: /* there are no huge pages, and no dumps */
	case MADV_COLD ... MADV_PAGEOUT:
		return error;
	case MADV_DONTNEED:
	case MADV_FREE:
		break;
	default:
		return -EINVAL;
	}
	if (error || !length)
		return error;
	return vm_discard(current_vm(), A0(r), length);
}

/* Nothing is ever paged out: a page that is there stays. */
int64_t linux_mlock(struct regs *r)
{
	uint64_t start = ROUND_DOWN(A0(r), FRAME_SIZE), length;
	int error = mapped_range(start, A0(r) - start + A1(r), &length);

	if (error || !length)
		return error;
	error = vm_populate(current_vm(), start, length);
	return error == -ENOMEM ? -EAGAIN : error ? -ENOMEM : 0;
}

int64_t linux_munlock(struct regs *r)
{
	uint64_t start = ROUND_DOWN(A0(r), FRAME_SIZE), length;

	return mapped_range(start, A0(r) - start + A1(r), &length);
}

enum { MCL_CURRENT = 1, MCL_FUTURE = 2 };

int64_t linux_mlockall(struct regs *r)
{
	struct vm *vm = current_vm();

	if (A0(r) & MCL_FUTURE)
		return -ENOSYS; /* would have to bring in each page at once from now on */
	if (A0(r) != MCL_CURRENT)
		return -EINVAL;
	LIST_FOR_EACH(link, &vm->areas) {
		struct vm_area *area = CONTAINER_OF(link, struct vm_area, link);

		if (area->flags & (VM_READ | VM_WRITE | VM_EXEC) &&
			vm_populate(vm, area->start, area->end - area->start) == -ENOMEM)
			return -EAGAIN;
	}
	return 0;
}

int64_t linux_munlockall(struct regs *r)
{
	(void)r;
	return 0; /* nothing was held that would be let go */
}
