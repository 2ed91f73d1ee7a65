/* Bringing a CPU into the state that the kernel runs in: segments, interrupt table, system-call entry, control registers. */
#include <kernel/log.h>
#include <kernel/x86_64/cpu.h>

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define MSR_GS_BASE 0xc0000101

#define CR0_TASK_SWITCHED (1ul << 3)
#define CR0_MONITOR (1ul << 1)
#define CR0_EMULATE (1ul << 2)
#define CR0_NUMERIC_ERROR (1ul << 5) /* x87 errors are exceptions */
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP (1ul << 11)
#define CR4_GLOBAL (1ul << 7)
#define CR4_FSGSBASE (1ul << 16)
#define CR4_OSXSAVE (1ul << 18)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)

struct cpu_features cpu_features; /* this and smap_enabled: every CPU writes the same */
uint8_t smap_enabled; /* for entry.S */

struct gate {
	uint16_t offset_low, selector;
	uint8_t stack, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};
static struct gate idt[256]; /* written once at start */

#define INTERRUPTS 25 /* VECTOR_TIMER to the last disk's */
extern const uint64_t exception_vectors[22], interrupt_vectors[INTERRUPTS], interrupt_spurious;
extern char entry_syscall[];

static void set_gate(uint32_t vector, uint64_t entry, uint8_t stack, uint8_t privilege)
{
	idt[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = KERNEL_CS,
		.stack = stack,
		.type = (uint8_t)(0x8e | privilege << 5), /* interrupt gate: interrupts off */
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

static void build_idt(void)
{
	for (uint32_t v = 0; v < 22; v++) {
		bool grave = v == 2 || v == 8 || v == 18;
		bool by_instruction = v == 3 || v == 4; /* int3, into */
		set_gate(v, exception_vectors[v], grave ? 2 : 0, by_instruction ? 3 : 0);
	}
	for (uint32_t v = 0; v < INTERRUPTS; v++)
		set_gate(VECTOR_TIMER + v, interrupt_vectors[v], 1, 0);
	set_gate(VECTOR_SPURIOUS, interrupt_spurious, 1, 0);
}

static void load_segments(struct cpu *cpu)
{
	uint64_t tss = (uint64_t)&cpu->tss;
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdt_pointer = { sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt },
				  idt_pointer = { sizeof(idt) - 1, (uint64_t)idt };

	cpu->gdt[KERNEL_CS / 8] = 0x00af9a000000ffff;
	cpu->gdt[KERNEL_SS / 8] = 0x00cf92000000ffff;
	cpu->gdt[USER_SS / 8] = 0x00cff2000000ffff;
	cpu->gdt[USER_CS / 8] = 0x00affa000000ffff;
	cpu->gdt[TSS_SELECTOR / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ul << 40 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
	cpu->tss.io_map = sizeof(struct tss); /* no port is the user's */
	cpu->kernel_stack_top = (uint64_t)(cpu->stack + sizeof(cpu->stack));
	cpu->tss.ist[0] = cpu->kernel_stack_top;
	cpu->tss.ist[1] = (uint64_t)(cpu->fault_stack + sizeof(cpu->fault_stack));

	__asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdt_pointer), "m"(idt_pointer), "r"(TSS_SELECTOR) : "memory");
	__asm__ volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %1, %%ss"
			 : : "i"(KERNEL_CS), "r"(KERNEL_SS) : "rax", "memory");
	write_msr(MSR_GS_BASE, (uint64_t)cpu);
	write_user_gs_base(0);
}

/* QEMU's own emulation (TCG) reads the stack of an iretq at privilege 3 as if the kernel read it, so that under SMAP the library's way
 * back from every upcall would fault. Real CPUs, and so KVM, do not. There, and only there, SMAP stays off. */
static bool iretq_breaks_under_smap(void)
{
	uint32_t basic[4], signature[4];

	cpuid(1, 0, basic);
	if (!(basic[2] & 1u << 31)) /* no hypervisor */
		return false;
	cpuid(0x40000000, 0, signature);
	return memcmp(&signature[1], "TCGTCGTCGTCG", 12) == 0;
}

/* What the design stands on is demanded; what only makes it safer or faster is used where it is. */
static void enable_features(void)
{
	uint32_t basic[4], extended[4], leaf7[4], state[4];
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_GLOBAL;

	cpuid(1, 0, basic);
	cpuid(7, 0, leaf7);
	cpuid(0x80000001, 0, extended);
	if (!(leaf7[1] & 1))
		refuse("this CPU lacks FSGSBASE: 2012's Ivy Bridge or later is needed (QEMU: -cpu max)");
	if (!(basic[2] & 1u << 26))
		refuse("this CPU lacks XSAVE (QEMU: -cpu max)");
	if (!(extended[3] & 1u << 20))
		refuse("this CPU lacks no-execute pages (QEMU: -cpu max)");
	if (leaf7[1] & 1u << 7)
		cr4 |= CR4_SMEP;
	if (leaf7[1] & 1u << 20 && !iretq_breaks_under_smap()) {
		cr4 |= CR4_SMAP;
		cpu_features.smap = true;
	}
	if (leaf7[2] & 1u << 2)
		cr4 |= CR4_UMIP;
	/* Protection keys stay off: their register would pass with the others in transfers and directed yields, and close the memory of whoever is
	 * given the CPU. */
	cpu_features.tsc_deadline = basic[2] & 1u << 24;
	cpu_features.x2apic = basic[2] & 1u << 21;
	write_cr0((read_cr0() | CR0_MONITOR | CR0_NUMERIC_ERROR) & ~(CR0_EMULATE | CR0_TASK_SWITCHED));
	write_cr4(cr4);
	smap_enabled = cpu_features.smap;

	/* x87, SSE, AVX, AVX-512; not AMX, whose 8 KiB would not fit an environment's frame. */
	cpuid(13, 0, state);
	cpu_features.xsave_mask = state[0] & 0xe7;
	if ((cpu_features.xsave_mask & 0xe0) != 0xe0)
		cpu_features.xsave_mask &= ~0xe0ul;
	write_xcr0(cpu_features.xsave_mask);
	cpuid(13, 0, state);
	cpu_features.xsave_size = state[1];
}

void cpu_start(struct cpu *cpu, uint32_t number)
{
	cpu->this = cpu;
	cpu->number = number;
	if (number == 0)
		build_idt();
	load_segments(cpu);
	enable_features();
	write_msr(MSR_EFER, read_msr(MSR_EFER) | 1); /* syscall */
	write_msr(MSR_STAR, (uint64_t)(USER_SS - 8) << 48 | (uint64_t)KERNEL_CS << 32);
	write_msr(MSR_LSTAR, (uint64_t)entry_syscall);
	write_msr(MSR_FMASK, 0x47700); /* TF, IF, DF, IOPL, NT, AC off in the kernel */
}

/* From the CPU's generator; without one, from what little the counter's low bits give: better than a constant, and said so in the book. */
uint64_t cpu_random(void)
{
	uint32_t basic[4];
	uint64_t v = 0;
	uint8_t ok;

	cpuid(1, 0, basic);
	for (int tries = 0; basic[2] & 1u << 30 && tries < 10; tries++) {
		__asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok));
		if (ok)
			return v;
	}
	for (int i = 0; i < 64; i++) {
		v = v << 5 ^ v >> 59 ^ read_tsc();
		outb(0x80, 0);
	}
	return v * 0x9e3779b97f4a7c15;
}
