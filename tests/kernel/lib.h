/* What a kernel test stands on: a program that is the first environment itself, with no library operating system. Its environments share one
 * address range (so globals are shared) and have their upcall pages at the same private address. Output is TAP on the first serial line. */
#pragma once

#include <stdbool.h>

#include <aegis/info.h>
#include <aegis/upcall.h>
#include <aegis/x86_64/stubs.h>

#define REGISTERS 13 /* rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12 to r15 */

struct local { /* the upcall page of each environment, and what the test keeps behind it; start.S knows the offsets */
	struct aegis_upcall upcall;
	uint64_t attempt_stack;               /* 256 */
	volatile uint64_t events, slice_ends; /* taken so far */
	struct aegis_frame last;              /* 280: of the last exception */
	uint64_t registers[REGISTERS];        /* 360: at that exception */
};
#define LOCAL ((struct local *)0x100000000000ul)
#define SCRATCH 0x300000000000ul /* nothing is bound from here on: for the tests */

extern const struct aegis_boot *boot;
extern const struct aegis_info *info;

void test_main(void); /* the test itself */

void print(const char *text, ...) __attribute__((format(printf, 1, 2))); /* %s %d %u %ld %lu %x %lx */
void ok(bool condition, const char *name);
void is(int64_t got, int64_t expected, const char *name);
uint64_t random_next(uint64_t *state); /* the same sequence for the same start */

uint64_t attempt(void (*what)(void *), void *argument);
#define RETURNED UINT64_MAX
void do_read(void *at), do_write(void *at), do_execute(void *at); /* one access */
/* x86_64/instructions.S */
void do_hlt(void *), do_cli(void *), do_out(void *), do_ud2(void *), do_wrmsr(void *), do_lgdt(void *), do_divide(void *),
	do_noncanonical(void *);
int64_t switch_call(uint32_t call, uint64_t a, uint64_t b, uint64_t c);
static inline int64_t yield(env_id to) { return switch_call(CALL_yield, to, 0, 0); }
static inline int64_t sleep_until(uint64_t events, uint64_t deadline) { return switch_call(CALL_sleep, events, deadline, 0); }
static inline int64_t transfer(env_id to) { return switch_call(CALL_transfer, to, 0, 0); }
int64_t transfer_message(env_id to, uint64_t *rsi, uint64_t *r15);
extern char upcall_entry[], server_entry[];

frame_t frame(void); /* one of any, or the test ends */
void give(frame_t f);
frame_t pair(void); /* a frame and the next one: what a page table is made of */
void give_pair(frame_t f);
struct aegis_frame_info frame_in_table(frame_t f); /* the exposed entry */
struct aegis_env_info env_in_table(env_id env);
int64_t bind_once(env_id env, uint64_t va, uint64_t entry); /* one binding; 1, or why not */
int64_t bind(env_id env, uint64_t va, uint64_t entry);      /* adds missing tables, which stay */
uint64_t free_frames(void);

/* Another environment in the same image. */
struct child {
	env_id env;
	frame_t frames[4], tables[3]; /* object, root, upcall, the root's second; tables are pairs */
	void (*run)(void *);
	void *argument;
	volatile bool done; /* `run` has returned */
	uint8_t stack[8192] __attribute__((aligned(16)));
};
#define SAME_ACCOUNT 0
/* Runs `run`, then sleeps for ever; once it is given the CPU. account_limit: SAME_ACCOUNT, or of how many frames in an account of its own. Returns its
 * name; 0: the kernel refused. */
env_id child_make(struct child *c, void (*run)(void *), void *argument, uint64_t account_limit);
bool child_finish(struct child *c); /* gives it the CPU until it is done; false: it was stopped */
const struct local *child_local(const struct child *c); /* to look at, until the next call */
int64_t child_end(struct child *c); /* destroys it and frees its frames; the last step's result */
bool run_child(void (*run)(void *), void *argument, uint64_t account_limit); /* all three */

static inline uint64_t ticks(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}
static inline uint64_t milliseconds(uint64_t n) { return info->tsc_hz / 1000 * n; }
