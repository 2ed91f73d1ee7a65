/* Entries of a kernel test's environments. */
#define UPCALL 0x100000000000
#define CAUSE_EVENT 256

	.text
/* The first environment: rdi is the boot page. */
	.globl test_start
test_start:
	lea first_stack_top(%rip), %rsp
	xor %ebp, %ebp
	call test_first
	ud2

/* A child: rdi is its struct child. */
	.globl child_start
child_start:
	call child_run
	ud2

/* struct local */
#define ATTEMPT_STACK 256
#define FRAME 176
#define LAST_FRAME 280
#define REGISTERS 360

/* Upcalls. An event is counted, and at the end of a slice the CPU is yielded; then the interrupted code goes on, all registers as they were.
 * An exception leaves its frame and registers in struct local and unwinds to the innermost attempt() of this environment; without one it is a
 * bug of the test: the second exception stops the environment. */
	.globl upcall_entry
upcall_entry:
	movabs $UPCALL, %rcx
	cmpq $CAUSE_EVENT, 200(%rcx)
	jne exception_taken
	mov 240(%rcx), %rsp
	.irp offset, 248, 240, 232, 224, 216, 192, 184 /* what iretq takes, rcx, r11 */
	push \offset(%rcx)
	.endr
	.irp register, rax, rdx, rsi, rdi, r8, r9, r10, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	movl $0, (%rcx)
	call event_taken
	.irp register, r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdi, rsi, rdx, rax, r11, rcx
	pop %\register
	.endr
	iretq

exception_taken:
	mov %rax, REGISTERS(%rcx)
	.set place, REGISTERS
	.irp register, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15
	.set place, place + 8
	mov %\register, place(%rcx)
	.endr
	.irp offset, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72
	mov FRAME+\offset(%rcx), %rax
	mov %rax, LAST_FRAME+\offset(%rcx)
	.endr
	mov ATTEMPT_STACK(%rcx), %rsp
	test %rsp, %rsp
	jz 1f
	movq $0, ATTEMPT_STACK(%rcx)
	movl $0, (%rcx)
	mov LAST_FRAME+24(%rcx), %rax
	jmp attempt_over
1:	ud2

/* uint64_t attempt(void (*what)(void *), void *argument): calls it; -1 if it returned, else the exception that ended it. */
	.globl attempt
attempt:
	.irp register, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	movabs $UPCALL, %rcx
	mov %rsp, ATTEMPT_STACK(%rcx)
	mov %rdi, %rax
	mov %rsi, %rdi
	sub $8, %rsp
	call *%rax
	add $8, %rsp
	movabs $UPCALL, %rcx
	movq $0, ATTEMPT_STACK(%rcx)
	mov $-1, %rax
attempt_over:
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	ret

/* int64_t switch_call(uint32_t call, uint64_t a, uint64_t b, uint64_t c): yield, sleep, transfer: everything that must live on is saved. */
	.globl switch_call
switch_call:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov $-256, %rax
	mov %edi, %edi
	sub %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	syscall
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* int64_t transfer_message(env_id to, uint64_t *rsi, uint64_t *r15): a transfer that carries two registers there and back. */
	.globl transfer_message
transfer_message:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	push %rdx
	mov (%rdx), %r15
	mov (%rsi), %rsi
	mov $-256 - 15, %rax
	syscall
	pop %rdx
	mov %r15, (%rdx)
	pop %rdx
	mov %rsi, (%rdx)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* A server's transfer entry: adds rsi to r15, and goes back. */
	.globl server_entry
server_entry:
	add %rsi, %r15
	inc %rsi
	mov $-256 - 17, %rax
	syscall
	ud2

	.section .bss
	.align 16
	.skip 16384
first_stack_top:

	.section .note.GNU-stack, "", @progbits
