/* Every way into the kernel, and the ways out of it.
 *
 * In the kernel interrupts are off, always, but for the idle wait. The kernel's GS base is in effect between the
 * swapgs of an entry and that of an exit. The upcall page of the current environment is found through the task-state segment: rsp[0]
 * in it, where the CPU pushes the state of an interrupted user program, is byte 256 of that page (include/aegis/upcall.h). */

#define CPU_CURRENT %gs:8
#define CPU_SCRATCH %gs:16
#define CPU_STACK %gs:24
#define CPU_UPCALL_END %gs:40

/* struct env (env.h asserts these) */
#define ENV_ENTRY_EXCEPTION 8
#define ENV_ENTRY_FOREIGN 24
#define ENV_ENTRY_TRANSFER 32
#define ENV_ROOT 40
#define ENV_RIP 48
#define ENV_RSP 56
#define ENV_ID 80
#define ENV_STATE 84
#define ENV_PEER 88
#define ENV_INFO 96
#define ENV_WANTED 104
#define INFO_STATE 12 /* struct aegis_env_info */
#define ENV_SLOT_MASK 0xfffff
#define STATE_RUNNABLE 1
#define STATE_SLEEPING 2
#define STATE_AWAY 3

/* struct aegis_upcall, from its byte 256 */
#define UPCALL_FOREIGN_RIP (32 - 256)
#define UPCALL_FOREIGN_RFLAGS (40 - 256)

#define FLAGS_USER 0x202
#define CALL_COUNT 20

	.text

/* ---- System calls -----------------------------------------------------------------------------------------------------
 * in:  rax number; rcx user rip; r11 user flags; all others the user's, rsp too. Interrupts off (SFMASK).
 * A number without bit 31, or beyond the table, is foreign: back to user mode at the environment's foreign entry, rip and flags left in the upcall
 * page, every register but rcx untouched. 13 instructions with the syscall itself. */
	.align 16
	.globl entry_syscall
entry_syscall:
	test %eax, %eax
	jns 1f
	btr $31, %eax
	cmp $CALL_COUNT, %eax
	jae 2f
	jmp *call_entries(,%rax,8)

2:	bts $31, %eax /* none of ours either */
1:	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_UPCALL_END, %rsp
	mov %rcx, UPCALL_FOREIGN_RIP(%rsp)
	mov %r11, UPCALL_FOREIGN_RFLAGS(%rsp)
	mov CPU_CURRENT, %rcx
	mov ENV_ENTRY_FOREIGN(%rcx), %rcx
	mov CPU_SCRATCH, %rsp
	swapgs
	sysretq

/* The null call: the floor of what a call costs. */
	.globl entry_call_null
entry_call_null:
	xor %eax, %eax
	sysretq

/* A call written in C. Stack for C, from the top: user rsp, rip, flags (struct call_return). Callee-saved registers are the user's
 * all along; the others come back as zero, so that nothing of the kernel's shows. */
	.globl entry_call_full
entry_call_full:
	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_STACK, %rsp
	push CPU_SCRATCH
	push %rcx
	push %r11
	push $0 /* alignment */
	mov %r10, %rcx
	call *call_handlers(,%rax,8)
	add $8, %rsp
	xor %edi, %edi
	xor %esi, %esi
	xor %edx, %edx
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	pop %r11
	pop %rcx
	pop %rsp
	swapgs
	sysretq

/* ---- Protected control transfer (paper 5.5) ----------------------------------------------------------------------------
 * in:  edi callee; out, at the callee's transfer entry: eax caller, every other register but rcx and r11 as the caller left it, so that
 * they carry the message. The callee must sleep and have a transfer entry; where it sleeps is not disturbed. No stack is used: rsp holds
 * the caller's struct env. The running slice goes on; the caller's other slices follow it through `peer` (slice.c). */
	.macro find_env id, fail
	mov \id, %eax
	and $ENV_SLOT_MASK, %eax
	cmp env_slots(%rip), %eax
	jae \fail
	mov env_table(%rip), %rcx
	mov (%rcx,%rax,8), %rcx
	test %rcx, %rcx
	jz \fail
	cmp \id, ENV_ID(%rcx)
	jne \fail
	.endm
	.macro set_state env, state
	movl $\state, ENV_STATE(\env)
	mov ENV_INFO(\env), %rax
	movl $\state, INFO_STATE(%rax)
	.endm
	/* rcx becomes the CPU's current environment. */
	.macro switch_to_rcx
	mov ENV_ROOT(%rcx), %rax
	mov %rax, %cr3
	mov %rcx, CPU_CURRENT
	mov (%rcx), %rax
	mov %rax, CPU_UPCALL_END
	.endm

	.align 16
	.globl entry_call_transfer
entry_call_transfer:
	swapgs
	mov %rsp, CPU_SCRATCH
	mov CPU_CURRENT, %rsp
	mov %rcx, ENV_RIP(%rsp)
	find_env %edi, transfer_no_env
	cmpl $STATE_SLEEPING, ENV_STATE(%rcx)
	jne transfer_bad_state
	cmpq $0, ENV_ENTRY_TRANSFER(%rcx)
	je transfer_bad_state
	mov CPU_SCRATCH, %rax
	mov %rax, ENV_RSP(%rsp)
	mov %edi, ENV_PEER(%rsp)
	set_state %rsp, STATE_AWAY
	set_state %rcx, STATE_RUNNABLE
	switch_to_rcx
	mov ENV_ID(%rsp), %eax
	mov ENV_ENTRY_TRANSFER(%rcx), %rcx
	mov CPU_SCRATCH, %rsp
	mov $FLAGS_USER, %r11d
	swapgs
	sysretq

/* in:  edi caller, which must be waiting for the current environment; goes on after its transfer with eax 0. The callee sleeps where
 * it did before, unless an event that it wanted has come meanwhile. */
	.align 16
	.globl entry_call_transfer_back
entry_call_transfer_back:
	swapgs
	mov %rsp, CPU_SCRATCH
	mov %rcx, %r11 /* for a refusal */
	mov CPU_CURRENT, %rsp
	find_env %edi, transfer_back_no_env
	cmpl $STATE_AWAY, ENV_STATE(%rcx)
	jne transfer_back_bad_state
	mov ENV_ID(%rsp), %eax
	cmp %eax, ENV_PEER(%rcx)
	jne transfer_back_bad_state
	set_state %rcx, STATE_RUNNABLE
	mov CPU_UPCALL_END, %rax
	mov 8-256(%rax), %rax /* upcall.pending */
	test %rax, ENV_WANTED(%rsp)
	jnz 1f
	set_state %rsp, STATE_SLEEPING
1:	switch_to_rcx
	xor %eax, %eax
	mov ENV_RSP(%rcx), %rsp
	mov ENV_RIP(%rcx), %rcx
	mov $FLAGS_USER, %r11d
	swapgs
	sysretq

transfer_no_env:
	mov ENV_RIP(%rsp), %rcx
	mov $-7, %rax /* E_NOENV */
	jmp 1f
transfer_bad_state:
	mov ENV_RIP(%rsp), %rcx
	mov $-11, %rax /* E_STATE */
	jmp 1f
transfer_back_no_env:
	mov %r11, %rcx
	mov $-7, %rax
	jmp 1f
transfer_back_bad_state:
	mov %r11, %rcx
	mov $-11, %rax
1:	mov CPU_SCRATCH, %rsp
	mov $FLAGS_USER, %r11d
	swapgs
	sysretq

/* ---- Exceptions -------------------------------------------------------------------------------------------------------
 * From user mode the CPU has pushed ss, rsp, rflags, cs, rip (and an error code) into the upcall page itself. 15 to 17 instructions
 * from here to the environment's handler. What is read back from the page is believed by nobody but the user: rsp, and the flag, which
 * can only stop its own environment. From kernel mode the frame is on the kernel stack, above KERNEL_BASE: bit 46. */
#define UPCALL_DISABLED(depth) ((depth)-256)
#define FRAME_RSP(depth) (240 - 256 + (depth))

	.macro exception vector, has_error
	.align 16
exception_\vector:
	.if !\has_error
	push $0
	.endif
	push $\vector
	push %rcx
	push %r11
	bt $46, %rsp
	jc exception_in_kernel
	cmpl $0, UPCALL_DISABLED(72)(%rsp)
	jne exception_undeliverable
	movl $1, UPCALL_DISABLED(72)(%rsp)
	.if \vector == 14
	mov %cr2, %r11
	mov %r11, -8(%rsp)
	.endif
	swapgs
	mov CPU_CURRENT, %rcx
	mov ENV_ENTRY_EXCEPTION(%rcx), %rcx
	swapgs
	mov $FLAGS_USER, %r11d
	mov FRAME_RSP(72)(%rsp), %rsp
	sysretq
	.endm

	exception 0, 0
	exception 1, 0
	exception 3, 0
	exception 4, 0
	exception 5, 0
	exception 6, 0
	exception 7, 0
	exception 9, 0
	exception 10, 1
	exception 11, 1
	exception 12, 1
	exception 13, 1
	exception 14, 1
	exception 15, 0
	exception 16, 0
	exception 17, 1
	exception 19, 0
	exception 20, 0
	exception 21, 1

/* rsp in the upcall page: r11, rcx, vector, error, iret frame. To C on the kernel stack: exception_stop never returns. */
exception_undeliverable:
	swapgs
	mov %rsp, %rdi
	mov CPU_STACK, %rsp
	cld
	call exception_stop

/* The same frame on the kernel stack: a fault of a guarded copy goes on at its fixup, anything else is a bug. */
exception_in_kernel:
	lea exception_guarded_start(%rip), %rcx
	cmp %rcx, 32(%rsp)
	jb 1f
	lea exception_guarded_end(%rip), %rcx
	cmp %rcx, 32(%rsp)
	jae 1f
	lea exception_guarded_fixup(%rip), %rcx
	mov %rcx, 32(%rsp)
	pop %r11
	pop %rcx
	add $16, %rsp
	iretq
1:	pop %r11
	pop %rcx
	sub $120, %rsp /* the rest of struct trap */
	call store_registers
	mov %rsp, %rdi
	call kernel_fault

/* Double fault, NMI, machine check: on their own stack (IST 2). */
	.macro grave vector, has_error
	.align 16
exception_\vector:
	.if !\has_error
	push $0
	.endif
	push $\vector
	sub $120, %rsp
	call store_registers
	mov %rsp, %rdi
	call kernel_fault
	.endm
	.align 16
exception_2: /* NMI: nothing here raises one */
	iretq
	grave 8, 1
	grave 18, 0

/* Fills struct trap's general registers below its caller's return address; rsp on entry: return address, trap. */
store_registers:
	mov %r15, 8(%rsp)
	mov %r14, 16(%rsp)
	mov %r13, 24(%rsp)
	mov %r12, 32(%rsp)
	mov %rbp, 40(%rsp)
	mov %rbx, 48(%rsp)
	mov %r11, 56(%rsp)
	mov %r10, 64(%rsp)
	mov %r9, 72(%rsp)
	mov %r8, 80(%rsp)
	mov %rax, 88(%rsp)
	mov %rcx, 96(%rsp)
	mov %rdx, 104(%rsp)
	mov %rsi, 112(%rsp)
	mov %rdi, 120(%rsp)
	ret

/* ---- Interrupts -------------------------------------------------------------------------------------------------------
 * On the kernel stack (IST 1). The C handler returns only to the interrupted user code. */
	.macro interrupt vector
	.align 16
interrupt_\vector:
	push $0
	push $\vector
	jmp interrupt_common
	.endm
	interrupt 32
	interrupt 33
	interrupt 34
	interrupt 255

interrupt_common:
	sub $120, %rsp
	call store_registers
	cld
	testb $3, 144(%rsp) /* trap.cs: 120 + 3 * 8 */
	jz 1f
	swapgs
1:	mov %rsp, %rdi
	call interrupt
	mov %rsp, %rdi

/* rdi: struct trap. Restores everything and goes to user mode. */
	.globl resume_trap
resume_trap:
	mov %rdi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $16, %rsp
	swapgs
	iretq

/* void resume_call(uint64_t rax, uint64_t rip, uint64_t rsp, uint64_t rdi): into an environment that gave the CPU away by a call. Every other register is cleared: the
 * last user's are none of its business. */
	.globl resume_call
resume_call:
	mov %rdi, %rax
	mov %rcx, %rdi
	mov %rsi, %rcx
	mov %rdx, %rsp
	mov $FLAGS_USER, %r11d
	xor %ebx, %ebx
	xor %edx, %edx
	xor %esi, %esi
	xor %ebp, %ebp
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	swapgs
	sysretq

/* ---- User memory ------------------------------------------------------------------------------------------------------
 * int64_t copy_guarded(void *to, const void *from, size_t words): copies 8-byte words; 0, or -2 (E_FAULT) if user memory faulted.
 * copy_guarded_bytes: the same by bytes. The caller has checked that the user's range lies below AEGIS_USER_TOP. With SMAP only these reach user memory. */
	.align 16
	.globl copy_guarded
copy_guarded:
	mov smap_enabled(%rip), %al
	test %al, %al
	jz exception_guarded_start
	stac
exception_guarded_start:
	cmp $4, %rdx
	jb 1f
0:	mov (%rsi), %rax
	mov %rax, (%rdi)
	mov 8(%rsi), %rax
	mov %rax, 8(%rdi)
	mov 16(%rsi), %rax
	mov %rax, 16(%rdi)
	mov 24(%rsi), %rax
	mov %rax, 24(%rdi)
	add $32, %rsi
	add $32, %rdi
	sub $4, %rdx
	cmp $4, %rdx
	jae 0b
1:	test %rdx, %rdx
	jz 2f
	mov (%rsi), %rax
	mov %rax, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %rdx
	jmp 1b
2:	test %rcx, %rcx
	jz 4f
3:	mov (%rsi), %al
	mov %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %rcx
	jnz 3b
4:	xor %eax, %eax
	jmp copy_guarded_end
exception_guarded_end:
exception_guarded_fixup:
	mov $-2, %rax
copy_guarded_end:
	mov smap_enabled(%rip), %cl
	test %cl, %cl
	jz 5f
	clac
5:	ret

	.section .rodata
	.align 8
	.globl exception_vectors
exception_vectors:
	.quad exception_0, exception_1, exception_2, exception_3, exception_4, exception_5, exception_6, exception_7
	.quad exception_8, exception_9, exception_10, exception_11, exception_12, exception_13, exception_14, exception_15
	.quad exception_16, exception_17, exception_18, exception_19, exception_20, exception_21
	.globl interrupt_vectors
interrupt_vectors:
	.quad interrupt_32, interrupt_33, interrupt_34
	.globl interrupt_spurious
interrupt_spurious:
	.quad interrupt_255

	.section .note.GNU-stack, "", @progbits
