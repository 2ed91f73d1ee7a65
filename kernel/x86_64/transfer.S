/* Ways from one environment to another without C: protected control transfer, synchronous and asynchronous, and directed yield. Entered from entry.S by the table of
 * calls: rax is used up, rcx holds the user's rip, r11 his flags, interrupts are off. */
#include <kernel/x86_64/offsets.h>

	.text
/* ---- Protected control transfer (paper 5.5) and directed yield -----------------------------------------------------------
 * No stack, no lock: what is to run is claimed by one atomic exchange of its claim word (include/aegis/env.h), by which it is found, its name
 * checked, and its state. Until the CPU is off the page tables of who left, nobody else can have him. */

/* rax: the current environment, which goes on after this call. */
	.macro save_current
	swapgs
	mov CPU_CURRENT, %rax
	mov %rcx, ENV_RIP(%rax)
	mov %rsp, ENV_RSP(%rax)
	.endm
/* Claims the environment named edi if its word is eax (with the rest of rax): its slot is in rcx then. r11 is lost, rax too on failure. */
	.macro claim fail
	mov %edi, %ecx
	and env_slot_mask(%rip), %ecx
	xor %r11d, %r11d
	lock cmpxchg %r11, env_claims(,%rcx,8)
	jne \fail
	.endm
/* The CPU goes to the environment at rcx; r11 is lost. */
	.macro switch_to_rcx
	mov %rcx, CPU_CURRENT
	mov ENV_ROOT(%rcx), %r11
	mov %r11, %cr3
	mov (%rcx), %r11
	mov %r11, CPU_UPCALL_END
	.endm
/* The environment at rax becomes ready to run again, with the result 0 (its `resume` is RESUME_CALL while it runs); rax and r11 are lost. */
	.macro publish_rax
	movq $0, ENV_RESULT(%rax)
	mov ENV_READY(%rax), %r11
	mov ENV_CLAIM(%rax), %rax
	mov %r11, (%rax)
	.endm

/* in:  edi callee; out, at the callee's transfer entry: eax caller, every other register but rcx and r11 as the caller left it, so that
 * they carry the message. The callee sleeps, and where it sleeps is not disturbed. The running slice goes on; the caller's other slices
 * follow it through `peer` (dispatch.c). */
	.align 16
	.globl entry_call_transfer
entry_call_transfer:
	save_current
	mov %edi, %eax
	claim transfer_refused
	mov CPU_CURRENT, %rax
	mov env_table(,%rcx,8), %rcx
	mov %edi, ENV_PEER(%rax)
	switch_to_rcx
	mov %rax, ENV_CALLER(%rcx) /* from here on others can have the caller */
	mov ENV_ID(%rax), %eax     /* its frame is there until every CPU has been out of the kernel: smp_quiesce */
	mov ENV_ENTRY_TRANSFER(%rcx), %rcx
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

/* The same, but nobody waits: the caller is ready to run again. */
	.align 16
	.globl entry_call_transfer_async
entry_call_transfer_async:
	save_current
	cmpl $0, ENV_LISTED(%rax)
	je transfer_list_first
transfer_listed:
	mov %edi, %eax
	claim transfer_refused
	mov CPU_CURRENT, %rax
	mov env_table(,%rcx,8), %rcx
	switch_to_rcx
	mov %rsp, CPU_SCRATCH
	mov ENV_ID(%rax), %esp
	publish_rax
	mov %esp, %eax
	mov CPU_SCRATCH, %rsp
	mov ENV_ENTRY_ASYNC(%rcx), %rcx
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

/* The caller that is being served goes on after its transfer with eax 0, every other register but rcx, r11 and rsp as the callee left it. The callee
 * sleeps where it did before; if events have come meanwhile, C looks whether it wants them. */
	.align 16
	.globl entry_call_transfer_back
entry_call_transfer_back:
	swapgs
	mov CPU_CURRENT, %rax
	xor %r11d, %r11d
	xchg %r11, ENV_CALLER(%rax)
	test %r11, %r11
	jz transfer_back_refused
	mov %r11, %rcx
	switch_to_rcx
	mov ENV_ID(%rax), %r11d
	mov ENV_CLAIM(%rax), %rsp
	xchg %r11, (%rsp) /* idle: from here on others can have it; and what they wrote to its upcall page before is seen below */
	mov (%rax), %rsp
	cmpq $0, UPCALL_PENDING(%rsp)
	jne transfer_back_look
transfer_back_looked:
	xor %eax, %eax
	mov ENV_RSP(%rcx), %rsp
	mov ENV_RIP(%rcx), %rcx
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

/* C from a path whose message registers are to be kept. */
	.macro call_kept function
	mov CPU_STACK, %rsp
	.irp register, rcx, rdi, rsi, rdx, r8, r9, r10, rax
	push %\register
	.endr
	mov %rax, %rdi
	mov ENV_ID(%rax), %esi
	cld
	call \function
	.irp register, rax, r10, r9, r8, rdx, rsi, rdi, rcx
	pop %\register
	.endr
	.endm

/* rax: the callee, perhaps another's by now; rcx: the current environment. */
transfer_back_look:
	call_kept transfer_look
	jmp transfer_back_looked

/* rax: the current environment, which its slices must find when it is ready. */
transfer_list_first:
	call_kept transfer_list
	mov ENV_RSP(%rax), %rsp
	jmp transfer_listed

/* The rest of the slice goes to edi, if that gave the CPU away by a call itself; otherwise, and for 0 (whose claim word is never 0), C decides. The registers stay as they
 * are but for rax, rcx, r11, and rsp, which is the other's. */
	.align 16
	.globl entry_call_yield
entry_call_yield:
	save_current
	cmpl $0, ENV_LISTED(%rax) /* woken into a transfer: it is to be gone round to again */
	je yield_in_c
	mov %edi, %eax
	bts $CLAIM_READY_BIT, %rax
	claim yield_in_c
	mov env_table(,%rcx,8), %rcx
	cmpl $RESUME_CALL, ENV_RESUME(%rcx)
	jne yield_unclaim
	mov CPU_CURRENT, %rax
	mov %rcx, CPU_CURRENT
	mov ENV_ROOT(%rcx), %r11
	mov %r11, %cr3
	mov (%rcx), %rsp
	mov %rsp, CPU_UPCALL_END
	mov CPU_SLICE_END, %r11
	mov %r11, UPCALL_SLICE_END(%rsp)
	mov CPU_NUMBER, %r11d
	mov %r11d, UPCALL_CPU(%rsp)
	publish_rax
	mov ENV_RESULT(%rcx), %rax
	mov ENV_RSP(%rcx), %rsp
	mov ENV_RIP(%rcx), %rcx
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

yield_unclaim: /* rcx: claimed */
	mov ENV_READY(%rcx), %r11
	mov ENV_CLAIM(%rcx), %rax
	mov %r11, (%rax)
yield_in_c:
	mov CPU_CURRENT, %rax
	mov ENV_RIP(%rax), %rcx
	mov $FLAGS_USER_BITS, %r11d
	mov $CALL_LAST - NUMBER_YIELD, %rax
	swapgs
	jmp entry_call_full

/* Not claimed: is there no such environment, or is it not asleep? */
transfer_refused:
	mov env_table(,%rcx,8), %rcx
	test %rcx, %rcx
	jz 1f
	cmp %edi, ENV_ID(%rcx)
	jne 1f
	mov $-ERROR_STATE, %rax
	jmp 2f
1:	mov $-ERROR_NOENV, %rax
2:	mov CPU_CURRENT, %rcx
	mov ENV_RIP(%rcx), %rcx
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

transfer_back_refused: /* rcx: the user's rip still */
	mov $-ERROR_STATE, %rax
	mov $FLAGS_USER_BITS, %r11d
	swapgs
	sysretq

	.section .note.GNU-stack, "", @progbits
