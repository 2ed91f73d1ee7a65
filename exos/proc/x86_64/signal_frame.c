/* The frame on a program's stack between a signal and the end of its handler, as programs for Linux on x86-64 expect it: return address, context
 * (registers, mask, alternate stack), signal information, and above them the vector registers in xsave format.
 *
 * Called by signal.c. Everything popped comes from the program and may be anything: no register value may end in the library's own
 * hands, and none may make the instructions that load it fault there. */
#include <exos/layout.h>
#include <exos/proc/x86_64/processor.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/vm/copy.h>
#include <exos/x86_64/entry.h>

struct context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, vector, old_mask, address;
	uint64_t vectors; /* address of the xsave area; 0: none */
	uint64_t reserved[8];
};

struct frame {
	uint64_t restorer;
	uint64_t context_flags, link;
	uint64_t stack_base;
	uint32_t stack_flags, stack_padding;
	uint64_t stack_size;
	struct context context;
	uint64_t mask;
	uint8_t info[SIGNAL_INFO_SIZE];
};
_Static_assert(sizeof(struct context) == 256 && offsetof(struct frame, context) == 48 && sizeof(struct frame) == 440, "as Linux has it");

#define CONTEXT_XSAVE 1     /* the vectors are in xsave format, */
#define CONTEXT_STACK_SEGMENT 6 /* ss is valid, and wanted back */

/* The xsave area. What the CPU leaves to software in its first 512 bytes says how long it is; a second mark ends it. */
#define LEGACY_SIZE 512
#define HEADER_SIZE 64
#define MXCSR_OFFSET 24
#define MXCSR_MASK_OFFSET 28
#define MXCSR_MASK_DEFAULT 0xffbf
#define MARK_OFFSET 464
#define COMPONENTS_LEGACY 3 /* x87 and SSE */
#define COMPONENTS_AVX 7
#define SIZE_AVX 832
struct mark {
	uint32_t magic, size_with_end; /* the second: of area and end mark */
	uint64_t components;
	uint32_t size, padding[7];
};
#define MARK_MAGIC 0x46505853u
#define MARK_END_MAGIC 0x46505845u
struct header {
	uint64_t components, compaction, reserved[6];
};

#define RED_ZONE 128
#define RFLAGS_PROGRAM 0x50dd5ul   /* arithmetic flags, trap, direction, resume, alignment check: the program's own */
#define RFLAGS_HANDLER_CLEAR 0x10500ul /* resume, direction and trap: not in force when a handler starts */
#define EXCEPTIONS 32

static uint64_t enabled_components(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

uint64_t processor_signal_frame_size(void)
{
	return RED_ZONE + sizeof(struct frame) + 16 + machine_info->xsave_size + sizeof(uint32_t) + 64;
}

/* How much of an area with these components in it need be copied. */
static uint32_t area_size(uint64_t components)
{
	if (!(components & ~(uint64_t)COMPONENTS_LEGACY))
		return LEGACY_SIZE + HEADER_SIZE;
	return components & ~(uint64_t)COMPONENTS_AVX ? machine_info->xsave_size : SIZE_AVX;
}

/* The vector registers of a running program are in the CPU; self->xsave is free for passing them on. */
static int push_vectors(uint64_t *sp, uint64_t *address)
{
	const struct header *header = (const void *)(self->xsave + LEGACY_SIZE);
	uint32_t end = MARK_END_MAGIC, size;
	struct mark mark = {.magic = MARK_MAGIC};

	exos_fpu_save(self->xsave);
	size = area_size(header->components);
	mark.size = size;
	mark.size_with_end = size + sizeof(end);
	mark.components = header->components | COMPONENTS_LEGACY;
	memcpy(self->xsave + MARK_OFFSET, &mark, sizeof(mark));
	*sp = *address = ROUND_DOWN(*sp - mark.size_with_end, 64);
	if (copy_out((void *)*address, self->xsave, size) || copy_out((void *)(*address + size), &end, sizeof(end)))
		return -EFAULT;
	return 0;
}

static void fill_context(struct context *c, const struct regs *r, signal_set mask)
{
	*c = (struct context){r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rdi, r->rsi, r->rbp, r->rbx, r->rdx,
		r->rax, r->rcx, r->rsp, r->rip, r->rflags, .cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss, .old_mask = mask};
	if (r->cause < EXCEPTIONS) {
		c->error = r->error;
		c->vector = r->cause;
		c->address = r->address;
	}
}

static bool on_stack(uint64_t rsp, uint64_t base, uint64_t size, uint32_t flags)
{
	return !(flags & STACK_AUTODISARM) && rsp > base && rsp - base <= size;
}

/* Where the frame's end goes: below the red zone, or at the top of the alternate stack. 0: that has no room left. */
static uint64_t frame_top(const struct regs *regs, const struct signals *s, const struct signal_action *action)
{
	uint64_t sp = regs->rsp - RED_ZONE;

	if (on_stack(regs->rsp, s->stack_base, s->stack_size, s->stack_flags))
		return on_stack(sp - processor_signal_frame_size(), s->stack_base, s->stack_size, s->stack_flags) ? sp : 0;
	if ((action->flags & ACTION_ONSTACK) && s->stack_size && !(s->stack_flags & STACK_DISABLED))
		return s->stack_base + s->stack_size;
	return sp;
}

int signal_frame_push(struct regs *regs, struct signals *signals, const struct signal_info *info, const struct signal_action *action,
	signal_set mask)
{
	uint64_t sp = frame_top(regs, signals, action), vectors;
	struct frame frame;

	if (!sp || !(action->flags & ACTION_RESTORER) || action->handler >= PROGRAM_TOP || push_vectors(&sp, &vectors))
		return -EFAULT;
	memset(&frame, 0, offsetof(struct frame, context));
	frame.restorer = action->restorer;
	frame.context_flags = CONTEXT_XSAVE | CONTEXT_STACK_SEGMENT;
	frame.stack_base = signals->stack_base;
	frame.stack_size = signals->stack_size;
	frame.stack_flags = signals->stack_flags;
	fill_context(&frame.context, regs, mask);
	frame.context.vectors = vectors;
	frame.mask = mask;
	signal_info_pack(frame.info, info);
	/* As after a call: the stack pointer is 8 below a multiple of 16. */
	sp = ROUND_DOWN(sp - sizeof(frame), 16) - sizeof(uint64_t);
	if (copy_out((void *)sp, &frame, sizeof(frame)))
		return -EFAULT;
	if (signals->stack_flags & STACK_AUTODISARM) {
		signals->stack_base = signals->stack_size = 0;
		signals->stack_flags = STACK_DISABLED;
	}
	regs->rdi = (uint64_t)info->number;
	regs->rsi = sp + offsetof(struct frame, info);
	regs->rdx = sp + offsetof(struct frame, context_flags);
	regs->rax = 0;
	regs->rsp = sp;
	regs->rip = action->handler;
	regs->rflags &= ~RFLAGS_HANDLER_CLEAR;
	regs->cause = CAUSE_EVENT; /* no call is going on any more */
	return 0;
}

/* Makes an area that the program may have changed one that xrstor cannot refuse. */
static void sanitize_area(uint64_t components, uint32_t mxcsr_mask)
{
	struct header header = {.components = components & enabled_components()};
	uint32_t mxcsr;

	memcpy(self->xsave + LEGACY_SIZE, &header, sizeof(header));
	memcpy(&mxcsr, self->xsave + MXCSR_OFFSET, sizeof(mxcsr));
	mxcsr &= mxcsr_mask;
	memcpy(self->xsave + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

static int pop_vectors(uint64_t address)
{
	uint64_t components = COMPONENTS_LEGACY;
	uint32_t mxcsr_mask, end = 0;
	struct mark mark;

	if (!address) {
		exos_fpu_reset();
		return 0;
	}
	exos_fpu_save(self->xsave);
	memcpy(&mxcsr_mask, self->xsave + MXCSR_MASK_OFFSET, sizeof(mxcsr_mask));
	if (address % 64 || copy_in(&mark, (const void *)(address + MARK_OFFSET), sizeof(mark)))
		return -EFAULT;
	/* Without both marks it is an area of the old kind, without a header. */
	if (mark.magic == MARK_MAGIC && mark.size >= LEGACY_SIZE + HEADER_SIZE && mark.size <= machine_info->xsave_size &&
		!copy_in(&end, (const void *)(address + mark.size), sizeof(end)) && end == MARK_END_MAGIC) {
		if (copy_in(self->xsave, (const void *)address, mark.size))
			return -EFAULT;
		memcpy(&components, self->xsave + LEGACY_SIZE, sizeof(components));
		components &= mark.components;
		/* A component past the end of what was saved is not in there, whatever the header says. */
		if (area_size(components) > mark.size)
			components &= COMPONENTS_LEGACY;
	} else if (copy_in(self->xsave, (const void *)address, LEGACY_SIZE)) {
		return -EFAULT;
	}
	sanitize_area(components, mxcsr_mask ? mxcsr_mask : MXCSR_MASK_DEFAULT);
	exos_fpu_restore(self->xsave);
	return 0;
}

int signal_frame_pop(struct regs *regs, struct signal_frame_state *state)
{
	const struct context *c;
	struct frame frame;
	uint64_t rflags = regs->rflags;

	/* The handler's return took the first word off. */
	if (copy_in(&frame, (const void *)(regs->rsp - sizeof(uint64_t)), offsetof(struct frame, info)))
		return -EFAULT;
	c = &frame.context;
	if (c->rip >= PROGRAM_TOP || pop_vectors(c->vectors))
		return -EFAULT;
	*regs = (struct regs){c->r15, c->r14, c->r13, c->r12, c->rbp, c->rbx, c->r11, c->r10, c->r9, c->r8, c->rax, c->rcx, c->rdx, c->rsi,
		c->rdi, .cause = CAUSE_EVENT, .rip = c->rip, .cs = USER_CS, .rsp = c->rsp, .ss = USER_SS,
		.rflags = (rflags & ~RFLAGS_PROGRAM) | (c->rflags & RFLAGS_PROGRAM)};
	*state = (struct signal_frame_state){frame.mask, frame.stack_base, frame.stack_size, frame.stack_flags};
	return 0;
}

/* The first part is every signal's; what follows depends on where it comes from. */
void signal_info_pack(uint8_t to[SIGNAL_INFO_SIZE], const struct signal_info *info)
{
	struct {
		int32_t number, error, code, padding;
		union {
			struct {
				int32_t pid;
				uint32_t uid;
				union {
					int32_t status;
					uint64_t value;
				};
			};
			uint64_t address;
		};
	} packed = {.number = info->number, .code = info->code};

	if (info->number == SIGCHLD && info->code > 0) {
		packed.pid = info->pid;
		packed.uid = info->uid;
		packed.status = info->status;
	} else if (info->code > 0 && info->code != SIGNAL_KERNEL) {
		packed.address = info->address;
	} else if (info->code != SIGNAL_KERNEL) {
		packed.pid = info->pid;
		packed.uid = info->uid;
		packed.value = info->value;
	}
	memset(to, 0, SIGNAL_INFO_SIZE);
	memcpy(to, &packed, sizeof(packed));
}
