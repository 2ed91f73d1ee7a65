/* Entries of attackers and their servers. */
#define CALL_SLEEP (-256 - 13)
#define UPCALL 0x100000000000
#define KEPT_STACK (UPCALL + 2048) /* in the environment's own page, behind what the harness has there */
#define CALL_TRANSFER_BACK (-256 - 17)

	.text
/* An asynchronous entry: sleeps again, for ever. */
	.globl async_entry
async_entry:
	xor %edi, %edi
	xor %esi, %esi
	xor %edx, %edx
	mov $CALL_SLEEP, %rax
	syscall
	ud2

/* A transfer entry that does not answer but sleeps, with an alarm that is far away: its caller waits meanwhile. When it is woken it answers. */
	.globl sleeping_entry
sleeping_entry:
	mov $1 << 16, %edi /* EVENT_NOTIFY(0) */
	mov $-1, %rsi
	shr $1, %rsi
	xor %edx, %edx
	mov $CALL_SLEEP, %rax
	syscall
	mov $CALL_TRANSFER_BACK, %rax
	syscall
	ud2

/* An event entry as the harness's, but what it does is the attacker's (attack_told, where a test has one). */
	.weak attack_told
	.globl attack_entry
attack_entry:
	movabs $UPCALL, %rcx
	mov 240(%rcx), %rsp
	.irp offset, 248, 240, 232, 224, 216, 192, 184 /* what iretq takes, rcx, r11 */
	push \offset(%rcx)
	.endr
	.irp register, rax, rdx, rsi, rdi, r8, r9, r10, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	movq $0, 8(%rcx)
	movl $0, (%rcx)
	call attack_told
	.irp register, r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdi, rsi, rdx, rax, r11, rcx
	pop %\register
	.endr
	iretq

/* Functions for attempt(), with the harness's registers saved by it. */
/* void do_ud2_on(void *stack): an exception with that stack pointer. */
	.globl do_ud2_on
do_ud2_on:
	mov %rdi, %rsp
	ud2

/* void do_spin_on(void *stack): for ever, so that the next upcall comes with that stack pointer. */
	.globl do_spin_on
do_spin_on:
	mov %rdi, %rsp
1:	pause
	jmp 1b

/* int64_t call_on(uint64_t stack, uint32_t call, uint64_t a, uint64_t b): a kernel call with that stack pointer. */
	.globl call_on
call_on:
	.irp register, rbx, rbp, r12, r13, r14, r15
	push %\register
	.endr
	movabs $KEPT_STACK, %r8
	mov %rsp, (%r8)
	mov %rdi, %rsp
	mov $-256, %rax
	mov %esi, %esi
	sub %rsi, %rax
	mov %rdx, %rdi
	mov %rcx, %rsi
	syscall
	movabs $KEPT_STACK, %r8
	mov (%r8), %rsp
	.irp register, r15, r14, r13, r12, rbp, rbx
	pop %\register
	.endr
	ret

/* void do_iretq(void *frame): rip, cs, rflags, rsp, ss. */
	.globl do_iretq
do_iretq:
	.irp word, 32, 24, 16, 8, 0
	push \word(%rdi)
	.endr
	iretq

/* void do_flags(void *rflags): a cheap and a full kernel call, and then an exception, with these flags. */
	.globl do_flags
do_flags:
	push %rdi
	popfq
	mov $-256, %rax
	syscall
	push %rdi
	popfq
	mov $-256 - 25, %rax
	xor %edi, %edi
	syscall
	ud2

/* void do_gs_base(void *base): kernel calls and then an exception with that GS base, and with segments reloaded. */
	.globl do_gs_base
do_gs_base:
	wrgsbase %rdi
	mov $-256 - 25, %rax
	syscall
	mov %ss, %eax
	.irp segment, ds, es, fs, gs
	mov %eax, %\segment
	.endr
	mov $-256 - 25, %rax
	syscall
	wrgsbase %rdi
	ud2

/* void do_segment(void *selector): a segment that users do not have. */
	.globl do_segment
do_segment:
	mov %edi, %ds
	ret

/* void do_foreign(void *number): a system call that is not the kernel's. */
	.globl do_foreign
do_foreign:
	mov %rdi, %rax
	syscall
	ret

/* void do_last(void *place): the null call in a page's last instruction: what follows it is where users' addresses end. */
	.globl do_last
do_last:
	mov $-256, %rax
	jmp *%rdi
	.globl last_instruction
last_instruction:
	syscall

/* void do_deny(void *): denies itself all data, by protection keys, and gives the CPU away for ever. */
	.globl do_deny
do_deny:
	xor %ecx, %ecx
	xor %edx, %edx
	mov $-1, %eax
	wrpkru
1:	mov $-256 - 12, %rax
	xor %edi, %edi
	syscall
	jmp 1b

	.section .note.GNU-stack, "", @progbits
