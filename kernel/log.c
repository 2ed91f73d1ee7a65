/* The kernel's log, and its end when it finds a bug in itself. */
#include <stdarg.h>

#include <kernel/call.h>
#include <kernel/device.h>
#include <kernel/log.h>

uintptr_t __stack_chk_guard = 0x595e9fbd94fda766; /* replaced by a random one in main.c */

static void put(const char *s, size_t n)
{
	while (n) {
		size_t taken = uart_write(0, (const uint8_t *)s, n);
		s += taken;
		n -= taken;
	}
}

static void put_number(uint64_t v, unsigned base)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[v % base];
	while (v /= base);
	put(digits + at, sizeof(digits) - at);
}

static void put_text(const char *text, va_list arguments)
{
	for (; *text; text++) {
		const char *run = text;
		bool wide;
		int64_t v;

		while (*text && *text != '%')
			text++;
		put(run, (size_t)(text - run));
		if (!*text)
			return;
		wide = *++text == 'l';
		text += wide;
		switch (*text) {
		case 's': {
			const char *s = va_arg(arguments, const char *);
			put(s, strlen(s));
			break;
		}
		case 'c': {
			char c = (char)va_arg(arguments, int);
			put(&c, 1);
			break;
		}
		case 'd':
			v = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
			if (v < 0)
				put("-", 1);
			put_number((uint64_t)(v < 0 ? -v : v), 10);
			break;
		case 'p':
			wide = true; /* fall through */
		default:
			put_number(wide ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t), *text == 'u' ? 10 : 16);
		}
	}
}

static void put_line(const char *prefix, const char *text, va_list arguments)
{
	put(prefix, strlen(prefix));
	put_text(text, arguments);
	put("\n", 1);
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void log_line(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	put_line("aegis: ", text, arguments);
	va_end(arguments);
}

void refuse(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	put_line("aegis: ", text, arguments);
	va_end(arguments);
	power_off(125);
}

static void log_backtrace(const uint64_t *frame)
{
	for (int depth = 0; depth < 16 && (uint64_t)frame > PHYSICAL_MAP && !((uint64_t)frame & 7); depth++) {
		if (!frame[1])
			return;
		log_line("  called from %lx", frame[1]);
		frame = (const uint64_t *)frame[0];
	}
}

void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	put_line("aegis: panic: ", text, arguments);
	va_end(arguments);
	log_backtrace(__builtin_frame_address(0));
	power_off(125);
}

void kernel_fault(struct trap *t)
{
	log_line("panic: exception %lu (error %lx) in the kernel at %lx, address %lx", t->vector, t->error, t->rip, read_cr2());
	log_line("  rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx rsp %lx", t->rax, t->rbx, t->rcx, t->rdx, t->rsi,
		t->rdi, t->rbp, t->rsp);
	log_line("  r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx cr3 %lx", t->r8, t->r9, t->r10, t->r11,
		t->r12, t->r13, t->r14, t->r15, read_cr3());
	log_backtrace((const uint64_t *)t->rbp);
	power_off(125);
}

_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void) { panic("a kernel function overran its stack frame"); }
