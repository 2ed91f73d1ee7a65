/* The Linux personality: what an unmodified program's system call means in terms of ExOS's interfaces.
 *
 * A thin layer: decoding of arguments and of Linux's structures, nothing else. calls.h is its table. A handler gets
 * the program's registers, returns the result or -errno, and is entered with the domain lock held. */
#pragma once

#include <exos/base.h>
#include <exos/lock.h>
#include <exos/proc/proc.h>
#include <exos/regs.h>
#include <exos/self.h>
#include <exos/vm/copy.h>

/* The arguments. */
#define A0(r) ((r)->rdi)
#define A1(r) ((r)->rsi)
#define A2(r) ((r)->rdx)
#define A3(r) ((r)->r10)
#define A4(r) ((r)->r8)
#define A5(r) ((r)->r9)
#define ADDRESS(type, value) ((type *)(uintptr_t)(value)) /* a program address: only for copy_in and copy_out */

#define LINUX_CALL_DECLARE(number, name) int64_t linux_##name(struct regs *r);
#include <exos/linux/calls.h>
LINUX_CALLS(LINUX_CALL_DECLARE)
LINUX_REGS_CALLS(LINUX_CALL_DECLARE)
#undef LINUX_CALL_DECLARE

/* For x86_64/entry.S. A handler is called with the lock held and the call's number in r->rax; of the other registers only those are there that it may have
 * arguments in, rip, rsp and the flags. */
extern int64_t (*const exos_calls[])(struct regs *r);
/* Before the program goes on, if something is due: with all registers, the result in rax, the number in r->error. */
void exos_foreign_due(struct regs *r);
/* From a handler that has put all of the program's registers in place of its own. Gives the lock. */
_Noreturn void exos_foreign_go(struct regs *r);

struct linux_timespec {
	int64_t seconds, nanoseconds;
};
/* linux/time.c: ns from a program's timespec (-EFAULT, -EINVAL), and back. */
int linux_time_in(const struct linux_timespec *program, uint64_t *ns);
int linux_time_out(struct linux_timespec *program, uint64_t ns);
