/* The machine that the kernel runs on in these tests: a piece of physical memory with holes, two CPUs with what they remember of translations, and
 * a piece of user memory. CPUs take turns: whoever is asked something by an interrupt does it at once. */
#pragma once

#include <kernel/bind.h>
#include <kernel/call.h>
#include <kernel/frame.h>

#define MACHINE_FRAMES 400u
#define MACHINE_SLOTS 16u
#define MACHINE_POSITIONS 80u /* more than one word of the runnable map */
#define MACHINE_CPUS 2u
#define MACHINE_FILTERS 200u /* there is no device: only what accounts may hold of them is tried */
#define USER_BASE 0x10000000ul
#define USER_SIZE 0x10000ul
#define USER_END (USER_BASE + USER_SIZE) /* nothing is there */
#define KERNEL_MARK(slot) ((uint64_t)(slot) << 12 | 1) /* what a root's kernel half holds */

/* Boots: tables, free frames, the first environment with all limits, current on CPU 0. */
struct env *machine_boot(void);
extern const uint64_t machine_key[2]; /* that of the published vectors */
extern bool machine_user_opened;
extern bool machine_told[MACHINE_CPUS]; /* VECTOR_LOOK has come */
extern uint64_t machine_shootdowns;
static inline void *user(uint64_t address) { return (void *)address; }
bool user_reaches(uint64_t address, size_t n);
struct aegis_slice_info *machine_slices(uint32_t cpu);

/* What CPUs remember of translations: page-table entries of the addresses that the tests use. */
extern uint64_t machine_cr3[MACHINE_CPUS];
#define TLB_PAGES 128u /* 2 * 2 * 2 * 16 addresses */
extern uint64_t machine_tlb[MACHINE_CPUS][TLB_PAGES];
uint64_t tlb_address(uint32_t i);
uint64_t machine_walk(uint64_t root, uint64_t va); /* the page's entry as the CPU finds it, or 0 */

/* TAP, and chance. */
void ok(int good, const char *what, ...) __attribute__((format(printf, 2, 3)));
int done_testing(void);            /* the exit status */
extern uint64_t random_state;
uint64_t random_below(uint64_t n);
