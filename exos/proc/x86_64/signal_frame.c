/* The frame that a handler finds on the program's stack, as programs for this architecture expect it: return address, ucontext with all
 * registers, siginfo, and above them the vector state in xsave format. */
#include <exos/proc/x86_64/processor.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/vm/copy.h>
#include <exos/x86_64/entry.h>

#define RED_ZONE 128 /* below the stack pointer, the program's without asking */
#define VECTORS_ALIGNMENT 64
#define VECTORS_MAGIC1 0x46505853u
#define VECTORS_MAGIC2 0x46505845u
#define VECTORS_LEGACY 512
#define FLAGS_RESTORED 0x50dd5ul /* arithmetic flags, TF, DF, RF, AC */
#define FLAGS_FIXED 0x202ul
#define FLAGS_HANDLER_CLEARS 0x10500ul /* TF, DF, RF */
#define CONTEXT_FLAGS 7ul /* vectors in xsave format; ss is valid and restored */
#define MXCSR_VALID 0xffffu

struct context_stack {
	uint64_t base;
	uint32_t flags, padding;
	uint64_t size;
};
struct context {
	uint64_t flags, link;
	struct context_stack stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, address, vectors, reserved[8];
	uint64_t mask;
};
struct frame {
	uint64_t return_address;
	struct context context;
	uint8_t info[SIGNAL_INFO_SIZE];
};
/* In the part of the legacy area that is left to software. */
struct vectors_note {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t size, padding[7];
};
#define VECTORS_NOTE 464
struct vectors_header {
	uint64_t in_use, compaction, reserved[6];
};

static uint64_t enabled_features(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (uint64_t)high << 32;
}

uint64_t processor_signal_frame_size(void)
{
	return RED_ZONE + sizeof(struct frame) + 16 + machine_info->xsave_size + sizeof(uint32_t) + VECTORS_ALIGNMENT;
}

void signal_info_pack(uint8_t to[SIGNAL_INFO_SIZE], const struct signal_info *info)
{
	int32_t *words = (int32_t *)(void *)to;
	bool fault = info->code > 0 && info->code != SIGNAL_KERNEL &&
		     (info->number == SIGSEGV || info->number == SIGBUS || info->number == SIGILL || info->number == SIGFPE || info->number == SIGTRAP);

	memset(to, 0, SIGNAL_INFO_SIZE);
	words[0] = info->number;
	words[2] = info->code;
	if (fault) {
		memcpy(&words[4], &info->address, sizeof(info->address));
		return;
	}
	words[4] = info->pid;
	words[5] = (int32_t)info->uid;
	if (info->number == SIGCHLD)
		words[6] = info->status;
	else
		memcpy(&words[6], &info->value, sizeof(info->value));
}

static bool on_stack(const struct signals *s, uint64_t rsp) { return s->stack_size && rsp - s->stack_base - 1 < s->stack_size; }

static void fill_context(struct context *c, const struct regs *r, const struct signals *s, signal_set mask)
{
	*c = (struct context){
		.flags = CONTEXT_FLAGS,
		.stack = {.base = s->stack_base, .size = s->stack_size,
			.flags = s->stack_size ? s->stack_flags | (on_stack(s, r->rsp) ? STACK_ON : 0) : STACK_DISABLED},
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11, .r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.rdi = r->rdi, .rsi = r->rsi, .rbp = r->rbp, .rbx = r->rbx, .rdx = r->rdx, .rax = r->rax, .rcx = r->rcx,
		.rsp = r->rsp, .rip = r->rip, .rflags = r->rflags, .cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss,
		.mask = mask, .old_mask = mask,
	};
	if (r->cause < 32) {
		c->error = r->error;
		c->trap = r->cause;
		c->address = r->address;
	}
}

/* self->xsave serves as the buffer: outside of a switch it holds nothing. */
static int push_vectors(uint64_t at)
{
	uint32_t size = machine_info->xsave_size, magic2 = VECTORS_MAGIC2;
	struct vectors_note note = {VECTORS_MAGIC1, size + sizeof(magic2), enabled_features(), size, {0}};

	exos_fpu_save(self->xsave);
	if (copy_out((void *)at, self->xsave, size) || copy_out((void *)(at + VECTORS_NOTE), &note, sizeof(note)))
		return -EFAULT;
	return copy_out((void *)(at + size), &magic2, sizeof(magic2));
}

int signal_frame_push(struct regs *regs, struct signals *s, const struct signal_info *info, const struct signal_action *action, signal_set mask)
{
	struct frame frame;
	uint64_t sp = regs->rsp - RED_ZONE, vectors;

	if (!(action->flags & ACTION_RESTORER))
		return -EFAULT;
	if (action->flags & ACTION_ONSTACK && s->stack_size && !on_stack(s, regs->rsp))
		sp = s->stack_base + s->stack_size;
	vectors = ROUND_DOWN(sp - machine_info->xsave_size - sizeof(uint32_t), VECTORS_ALIGNMENT);
	sp = ROUND_DOWN(vectors - sizeof(frame), 16) - 8; /* as after a call */
	fill_context(&frame.context, regs, s, mask);
	frame.return_address = action->restorer;
	frame.context.vectors = vectors;
	signal_info_pack(frame.info, info);
	if (push_vectors(vectors) || copy_out((void *)sp, &frame, sizeof(frame)))
		return -EFAULT;
	if (s->stack_flags & STACK_AUTODISARM) {
		s->stack_base = s->stack_size = 0;
		s->stack_flags = STACK_DISABLED;
	}
	regs->rdi = (uint64_t)info->number;
	regs->rsi = sp + offsetof(struct frame, info);
	regs->rdx = sp + offsetof(struct frame, context);
	regs->rax = 0;
	regs->rsp = sp;
	regs->rip = action->handler;
	regs->rflags &= ~FLAGS_HANDLER_CLEARS;
	return 0;
}

/* What the program left in its frame goes into registers only as far as the CPU takes it: xrstor refuses (faults on) anything else. */
static int pop_vectors(uint64_t at)
{
	struct vectors_header *header = (void *)(self->xsave + VECTORS_LEGACY);
	struct vectors_note *note = (void *)(self->xsave + VECTORS_NOTE);
	uint32_t size = machine_info->xsave_size, magic2 = 0;
	uint32_t *mxcsr = (void *)(self->xsave + 24);

	if (!at) {
		exos_fpu_reset();
		return 0;
	}
	if (copy_in(self->xsave, (const void *)at, VECTORS_LEGACY))
		return -EFAULT;
	if (note->magic1 == VECTORS_MAGIC1 && note->size <= size && note->size >= VECTORS_LEGACY + sizeof(*header)) {
		if (copy_in(self->xsave, (const void *)at, note->size) || copy_in(&magic2, (const void *)(at + note->size), sizeof(magic2)))
			return -EFAULT;
	}
	if (magic2 != VECTORS_MAGIC2)
		header->in_use = 3; /* only the legacy area: x87 and SSE */
	header->in_use &= enabled_features();
	header->compaction = 0;
	memset(header->reserved, 0, sizeof(header->reserved));
	*mxcsr &= MXCSR_VALID;
	exos_fpu_restore(self->xsave);
	return 0;
}

int signal_frame_pop(struct regs *r, struct signal_frame_state *state)
{
	struct context c;

	if (copy_in(&c, (const void *)(r->rsp - 8 + offsetof(struct frame, context)), sizeof(c)) || pop_vectors(c.vectors) || c.rip >= PROGRAM_TOP)
		return -EFAULT;
	r->r8 = c.r8, r->r9 = c.r9, r->r10 = c.r10, r->r11 = c.r11, r->r12 = c.r12, r->r13 = c.r13, r->r14 = c.r14, r->r15 = c.r15;
	r->rdi = c.rdi, r->rsi = c.rsi, r->rbp = c.rbp, r->rbx = c.rbx, r->rdx = c.rdx, r->rax = c.rax, r->rcx = c.rcx;
	r->rsp = c.rsp, r->rip = c.rip;
	r->rflags = (c.rflags & FLAGS_RESTORED) | FLAGS_FIXED;
	r->cs = USER_CS, r->ss = USER_SS;
	r->cause = CAUSE_EVENT; /* not a call any more, that could be restarted */
	*state = (struct signal_frame_state){c.mask, c.stack.base, c.stack.size, c.stack.flags};
	return 0;
}
