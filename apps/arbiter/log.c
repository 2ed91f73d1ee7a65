/* Lines on the first serial line. It is one tenant's, so that its library can log there, and the arbiter's while it writes a line. */
#include <stdarg.h>

#include <apps/arbiter/arbiter.h>

#define LINE_MAX 256

struct line {
	char text[LINE_MAX];
	uint32_t n;
};

static void put(struct line *l, char c)
{
	if (l->n < LINE_MAX - 1)
		l->text[l->n++] = c;
}

static void put_text(struct line *l, const char *s)
{
	while (*s)
		put(l, *s++);
}

static void put_number(struct line *l, uint64_t v, uint32_t base, uint32_t least)
{
	char digits[24];
	uint32_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[v % base];
	while ((v /= base) || sizeof(digits) - at < least);
	while (at < sizeof(digits))
		put(l, digits[at++]);
}

static void put_milliseconds(struct line *l, uint64_t t)
{
	uint64_t hundredths = t * 100 / (info->tsc_hz / 1000);

	put_number(l, hundredths / 100, 10, 1);
	if (hundredths % 100) {
		put(l, '.');
		put_number(l, hundredths % 100, 10, 2);
	}
	put_text(l, " ms");
}

static void write_line(const struct line *l)
{
	const struct aegis_cap *console = &boot->devices[DEVICE_CONSOLE0];

	aegis_device_bind(console, 0);
	for (uint32_t done = 0; done < l->n;) {
		int64_t taken = aegis_console_write(DEVICE_CONSOLE0, l->text + done, l->n - done);

		if (taken < 0)
			break;
		done += (uint32_t)taken;
	}
	for (uint32_t i = 0; i < policy.count; i++)
		if (policy.tenants[i].kind == KIND_EXOS && tenants[i].env)
			aegis_device_bind(console, tenants[i].env);
}

void say_va(const char *text, va_list arguments)
{
	struct line l = { .n = 0 };

	put_text(&l, "arbiter: ");
	for (; *text; text++) {
		if (*text != '%') {
			put(&l, *text);
			continue;
		}
		switch (*++text) {
		case 's': put_text(&l, va_arg(arguments, const char *)); break;
		case 'u': put_number(&l, va_arg(arguments, uint32_t), 10, 1); break;
		case 'x': put_number(&l, va_arg(arguments, uint32_t), 16, 1); break;
		case 'X': put_number(&l, va_arg(arguments, uint64_t), 16, 1); break;
		case 't': put_milliseconds(&l, va_arg(arguments, uint64_t)); break;
		default: put(&l, *text);
		}
	}
	put(&l, '\n');
	write_line(&l);
}

void say(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	say_va(text, arguments);
	va_end(arguments);
}
