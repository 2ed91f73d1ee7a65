/* What processes need to know of the processor, other than signal frames. */
#include <aegis/upcall.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/x86_64/entry.h>

#define FLAGS_FIRST 0x202 /* interrupts on, and the bit that is always 1 */
#define MXCSR_OFFSET 24
#define MXCSR_FIRST 0x1f80
#define SYSCALL_LENGTH 2

void processor_first_regs(struct regs *regs, uint64_t rip, uint64_t rsp)
{
	*regs = (struct regs){.cause = CAUSE_EVENT, .rip = rip, .cs = USER_CS, .rflags = FLAGS_FIRST, .rsp = rsp, .ss = USER_SS};
}

void processor_first_vectors(uint8_t *xsave)
{
	uint32_t mxcsr = MXCSR_FIRST;

	/* A header of zeros says that everything is as after a reset, but MXCSR is loaded even then. */
	memcpy(xsave + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

uint64_t processor_features(void)
{
	static uint32_t features; /* never changes; asked once, because a virtual machine pays dearly for cpuid */
	uint32_t a = 1, b, c = 0;

	if (!features)
		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(features));
	return features;
}

void processor_restart_call(struct regs *regs)
{
	regs->rip -= SYSCALL_LENGTH;
	regs->rax = regs->error;
}
