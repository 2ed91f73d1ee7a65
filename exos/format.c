/* Text from numbers: format(), which everything that shows something (the log, /proc, panic) is made with. No lock, no
 * state. */
#include <exos/base.h>

struct output {
	char *to;
	size_t size; /* of `to` */
	size_t length;
};

struct spec { /* one conversion, as written */
	bool left, zero;
	size_t width;
	bool has_precision;
	size_t precision;
	uint32_t size; /* bytes of the integer */
};

static void emit(struct output *o, char c)
{
	if (o->length + 1 < o->size)
		o->to[o->length] = c;
	o->length++;
}

static void emit_times(struct output *o, char c, size_t n)
{
	while (n-- > 0)
		emit(o, c);
}

static size_t parse_number(const char **text, va_list *arguments, struct spec *s)
{
	size_t n = 0;

	if (**text == '*') {
		int given = va_arg(*arguments, int);

		++*text;
		if (given < 0)
			s->left = true;
		return (size_t)(given < 0 ? -(int64_t)given : given);
	}
	for (; **text >= '0' && **text <= '9'; ++*text)
		n = n * 10 + (size_t)(**text - '0');
	return n;
}

static struct spec parse_spec(const char **text, va_list *arguments)
{
	struct spec s = {.size = sizeof(int)};

	for (;; ++*text) {
		if (**text == '-')
			s.left = true;
		else if (**text == '0')
			s.zero = true;
		else
			break;
	}
	s.width = parse_number(text, arguments, &s);
	if (**text == '.') {
		++*text;
		s.has_precision = true;
		s.precision = parse_number(text, arguments, &s);
	}
	for (; **text == 'l' || **text == 'z'; ++*text)
		s.size = sizeof(long);
	return s;
}

static void emit_text(struct output *o, const struct spec *s, const char *text)
{
	size_t n;

	if (!text)
		text = "(null)";
	n = strnlen(text, s->has_precision ? s->precision : SIZE_MAX);
	if (!s->left && s->width > n)
		emit_times(o, ' ', s->width - n);
	for (size_t i = 0; i < n; i++)
		emit(o, text[i]);
	if (s->left && s->width > n)
		emit_times(o, ' ', s->width - n);
}

static void emit_number(struct output *o, const struct spec *s, uint64_t value, uint32_t base, const char *sign)
{
	char digits[24];
	size_t n = 0, zeros = 0, pad, signs = strlen(sign);

	for (; value; value /= base)
		digits[n++] = "0123456789abcdef"[value % base];
	if (s->has_precision ? s->precision > n : n == 0)
		zeros = s->has_precision ? s->precision - n : 1;
	pad = s->width > signs + zeros + n ? s->width - signs - zeros - n : 0;
	if (s->zero && !s->left && !s->has_precision) {
		zeros += pad;
		pad = 0;
	}
	if (!s->left)
		emit_times(o, ' ', pad);
	while (*sign)
		emit(o, *sign++);
	emit_times(o, '0', zeros);
	while (n-- > 0)
		emit(o, digits[n]);
	if (s->left)
		emit_times(o, ' ', pad);
}

static uint64_t unsigned_argument(const struct spec *s, va_list *arguments)
{
	return s->size == sizeof(long) ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
}

static void emit_conversion(struct output *o, char conversion, struct spec *s, va_list *arguments)
{
	char c;
	int64_t value;

	switch (conversion) {
	case 'd':
	case 'i':
		value = s->size == sizeof(long) ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
		emit_number(o, s, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
		return;
	case 'u':
		emit_number(o, s, unsigned_argument(s, arguments), 10, "");
		return;
	case 'x':
		emit_number(o, s, unsigned_argument(s, arguments), 16, "");
		return;
	case 'o':
		emit_number(o, s, unsigned_argument(s, arguments), 8, "");
		return;
	case 'p':
		emit_number(o, s, (uintptr_t)va_arg(*arguments, void *), 16, "0x");
		return;
	case 's':
		emit_text(o, s, va_arg(*arguments, const char *));
		return;
	case 'c':
		c = (char)va_arg(*arguments, int);
		emit_times(o, ' ', !s->left && s->width > 1 ? s->width - 1 : 0);
		emit(o, c);
		emit_times(o, ' ', s->left && s->width > 1 ? s->width - 1 : 0);
		return;
	default: /* what it does not know, and %% */
		emit(o, conversion);
	}
}

int format_va(char *to, size_t size, const char *text, va_list given)
{
	struct output o = {to, size, 0};
	va_list arguments;

	va_copy(arguments, given);
	while (*text) {
		struct spec s;

		if (*text != '%') {
			emit(&o, *text++);
			continue;
		}
		text++;
		s = parse_spec(&text, &arguments);
		if (!*text)
			break;
		emit_conversion(&o, *text++, &s, &arguments);
	}
	va_end(arguments);
	if (size)
		to[MIN(o.length, size - 1)] = 0;
	return (int)o.length;
}

int format(char *to, size_t size, const char *text, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, text);
	length = format_va(to, size, text, arguments);
	va_end(arguments);
	return length;
}
