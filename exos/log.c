/* The library's log: lines on the kernel's log line, so that they get out whatever state the library is in. */
#include <exos/base.h>
#include <exos/tty/console.h>

#define LINE_MAX 256

void log_line(const char *text, ...)
{
	static const char prefix[] = "exos: ";
	char line[LINE_MAX];
	va_list arguments;
	size_t at = sizeof(prefix) - 1, n;

	memcpy(line, prefix, at);
	va_start(arguments, text);
	n = at + (size_t)format_va(line + at, sizeof(line) - at, text, arguments);
	va_end(arguments);
	n = MIN(n, sizeof(line) - 1);
	/* A name that a program chose must not look like another line. */
	for (; at < n; at++)
		if ((uint8_t)line[at] < ' ' || line[at] == 0x7f)
			line[at] = '?';
	line[n] = '\n';
	link_log(line, n + 1);
}
