/* The freestanding string functions that base.h promises and the compiler expects. No lock, no state.
 *
 * Counted in instructions, since that is what a system call's cost is made of: words where there are words, and vector
 * registers (which are the program's, and so saved and put back by the copy) where the saving pays. */
#include <exos/base.h>
#include <exos/vm/x86_64/page.h>

/* From here on a copy in vector registers is cheaper, saving and restoring them included. */
#define VECTOR_LEAST 192

typedef uint64_t __attribute__((may_alias, aligned(1))) word;
typedef uint32_t __attribute__((may_alias, aligned(1))) half;
#define WORD sizeof(word)
#define ONES 0x0101010101010101ul

static inline word word_at(const void *p, size_t at) { return *(const word *)((const char *)p + at); }
static inline uint32_t half_at(const void *p, size_t at) { return *(const half *)((const char *)p + at); }
static inline void word_set(void *p, size_t at, word w) { *(word *)((char *)p + at) = w; }

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	size_t at = 0;

	if (n >= VECTOR_LEAST) {
		uint64_t unguarded;

		exos_copy_guarded_call(to, from, n, &unguarded);
		return to;
	}
	for (; at + 4 * WORD <= n; at += 4 * WORD) {
		word_set(to, at, word_at(from, at));
		word_set(to, at + WORD, word_at(from, at + WORD));
		word_set(to, at + 2 * WORD, word_at(from, at + 2 * WORD));
		word_set(to, at + 3 * WORD, word_at(from, at + 3 * WORD));
	}
	for (; at + WORD <= n; at += WORD)
		word_set(to, at, word_at(from, at));
	for (; at < n; at++)
		((char *)to)[at] = ((const char *)from)[at];
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	if ((uintptr_t)to - (uintptr_t)from >= n && (uintptr_t)from - (uintptr_t)to >= n)
		return memcpy(to, from, n);
	if ((uintptr_t)to < (uintptr_t)from) {
		size_t at = 0;

		for (; at + WORD <= n; at += WORD)
			word_set(to, at, word_at(from, at));
		for (; at < n; at++)
			((char *)to)[at] = ((const char *)from)[at];
	} else {
		for (; n >= WORD; n -= WORD)
			word_set(to, n - WORD, word_at(from, n - WORD));
		while (n-- > 0)
			((char *)to)[n] = ((const char *)from)[n];
	}
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	word w = ONES * (uint8_t)byte;
	size_t at = 0;

	if (n >= VECTOR_LEAST) {
		uint64_t unguarded;

		exos_fill_guarded(to, w, n, &unguarded);
		return to;
	}
	for (; at + 4 * WORD <= n; at += 4 * WORD) {
		word_set(to, at, w);
		word_set(to, at + WORD, w);
		word_set(to, at + 2 * WORD, w);
		word_set(to, at + 3 * WORD, w);
	}
	for (; at + WORD <= n; at += WORD)
		word_set(to, at, w);
	for (; at < n; at++)
		((char *)to)[at] = (char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	size_t at = 0;

	while (at + WORD <= n && word_at(a, at) == word_at(b, at))
		at += WORD;
	/* Of what is left the last word, some of which has been compared; names are short, so half a word is worth its while. */
	if (at && at + WORD > n && word_at(a, n - WORD) == word_at(b, n - WORD))
		return 0;
	if (!at && n >= WORD / 2 && n < WORD && half_at(a, 0) == half_at(b, 0) && half_at(a, n - WORD / 2) == half_at(b, n - WORD / 2))
		return 0;
	for (; at < n; at++) {
		int difference = ((const uint8_t *)a)[at] - ((const uint8_t *)b)[at];

		if (difference)
			return difference;
	}
	return 0;
}

size_t strlen(const char *s) { return strnlen(s, SIZE_MAX); }

/* By aligned words, which lie in one page: so nothing is touched that need not be there. */
size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	for (; ((uintptr_t)s + n) % WORD; n++)
		if (n >= max || !s[n])
			return n;
	for (; n < max; n += WORD) {
		word w = word_at(s, n), ends = (w - ONES) & ~w & ONES << 7;

		if (ends)
			return MIN(max, n + (size_t)__builtin_ctzl(ends) / 8);
	}
	return max;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int difference = (uint8_t)a[i] - (uint8_t)b[i];

		if (difference || !a[i])
			return difference;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)(uintptr_t)s;
}
