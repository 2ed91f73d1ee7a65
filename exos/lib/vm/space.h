/* A piece of address space that is an application's own: its page table, of the structure that the application names, its fault handler, and the bits
 * that the hardware keeps (paper 6.2, 7.2).
 *
 * Who calls it: programs that run on ExOS (exos_here, x86_64/calls.h). The library's table says what is mapped; the hardware's is a cache of it,
 * which the kernel may drop entries of at any time: an access that the library's table allows is made good here, and nobody hears of it. What the
 * table does not allow, or does not have, is the application's to decide. The hardware's own entries can be read, as the leaf tables are bound for
 * reading one behind the other: accessed and dirty cost no call. The structure is one argument of space_create, and no other line of the program
 * depends on it.
 *
 * What is promised: a call does all or nothing unless it says how much. A fork's child has none of it but the memory, and may make new ones.
 * Addresses and lengths are in bytes, multiples of FRAME_SIZE unless said; n counts pages. Calls return 0 or a negative Linux error number: EINVAL
 * (not in the space, or rights that cannot be), ENOMEM, EPERM (the kernel does not let this program have that frame so).
 *
 * Not reentrant. A handler that may interrupt these calls (revoke, slice_end) leaves spaces alone: it neither calls nor touches pages that might
 * fault. It may use the pool if space_busy says no. A fault handler interrupts an access to a space and nothing else, and is always free to call. */
#pragma once

#include <errno.h>

#include <aegis/bind.h>
#include <exos/lib/vm/page_table.h>
#include <exos/lib/vm/pool.h>

/* What the hardware has noted before a page was bound anew, which clears it there. The same bits as the hardware's, so that one look sees both. */
#define ENTRY_ACCESSED 0x20ul
#define ENTRY_DIRTY    0x40ul
#define ENTRY_NOTED    (ENTRY_ACCESSED | ENTRY_DIRTY)
#define ENTRY_RIGHTS   (BIND_READ | BIND_WRITE | BIND_EXEC)

/* Errors of a fault (exos/program.h). */
#define FAULT_BOUND 0x01ul /* the page was bound, its rights forbade it */
#define FAULT_WRITE 0x02ul
#define FAULT_FETCH 0x10ul

struct space;
/* A fault that is the application's to decide: a page without an entry is touched for the first time (space_entry says 0); or a page is mapped
 * without the right, for which FAULT_BOUND mostly says that there is no need to look. True: mended, or to be tried again. False: it is an access to
 * nothing, SIGSEGV. Compiled without vector registers if space_start was told so. */
typedef bool space_fault_handler(struct space *, uint64_t address, uint64_t error);

struct space {
	uint64_t start, length;
	uint64_t pages;
	struct page_table *table;
	const uint64_t *hardware; /* the hardware's entry of each page, there when looked at; it changes at any time, but a call to the table is before each look */
	space_fault_handler *fault;
	void *context; /* the application's */
	struct space *next;
};

/* Sets the program's handlers: faults are this library's, the rest of `more` (may be null) is the application's. Without a revoke handler
 * space_revoke is it, without a stack one is set aside. Need not be called: space_create does, with null. */
int space_start(const struct exos_handlers *more);
/* For a program that sets its own handlers: a fault in any space. */
bool space_fault(uint64_t address, uint64_t error);
/* Gives what the pool has, up to what is asked. */
void space_revoke(uint64_t frames, uint64_t deadline);
/* What was interrupted is a change of a space or of the pool. */
bool space_busy(void);

/* start 0: wherever there is room. start and length: multiples of 2 MiB. fault null: space_touch. *s is the caller's memory until space_destroy. Also
 * EEXIST. */
int space_create(struct space *s, const struct page_table_ops *structure, uint64_t start, uint64_t length, space_fault_handler *fault);
/* Its frames go to the pool. Whatever must not (a frame that is mapped twice, or another's) is unmapped before. */
void space_destroy(struct space *s);
/* Another structure for what is mapped, at any time, also from the fault handler. ENOMEM: nothing has changed. Cost: an insert a page. */
int space_switch(struct space *s, const struct page_table_ops *structure);

/* The default handler: a cleared frame of the pool on first touch, to be read and written; the rest is refused. */
bool space_touch(struct space *s, uint64_t address, uint64_t error);

/* Maps a frame, in place of what was there, whose frame is the caller's again. Rights: BIND_READ and what else; 0: mapped, and every access faults. */
int space_map(struct space *s, uint64_t va, frame_t frame, uint64_t rights);
/* ... and n in a row. Returns how many if not all: the next one is what failed; an error if none. */
int64_t space_map_run(struct space *s, uint64_t va, const frame_t *frames, uint64_t n, uint64_t rights);
/* Takes n pages out; frames receives their frames in order, or if null they go to the pool (then none may be mapped elsewhere too). Returns how many
 * were mapped. */
int64_t space_unmap(struct space *s, uint64_t va, uint64_t n, frame_t *frames);
/* The rights of what is mapped among n pages: one entry of the kernel's list for each 2 MiB. What is mapped and not bound stays so, until it is
 * touched. EPERM: of one page nothing has changed; among several is a frame that may not be had so, and who uses the right gets SIGSEGV. */
int space_protect(struct space *s, uint64_t va, uint64_t n, uint64_t rights);
/* What was noted (ENTRY_ACCESSED, ENTRY_DIRTY) of n pages is forgotten. Only pages that have something noted are bound anew. */
int space_forget(struct space *s, uint64_t va, uint64_t n, uint64_t noted);

static inline uint64_t space_page(const struct space *s, uint64_t va) { return (va - s->start) >> FRAME_SHIFT; }

/* What is mapped at an address, or 0. */
static inline uint64_t space_entry(struct space *s, uint64_t va)
{
	uint64_t *entry = va - s->start < s->length ? page_find(s->table, space_page(s, va)) : NULL;

	return entry ? *entry : 0;
}

/* ENTRY_ACCESSED and ENTRY_DIRTY of a page that is mapped; 0 of another. va in the space, not checked. No call. */
static inline uint64_t space_noted(struct space *s, uint64_t va)
{
	uint64_t page = space_page(s, va), *entry = page_find(s->table, page);

	return entry ? (*entry | s->hardware[page]) & ENTRY_NOTED : 0;
}
static inline bool space_dirty(struct space *s, uint64_t va) { return space_noted(s, va) & ENTRY_DIRTY; }
static inline bool space_accessed(struct space *s, uint64_t va) { return space_noted(s, va) & ENTRY_ACCESSED; }
