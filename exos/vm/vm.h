/* Virtual memory as a library: the address space of one process, and the page table that ExOS keeps of it.
 *
 * An area is a range with one protection and one backing (nothing yet, or pages of an inode). The page table says which
 * frame is at which page and whether it is to be copied on write; the hardware's table is a cache of it, filled by the
 * fault handler through the kernel's bind call. Domain lock held for all calls; an address space is changed only by the
 * process that it belongs to, or by its parent while that makes it. Paper section 6.2. */
#pragma once

#include <exos/base.h>
#include <exos/frames.h>

struct inode;
struct regs;

enum {
	VM_READ = 1,
	VM_WRITE = 2,
	VM_EXEC = 4,
	VM_SHARED = 8,
	VM_GROWS_DOWN = 16,
	VM_OWN = 64, /* a region of the program's own (region.c) */
	VM_NEVER_WRITE = 32, /* a shared file opened for reading only: vm_protect cannot make it writable */
};

struct vm_area {
	struct list link; /* in order of address */
	uint64_t start, end;
	uint32_t flags;
	struct inode *inode; /* null: anonymous and private; what is anonymous and shared has an inode of its own */
	uint64_t offset;     /* of start in the inode, page aligned */
	/* Address past which a private file page is zero (the bss part of a segment's last page); 0: none. */
	uint64_t file_end;
};

struct vm_leaf;	  /* pages of 2 MiB: vm/table.h */
struct vm_region; /* pages of 1 GiB: vm/table.h */
struct vm_slot;	  /* the hardware's page table of 512 GiB: vm/table.h */

struct vm {
	env_id env; /* whose hardware table caches this one */
	struct list areas;
	struct vm_area *recent;	    /* where the last search ended, or null */
	struct vm_leaf *recent_leaf; /* that leaf_make found or made last, or null */
	struct vm_region **regions; /* sorted by address */
	uint32_t region_count, region_room;
	struct vm_slot *slots;
	uint32_t slot_count, slot_room;
	uint64_t brk_start, brk;
	uint64_t mmap_top;    /* where the search for room starts, downwards */
	uint64_t resident;    /* pages bound */
	bool given_up;        /* its page tables could not be mended (mend.c): no fault is, until everything is unmapped */
	uint64_t stack_limit; /* bytes that a VM_GROWS_DOWN area may grow to */
};

struct vm *vm_create(env_id env);	     /* null: out of memory */
int vm_fork(struct vm *from, struct vm *to); /* copy on write, both ways */
void vm_clear(struct vm *vm);		     /* unmaps everything of the program's: frames, page tables */
void vm_destroy(struct vm *vm);		     /* after vm_clear, or when its environment is gone */

/* Maps [start, start+length): all page aligned. Replaces what was there. Takes a reference to the inode. 0 or -errno.
 */
int vm_map(struct vm *vm, uint64_t start, uint64_t length, uint32_t flags, struct inode *inode, uint64_t offset,
	uint64_t file_end);
/* The highest free range below mmap_top, or 0. */
uint64_t vm_find_room(struct vm *vm, uint64_t length);
uint64_t vm_find_room_below(struct vm *vm, uint64_t length, uint64_t top);
bool vm_range_free(struct vm *vm, uint64_t start, uint64_t length);
int vm_unmap(struct vm *vm, uint64_t start, uint64_t length);
int vm_protect(struct vm *vm, uint64_t start, uint64_t length, uint32_t flags);
int vm_remap(struct vm *vm, uint64_t old, uint64_t old_length, uint64_t new_length, bool may_move, uint64_t *out);
/* Moves what is mapped at `old` to `to`, where there must be nothing. */
int vm_move(struct vm *vm, uint64_t old, uint64_t length, uint64_t to, uint64_t new_length);
bool vm_range_mapped(struct vm *vm, uint64_t start, uint64_t length); /* wholly in areas */
/* Forgets pages and page tables whose frames are the domain's no more (revoke.h); returns how many. */
uint32_t vm_lose(struct vm *vm);
/* Takes out the pages of a file that is not always in memory, from page `first` of it on; null: of all such files. How many. Not for who is in the middle of a change of an address space. */
uint32_t vm_drop_file(struct vm *vm, const struct inode *inode, uint64_t first);
bool vm_resident(struct vm *vm, uint64_t address); /* is there a frame: of the page table's, or of the inode's */
int vm_populate(struct vm *vm, uint64_t start, uint64_t length); /* every page; 0 or what the first failure was */
int vm_discard(struct vm *vm, uint64_t start, uint64_t length); /* anonymous pages read as zero again */
uint64_t vm_set_brk(struct vm *vm, uint64_t brk);		/* returns the break that is now in force */
struct vm_area *vm_area_at(struct vm *vm, uint64_t address);
uint64_t vm_mapped(struct vm *vm); /* bytes in areas */
/* Bytes of a range that are in memory: in all; with each page's divided by the number of its users; shared with others, or not; a file's still (clean), or not. */
struct vm_usage {
	uint64_t resident, proportional, shared_clean, shared_dirty, private_clean, private_dirty;
};
struct vm_usage vm_usage(struct vm *vm, uint64_t start, uint64_t end);

/* A region at *start (0: wherever there is room, told there) that the program manages: multiples of 2 MiB. 0, -EINVAL, -EEXIST, -ENOMEM. */
int64_t vm_region_make(struct vm *vm, uint64_t *start, uint64_t length);
/* The frame of the hardware's page table for the 2 MiB around an address in a region, or -EINVAL, -ENOMEM. */
int64_t vm_region_leaf(struct vm *vm, uint64_t address);
/* Is it in a region? For the current process, which alone changes its areas: the lock need not be held. */
bool vm_region_at(struct vm *vm, uint64_t address);

/* After vm_clear: unbinds what a program has bound by itself where the vm has no tables. */
void vm_sweep(env_id env);

/* A page fault of the current process: 0 when it is mended, else -EFAULT (no area: SEGV_MAPERR), -EACCES
 * (protection: SEGV_ACCERR), -EIO, -ENOSPC (past the end of the inode, or it cannot be read or has no place: SIGBUS) or -ENOMEM.
 * A page that has to come from a disk is waited for: 0 means that the access is to be made again, which may find it missing again. At once:
 * -EAGAIN instead, for when the library itself touches the program's memory, and must not lose the lock. */
int vm_fault(struct vm *vm, uint64_t address, bool write, bool exec);
int vm_fault_at_once(struct vm *vm, uint64_t address, bool write, bool exec);
/* The frame at a page of an address space, brought in (and made private if `write`) if need be; for a parent that
 * writes its child's stack. NO_FRAME on failure. The reference stays with the address space. */
frame_t vm_page(struct vm *vm, uint64_t address, bool write);
