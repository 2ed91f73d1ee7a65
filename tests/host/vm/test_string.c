/* The string functions and the guarded copies, every small size and offset, against the host's own. */
#include <stdio.h>

#include <exos/base.h>
#include <exos/frames.h>
#include <exos/vm/x86_64/page.h>

#include "model.h"

/* exos/string.c is built with these names, so that the host's stay what they are. */
void *exos_memcpy(void *restrict to, const void *restrict from, size_t n);
void *exos_memmove(void *to, const void *from, size_t n);
void *exos_memset(void *to, int byte, size_t n);
int exos_memcmp(const void *a, const void *b, size_t n);
size_t exos_strlen(const char *s);
size_t exos_strnlen(const char *s, size_t max);
int exos_strcmp(const char *a, const char *b);
int exos_strncmp(const char *a, const char *b, size_t n);
char *exos_strchr(const char *s, int c);

#define ROOM 1400
static uint8_t from[ROOM], have[ROOM], want[ROOM];

static void fill(void)
{
	for (size_t i = 0; i < ROOM; i++) {
		from[i] = (uint8_t)random_below(256);
		have[i] = want[i] = (uint8_t)random_below(256);
	}
}

static size_t size_at(size_t i) { return i < 300 ? i : i + i % 7 * 97; } /* all small ones, some large */

static bool copies(void)
{
	for (size_t i = 0; i < 700; i++)
		for (size_t shift = 0; shift < 9; shift++) {
			size_t n = size_at(i);
			uint64_t resume = 1;

			fill();
			if (n > ROOM - 20)
				continue;
			memcpy(want + 8 - shift, from + shift, n);
			if (exos_memcpy(have + 8 - shift, from + shift, n) != have + 8 - shift ||
				memcmp(have, want, ROOM))
				return false;
			fill();
			memcpy(want + shift, from + 3, n);
			if (exos_copy_guarded(have + shift, from + 3, n, &resume) || resume || memcmp(have, want, ROOM))
				return false;
		}
	return true;
}

static bool moves(void)
{
	for (size_t n = 0; n < 600; n++)
		for (size_t to = 0; to < 40; to += 1 + n / 100) {
			fill();
			memmove(want + to, want + 20, n);
			exos_memmove(have + to, have + 20, n);
			if (memcmp(have, want, ROOM))
				return false;
		}
	return true;
}

static bool fills(void)
{
	for (size_t i = 0; i < 700; i++)
		for (size_t shift = 0; shift < 9; shift++) {
			size_t n = size_at(i);
			uint64_t resume = 1;

			if (n > ROOM - 20)
				continue;
			fill();
			memset(want + shift, (int)(n * 3), n);
			if (exos_memset(have + shift, (int)(n * 3), n) != have + shift || memcmp(have, want, ROOM))
				return false;
			fill();
			memset(want + shift, 0x5a, n);
			if (exos_fill_guarded(have + shift, 0x5a5a5a5a5a5a5a5aul, n, &resume) || resume ||
				memcmp(have, want, ROOM))
				return false;
		}
	return true;
}

static int sign(int n) { return (n > 0) - (n < 0); }

static bool compares(void)
{
	char a[24], b[24];

	for (int round = 0; round < 200000; round++) {
		size_t n = random_below(20), max = random_below(24);

		for (size_t i = 0; i < sizeof(a); i++)
			a[i] = b[i] = (char)(random_below(3) ? 'a' + random_below(2) : random_below(2) ? 0 : 0xe0);
		b[random_below(sizeof(b))] ^= (char)(random_below(3) == 0);
		a[23] = b[23] = 0;
		if (sign(exos_memcmp(a, b, n)) != sign(memcmp(a, b, n)) ||
			sign(exos_strcmp(a, b)) != sign(strcmp(a, b)) ||
			sign(exos_strncmp(a, b, max)) != sign(strncmp(a, b, max)) || exos_strlen(a) != strlen(a) ||
			exos_strnlen(a, max) != strnlen(a, max) || exos_strchr(a, 'b') != strchr(a, 'b') ||
			exos_strchr(a, 0) != strchr(a, 0) || exos_strchr(a, 0xe0) != strchr(a, 0xe0))
			return false;
	}
	return true;
}

static bool pages(void)
{
	static uint8_t a[FRAME_SIZE] __attribute__((aligned(4096))), b[FRAME_SIZE] __attribute__((aligned(4096)));
	static const uint8_t zero[FRAME_SIZE];

	for (size_t i = 0; i < FRAME_SIZE; i++)
		a[i] = (uint8_t)random_below(256);
	frame_copy(b, a);
	if (memcmp(a, b, FRAME_SIZE))
		return false;
	frame_zero(b);
	return !memcmp(b, zero, FRAME_SIZE);
}

/* The program's vector registers must come through: both halves, in both kinds of CPU. */
#define VECTORS 16
typedef uint8_t vector_state[VECTORS][32] __attribute__((aligned(32)));
void vectors_call(const vector_state before, vector_state after, void (*call)(void)); /* vectors.S */

static uint8_t big[2][3000];
static void call_copy(void)
{
	uint64_t resume;
	exos_copy_guarded(big[0], big[1], sizeof(big[0]) - 3, &resume);
}
static void call_fill(void)
{
	uint64_t resume;
	exos_fill_guarded(big[0], 0x0101010101010101ul, sizeof(big[0]) - 3, &resume);
}
static uint8_t page_a[FRAME_SIZE] __attribute__((aligned(4096))), page_b[FRAME_SIZE] __attribute__((aligned(4096)));
static void call_zero(void) { frame_zero(page_a); }
static void call_page_copy(void) { frame_copy(page_a, page_b); }

static bool registers_survive(void)
{
	static vector_state before, after;
	void (*calls[])(void) = {call_copy, call_fill, call_zero, call_page_copy};

	for (size_t c = 0; c < ARRAY_LENGTH(calls); c++) {
		for (size_t i = 0; i < sizeof(before); i++)
			((uint8_t *)before)[i] = (uint8_t)random_below(256);
		vectors_call(before, after, calls[c]);
		if (memcmp(before, after, sizeof(before)))
			return false;
	}
	return true;
}

int main(void)
{
	ok(copies() && fills() && pages(),
		"copies and fills of every size and shift, in the registers that every CPU has");
	exos_page_start();
	ok(copies(), "copies, in the widest registers");
	ok(moves(), "moves, overlapping both ways");
	ok(fills(), "fills");
	ok(compares(), "comparisons, lengths and searches");
	ok(pages(), "whole pages");
	if (__builtin_cpu_supports("avx"))
		ok(registers_survive(), "vector registers come through");
	else
		ok(true, "vector registers come through # SKIP no AVX here");
	return done_testing();
}
