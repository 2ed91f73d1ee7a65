/* format() against the host's snprintf: every conversion with every combination of flags, widths and precisions that it
 * promises. */
#include <limits.h>
#include <stdio.h>

#include <exos/base.h>

#include "model.h"

static uint32_t wrong;

static void same(const char *spec, const char *have, int have_length, const char *want, int want_length)
{
	if (have_length == want_length && !strcmp(have, want))
		return;
	if (wrong++ < 5)
		printf("# %s: \"%s\" (%d), expected \"%s\" (%d)\n", spec, have, have_length, want, want_length);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#define SAME(spec, ...)                                                                                                \
	do {                                                                                                           \
		char have[96], want[96];                                                                               \
		int h = format(have, size, spec, __VA_ARGS__), w = snprintf(want, size, spec, __VA_ARGS__);            \
		same(spec, size ? have : "", h, size ? want : "", w);                                                  \
	} while (0)

static void conversion(const char *flags, int width, int precision, char kind, size_t size)
{
	static const int64_t values[] = {
		0, 1, -1, 9, 10, 255, 4096, INT_MAX, INT_MIN, INT64_MAX, INT64_MIN, 1234567890123};
	static const char *const texts[] = {"", "a", "hello", "a longer text than that"};
	char spec[32], number[8] = "", point[8] = "";

	if (width >= 0)
		snprintf(number, sizeof(number), "%d", width);
	if (precision >= 0)
		snprintf(point, sizeof(point), ".%d", precision);
	if (kind == 's') {
		snprintf(spec, sizeof(spec), "<%%%s%s%ss>", flags, number, point);
		for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
			SAME(spec, texts[i]);
		return;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
		snprintf(spec, sizeof(spec), "<%%%s%s%s%c>", flags, number, point, kind);
		SAME(spec, (int)values[i]);
		snprintf(spec, sizeof(spec), "<%%%s%s%sl%c>", flags, number, point, kind);
		SAME(spec, (long)values[i]);
		snprintf(spec, sizeof(spec), "<%%%s%s%sz%c>", flags, number, point, kind);
		SAME(spec, (size_t)values[i]);
	}
}

int main(void)
{
	static const char *const flags[] = {"", "-", "0"};
	static const int widths[] = {-1, 1, 5, 30}, precisions[] = {-1, 0, 1, 4, 25};
	static const char kinds[] = "duxos";
	static const size_t sizes[] = {96, 8, 1, 0};
	size_t size = 96;
	char text[8] = "unmoved", *volatile nothing = NULL;

	for (size_t f = 0; f < ARRAY_LENGTH(flags); f++)
		for (size_t w = 0; w < ARRAY_LENGTH(widths); w++)
			for (size_t p = 0; p < ARRAY_LENGTH(precisions); p++)
				for (size_t k = 0; k < sizeof(kinds) - 1; k++)
					for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++)
						if (kinds[k] != 's' || *flags[f] != '0')
							conversion(
								flags[f], widths[w], precisions[p], kinds[k], sizes[s]);
	ok(!wrong, "numbers and texts as the host's printf has them");
	wrong = 0;
	SAME("%c|%5c|%-5c|%%", 'a', 'b', 'c');
	SAME("%*d|%-*d|%.*s", 6, 42, 6, 42, 2, "abc");
	SAME("%*d", -6, 42);
	SAME("%p", (void *)0x1234abcd);
	SAME("%llu %lld", 1ull << 63, -1ll);
	SAME("%s %d%s", "plain", 3, " text");
	ok(!wrong, "characters, stars, pointers, mixtures");
	ok(format(text, 0, "%s", "long") == 4 && !strcmp(text, "unmoved"), "size 0 writes nothing");
	format(text, 8, "%s", nothing);
	ok(!strcmp(text, "(null)"), "a null text");
	return done_testing();
}
