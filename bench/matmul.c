/* What a program pays that only computes: the paper's 150x150 integer matrix multiply, which shows that an exokernel takes nothing from those who ask
 * it for nothing (6.2). Prints `matmul value`, ticks of the time-stamp counter. */
#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

enum { SIDE = 150 };

static int32_t a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static void fill(int32_t m[SIDE][SIDE], uint32_t seed)
{
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			seed = seed * 1664525 + 1013904223;
			m[i][j] = (int32_t)(seed >> 24) - 128;
		}
}

static void __attribute__((noipa)) multiply(void)
{
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t sum = 0;

			for (int k = 0; k < SIDE; k++)
				sum += a[i][k] * b[k][j];
			c[i][j] = sum;
		}
}

/* By the sums of rows: c times a vector of ones must be a times (b times it). */
static int right(void)
{
	int64_t of_b[SIDE] = { 0 };

	for (int k = 0; k < SIDE; k++)
		for (int j = 0; j < SIDE; j++)
			of_b[k] += b[k][j];
	for (int i = 0; i < SIDE; i++) {
		int64_t got = 0, expected = 0;

		for (int k = 0; k < SIDE; k++) {
			got += c[i][k];
			expected += a[i][k] * of_b[k];
		}
		if (got != expected)
			return 0;
	}
	return 1;
}

int main(void)
{
	uint64_t taken = 0;

	fill(a, 1);
	fill(b, 2);
	for (int warm = 1; warm >= 0; warm--) {
		taken = __rdtsc();
		multiply();
		taken = __rdtsc() - taken;
	}
	printf("matmul %lu\n", taken);
	if (!right())
		fprintf(stderr, "the product is wrong\n");
	return !right();
}
