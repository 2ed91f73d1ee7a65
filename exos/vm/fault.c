/* Page faults: how a page comes to be where a program touches it. The entry of the library's page table is made (or
 * found again: the hardware's table is only a cache), and one bind call tells the kernel, tables that were missing
 * included. Domain lock held. Paper 6.2. */
#include <exos/file/file.h>
#include <exos/vm/table.h>
#include <exos/volume/volume.h>

/* How many pages of a file, in aligned groups, one fault brings in if the file has them: program text is used in
 * neighbourhoods, and another binding in the same call costs a fifth of another fault. Of 4, 8 and 16, 4 is cheapest for a run of
 * BusyBox's `true` (196,000, 220,000, 229,000 guest instructions with its fork and its end). */
#define AROUND 4

struct fault {
	struct vm *vm;
	struct vm_area *area;
	struct vm_leaf *leaf;
	uint64_t va; /* of the page */
	bool write;
};

/* The rights of a page of this area that needs no copy any more. */
static uint64_t area_rights(const struct vm_area *area)
{
	return BIND_READ | (area->flags & VM_WRITE ? BIND_WRITE : 0) | (area->flags & VM_EXEC ? BIND_EXEC : 0);
}

static uint64_t file_index(const struct vm_area *area, uint64_t va)
{
	return (area->offset + (va - area->start)) / FRAME_SIZE;
}

static uint64_t file_pages(const struct inode *inode) { return ROUND_UP(inode->size, FRAME_SIZE) / FRAME_SIZE; }

static inline void bind_entry(struct fault *f, uint64_t va, uint64_t entry)
{
	entry_add(f->vm, f->leaf, page_index(va), entry);
	batch_add(&vm_batch, va, entry_binding(entry));
}

static int add_zero(struct fault *f)
{
	frame_t frame = frame_get_zeroed();

	if (frame == NO_FRAME)
		return -ENOMEM;
	bind_entry(f, f->va, BIND_ENTRY(frame, area_rights(f->area)));
	return 0;
}

/* A private copy of a file's page, zero from the area's file_end on. */
static int add_copy(struct fault *f, frame_t of)
{
	frame_t frame = frame_get();
	uint64_t file_end = f->area->file_end;

	if (frame == NO_FRAME)
		return -ENOMEM;
	frame_copy(frame_address(frame), frame_address(of));
	if (file_end > f->va && file_end < f->va + FRAME_SIZE)
		memset((char *)frame_address(frame) + file_end % FRAME_SIZE, 0, FRAME_SIZE - file_end % FRAME_SIZE);
	bind_entry(f, f->va, BIND_ENTRY(frame, area_rights(f->area)));
	return 0;
}

/* A file that has to know what is written (fetch) gives a shared page for reading until the first write. */
static uint64_t file_entry(const struct fault *f, frame_t frame)
{
	uint64_t rights = area_rights(f->area), shared = f->area->flags & VM_SHARED ? ENTRY_SHARED : 0;

	if (shared && (f->write || !f->area->inode->ops->fetch))
		return BIND_ENTRY(frame, rights | ENTRY_SHARED);
	return BIND_ENTRY(frame, (rights & ~BIND_WRITE) | shared | ENTRY_FILE);
}

/* The pages of the same group that the file has and the page table has not. */
static void add_around(struct fault *f)
{
	const struct vm_area *area = f->area;
	uint64_t first = ROUND_DOWN(f->va, AROUND * FRAME_SIZE), end = MIN(first + AROUND * FRAME_SIZE, area->end);

	if (area->file_end)
		end = MIN(end, ROUND_DOWN(area->file_end, FRAME_SIZE));
	for (uint64_t va = MAX(first, area->start); va < end; va += FRAME_SIZE) {
		uint64_t index = file_index(area, va);
		frame_t frame;

		if (bit_is_set(f->leaf->present, page_index(va)) || index >= file_pages(area->inode))
			continue;
		frame = area->inode->ops->page(area->inode, index, false);
		if (frame == NO_FRAME)
			continue;
		frame_ref(frame);
		bind_entry(f, va, file_entry(f, frame));
	}
}

static int add_file(struct fault *f)
{
	struct vm_area *area = f->area;
	struct inode *inode = area->inode;
	uint64_t index = file_index(area, f->va);
	bool shared = area->flags & VM_SHARED;
	bool ends_within = area->file_end > f->va && area->file_end < f->va + FRAME_SIZE;
	frame_t frame;

	if (index >= file_pages(inode))
		return -EIO;
	/* A hole gets its page too: what is written to the file later is to be seen here. */
	frame = inode->ops->page(inode, index, true);
	if (frame == NO_FRAME)
		return -ENOMEM;
	if (!shared && (f->write || ends_within))
		return add_copy(f, frame);
	frame_ref(frame);
	bind_entry(f, f->va, file_entry(f, frame));
	if (!f->write)
		add_around(f);
	return 0;
}

/* The page is there and the hardware would not have it: it is to be copied, or the kernel has dropped the entry. */
static int mend_present(struct fault *f)
{
	uint64_t *entry = &f->leaf->entries[page_index(f->va)];
	frame_t old = entry_frame(*entry), frame = old;

	if (f->write && !(*entry & BIND_WRITE)) {
		if (!frame_held(old))
			return -EIO; /* repossessed, as the keeper is about to find out: the window has it no more either */
		if (!(*entry & ENTRY_SHARED) && frame_refs(old) > 1) {
			frame = frame_get();
			if (frame == NO_FRAME)
				return -ENOMEM;
			frame_copy(frame_address(frame), frame_address(old));
			batch_put(&vm_batch, old);
		}
		*entry = BIND_ENTRY(frame, area_rights(f->area) | (*entry & ENTRY_SHARED));
	}
	batch_add(&vm_batch, f->va, entry_binding(*entry));
	return 0;
}

static int add_page(struct fault *f)
{
	const struct vm_area *area = f->area;

	if (bit_is_set(f->leaf->present, page_index(f->va)))
		return mend_present(f);
	if (!area->inode || (area->file_end && f->va >= area->file_end))
		return add_zero(f);
	return add_file(f);
}

static int check_rights(const struct vm_area *area, bool write, bool exec)
{
	uint32_t wanted = write ? VM_WRITE : exec ? VM_EXEC : VM_READ | VM_WRITE | VM_EXEC;

	return area->flags & wanted ? 0 : -EACCES;
}

/* Sees to it that the inode has the page in memory. 1: it was waited for, and everything may have changed. */
static __attribute__((noinline)) int fetch_page(const struct fault *f, bool may_wait)
{
	const struct vm_leaf *leaf = leaf_at(f->vm, f->va);
	const uint64_t *entry = leaf && bit_is_set(leaf->present, page_index(f->va)) ? &leaf->entries[page_index(f->va)] : NULL;
	struct inode *inode = f->area->inode;
	bool writes = f->write && f->area->flags & VM_SHARED;
	uint64_t index;
	int result;

	if (f->area->file_end && f->va >= f->area->file_end)
		return 0;
	if (entry && !(writes && !(*entry & BIND_WRITE)))
		return 0;
	index = file_index(f->area, f->va);
	if (index >= file_pages(inode))
		return 0;
	inode_ref(inode);
	result = inode->ops->fetch(inode, index, writes, may_wait);
	inode_put(inode);
	return result;
}

static inline int mend(struct vm *vm, uint64_t address, bool write, bool exec, bool may_wait)
{
	struct fault f = {
		.vm = vm, .area = vm_area_at(vm, address), .va = ROUND_DOWN(address, FRAME_SIZE), .write = write};
	int error;

	if (!f.area || f.area->flags & VM_OWN || vm->given_up)
		return -EFAULT;
	error = check_rights(f.area, write, exec);
	if (error)
		return error;
	if (f.area->inode && f.area->inode->ops->fetch && (error = fetch_page(&f, may_wait)))
		return error == 1 ? 0 : error;
	batch_start(&vm_batch, vm, vm->env);
	f.leaf = leaf_make(vm, address, &vm_batch);
	error = f.leaf ? add_page(&f) : -ENOMEM;
	batch_flush(&vm_batch);
	if (f.leaf && !f.leaf->count)
		leaf_drop(vm, f.leaf, &vm_batch);
	return error;
}

/* For want of memory: once more, after files have given what can be waited for. */
int vm_fault(struct vm *vm, uint64_t address, bool write, bool exec)
{
	int error = mend(vm, address, write, exec, true);

	return __builtin_expect(error == -ENOMEM, 0) && volumes_find_memory() ? 0 : error;
}

int vm_fault_at_once(struct vm *vm, uint64_t address, bool write, bool exec) { return mend(vm, address, write, exec, false); }

frame_t vm_page(struct vm *vm, uint64_t address, bool write)
{
	struct vm_leaf *leaf = leaf_at(vm, address);
	uint32_t i = page_index(address);
	uint64_t needed = write ? BIND_READ | BIND_WRITE : BIND_READ;

	while (!leaf || !bit_is_set(leaf->present, i) || (leaf->entries[i] & needed) != needed) {
		if (vm_fault(vm, address, write, false))
			return NO_FRAME;
		leaf = leaf_at(vm, address);
	}
	return entry_frame(leaf->entries[i]);
}

bool vm_resident(struct vm *vm, uint64_t address)
{
	struct vm_area *area = area_from(vm, address);
	struct vm_leaf *leaf = leaf_at(vm, address);

	if (leaf && bit_is_set(leaf->present, page_index(address)))
		return true;
	if (!area || area->start > address || !area->inode || file_index(area, address) >= file_pages(area->inode))
		return false;
	return area->inode->ops->page(area->inode, file_index(area, address), false) != NO_FRAME;
}

int vm_populate(struct vm *vm, uint64_t start, uint64_t length)
{
	uint64_t at = start;

	while (at < start + length) {
		struct vm_area *area = vm_area_at(vm, at);
		struct vm_leaf *leaf = leaf_at(vm, at);
		int error;

		if (leaf && bit_is_set(leaf->present, page_index(at))) {
			at += FRAME_SIZE;
			continue;
		}
		error = vm_fault(vm, at, area && area->flags & VM_WRITE && !(area->flags & VM_SHARED), false);
		if (error)
			return error;
	}
	return 0;
}
