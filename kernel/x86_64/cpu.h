/* What names a register: instructions that C cannot say, the state of each CPU, and the layout constants of long mode.
 *
 * Included by the whole kernel for this_cpu() and the physical map; everything else here is for kernel/x86_64 and kernel/drivers. */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

/* The kernel's half of every address space: all physical memory at PHYSICAL_MAP, the kernel itself at KERNEL_BASE. Bit 46 tells them
 * apart, which is how an exception stub knows that it came from the kernel (entry.S). */
#define PHYSICAL_MAP 0xffff800000000000ul
#define KERNEL_BASE 0xffffffff80000000ul

static inline void *physical(uint64_t address) { return (void *)(PHYSICAL_MAP + address); }
static inline void *frame_pointer(frame_t f) { return physical((uint64_t)f << FRAME_SHIFT); }
static inline uint64_t kernel_physical(const void *p) { return (uint64_t)p - KERNEL_BASE; }

/* Selectors; user code after user data because SYSRET wants it so (Intel SDM vol. 2). */
#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define USER_CS 0x2b
#define USER_SS 0x23
#define TSS_SELECTOR 0x30

#define FLAG_INTERRUPT 0x200ul
#define FLAGS_USER 0x202ul

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

struct env;
struct vector;

#define KERNEL_STACK_SIZE 8192
#define MOST_CPUS 255 /* an xAPIC's names */
#define TRAMPOLINE 0x8000ul /* physical: where a CPU starts (trampoline.S) */

/* One per CPU, touched only by its CPU. The offsets of the first fields are known to entry.S. */
struct cpu {
	struct cpu *this;            /* 0 */
	struct env *current;         /* 8: the environment that this CPU runs, or null when idle */
	uint64_t scratch;            /* 16 */
	uint64_t kernel_stack_top;   /* 24 */
	uint8_t tss_alignment[4];    /* so that tss.rsp[0] is aligned */
	struct tss tss;              /* 36; rsp[0] at 40 is the end of the current environment's upcall frame */
	uint32_t number;             /* 140: entry.S */
	uint64_t slice_end;          /* 144: ticks; entry.S */
	uint32_t position;           /* in its slice vector, of the slice that runs */
	uint32_t apic_id;
	struct vector *vector;       /* slice.c */
	bool over;                   /* the slice has ended and `told` been told; it has until slice_end + grace */
	bool look_again;             /* idle, but a slice of it may become free to run without notice */
	uint32_t told;               /* env_id */
	uint32_t vectors_account;    /* whose account's vector registers may be in the CPU: dispatch.c */
	uint64_t timer_at;           /* when the timer is set to go off, ticks; 0: not */
	uint64_t idle_since;
	struct env **alarms;         /* alarm.c: a heap; owner: the kernel lock */
	uint32_t alarm_count;
	uint32_t asked, forgot;      /* smp.c: how often other CPUs have asked this one to forget translations, and which time it has */
	uint64_t net_rest;           /* kernel/net: devices' interrupts have had their part of the time up to then, */
	uint32_t net_waiting;        /* and those of these devices wait for it; bits, by number */
	uint32_t code_seen;          /* kernel/net: of machine code that was written, how much of it this CPU has seen */
	bool online;                 /* set by the CPU itself when it is up, for the one that waits for it */
	uint64_t gdt[8];
	uint8_t stack[KERNEL_STACK_SIZE] __attribute__((aligned(16)));
	uint8_t fault_stack[KERNEL_STACK_SIZE] __attribute__((aligned(16))); /* double fault, NMI, machine check */
};
_Static_assert(__builtin_offsetof(struct cpu, tss) + 4 == 40 && __builtin_offsetof(struct cpu, number) == 140 &&
		       __builtin_offsetof(struct cpu, slice_end) == 144,
	"entry.S");

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;
	__asm__("mov %%gs:0, %0" : "=r"(c));
	return c;
}

static inline struct env *current_env(void) /* this_cpu()->current, in one instruction */
{
	struct env *e;
	__asm__ volatile("mov %%gs:8, %0" : "=r"(e));
	return e;
}

/* Interrupted user registers as the interrupt stub stores them on the kernel stack. */
struct trap {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint32_t inl(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint64_t read_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}
static inline uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return low | (uint64_t)high << 32;
}
static inline void write_msr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t read_cr2(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}
static inline uint64_t read_cr3(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}
static inline void write_cr3(uint64_t v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
static inline uint64_t read_cr4(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}
static inline void write_cr4(uint64_t v) { __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }
static inline uint64_t read_cr0(void)
{
	uint64_t v;
	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}
static inline void write_cr0(uint64_t v) { __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory"); }
static inline void invalidate_page(uint64_t va) { __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory"); }
static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}
static inline void write_xcr0(uint64_t v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}
static inline void xsave(void *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}
static inline void xrstor(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}
static inline uint64_t read_fs_base(void)
{
	uint64_t v;
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}
static inline void write_fs_base(uint64_t v) { __asm__ volatile("wrfsbase %0" : : "r"(v)); }
/* The user's GS base waits in this register while the kernel's is in effect. */
#define MSR_KERNEL_GS_BASE 0xc0000102
static inline uint64_t read_user_gs_base(void) { return read_msr(MSR_KERNEL_GS_BASE); }
static inline void write_user_gs_base(uint64_t v) { write_msr(MSR_KERNEL_GS_BASE, v); }
static inline void cpu_wait(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }
static inline void cpu_relax(void) { __asm__ volatile("pause"); }
_Noreturn static inline void cpu_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* kernel/x86_64: */
struct cpu_features {
	bool tsc_deadline, smap, x2apic;
	uint64_t xsave_mask;
	uint32_t xsave_size;
};
extern struct cpu_features cpu_features; /* written at start, by every CPU the same */
void cpu_start(struct cpu *cpu, uint32_t number); /* segments, IDT, control registers; refuses a CPU that lacks what is needed */
uint64_t cpu_random(void);
void apic_start(void);                            /* once, and apic_cpu_start for the running CPU */
void apic_cpu_start(void);                        /* on each CPU: its local APIC and timer; finds cpu->apic_id */
void apic_send(uint32_t apic_id, uint8_t vector); /* interrupts another CPU */
void apic_send_init(uint32_t apic_id);            /* resets it: it waits for a start-up interrupt */
void apic_send_startup(uint32_t apic_id, uint8_t page); /* ... which starts it in real mode at that physical page */
void apic_timer_set(uint64_t at);                 /* one interrupt when the time-stamp counter reaches `at` */
void apic_end_of_interrupt(void);
void ioapic_route(uint32_t line, uint8_t vector); /* ISA interrupt `line` to this CPU */
volatile uint8_t *ioapic_find(uint32_t interrupt, uint32_t *line); /* of an interrupt's global number, as ACPI has it; null: there is none. At start only */
void ioapic_route_at(volatile uint8_t *ioapic, uint32_t line, uint8_t vector); /* what that has found, to this CPU */
void clock_start(void);                           /* measures tsc_hz and the timer, reads the calendar */
extern uint64_t tsc_hz, boot_seconds;
extern uint64_t apic_ticks_per_tsc_q32;           /* timer ticks in a TSC tick, 32.32 */

enum { VECTOR_TIMER = 32, VECTOR_CONSOLE0 = 33, VECTOR_CONSOLE1 = 34, VECTOR_FORGET = 35, VECTOR_LOOK = 36, VECTOR_NET0 = 37 /* one for each device */, VECTOR_DISK0 = 41 /* one for each disk */,
	VECTOR_SPURIOUS = 255 };
