/* What the compiler assumes that there is: three memory functions, in words where that is possible: under an emulator, as on the CPU, `rep` costs a step an element;
 * and the count of bits, for which the CPUs that the kernel is compiled for have no instruction. */
#include <kernel/log.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	for (; n >= 8; n -= 8, t += 8, f += 8)
		*(uint64_t *)t = *(const uint64_t *)f;
	while (n--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	uint8_t *t = to;
	uint64_t word = 0x0101010101010101ul * (uint8_t)byte;

	for (; n >= 64; n -= 64, t += 64)
		for (int i = 0; i < 8; i++)
			((uint64_t *)t)[i] = word;
	while (n--)
		*t++ = (uint8_t)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

int __popcountdi2(uint64_t v);
int __popcountdi2(uint64_t v)
{
	int n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}
