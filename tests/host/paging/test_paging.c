/* The coder: what is coded comes back, whatever it is, and garbage is refused without harm. The policies: with accessed bits from a model, each does what its name says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <exos/lib/vm/replacement.h>
#include <exos/lib/vm/squeeze.h>

#define PAGE 4096

static uint64_t seed, points, failed;

static void ok(bool good, const char *what, const char *which)
{
	printf("%sok %lu - %s%s%s\n", good ? "" : "not ", ++points, what, which ? ": " : "", which ? which : "");
	failed += !good;
}

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

/* Bytes of some kind: random ones, runs, words that repeat, pieces of what came before. */
static void invent(uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		size_t length = 1 + random_below(random_below(4) ? 40 : n), back = at ? 1 + random_below(at) : 0;
		uint64_t kind = random_below(4);
		uint8_t value = (uint8_t)random_below(256);

		for (; length-- && at < n; at++)
			bytes[at] = kind == 0 ? (uint8_t)random_below(256) : kind == 1 ? value : kind == 2 && back ? bytes[at - back] : (uint8_t)(at % 8 ? 0 : at);
	}
}

/* Buffers are exact, so that the sanitizer sees every byte beyond. */
static bool round_trip(size_t n, size_t room)
{
	uint8_t *bytes = malloc(n ? n : 1), *code = malloc(room ? room : 1), *again = malloc(n ? n : 1);
	size_t length;
	bool good;

	invent(bytes, n);
	length = squeeze(code, room, bytes, n);
	code = realloc(code, length ? length : 1);
	good = !length || (unsqueeze(again, n, code, length) == n && !memcmp(bytes, again, n));
	if (length && n > 1) /* less room than it needs */
		good &= unsqueeze(again, n - 1, code, length) == SQUEEZE_BAD;
	good &= n == 0 || room < n + n / 128 + 1 || length;
	free(bytes);
	free(code);
	free(again);
	return good;
}

static void coder_comes_back(uint64_t rounds)
{
	bool good = true;

	for (uint64_t i = 0; i < rounds && good; i++) {
		size_t n = random_below(3) ? PAGE : random_below(16) ? random_below(300) : random_below(65536);

		good = round_trip(n, random_below(2) ? n + n / 128 + 1 : random_below(n + 1));
	}
	ok(good, "what is squeezed comes back, or does not fit", NULL);
}

/* Codes that were changed, cut, or never were any. What comes out does not matter; the sanitizer watches. */
static void coder_survives_garbage(uint64_t rounds)
{
	bool good = true;

	for (uint64_t i = 0; i < rounds; i++) {
		size_t n = 1 + random_below(PAGE), room = 2 * n, length, out = random_below(2 * PAGE);
		uint8_t *bytes = malloc(n), *code = malloc(room), *result = malloc(out ? out : 1);

		invent(bytes, n);
		length = random_below(4) ? squeeze(code, room, bytes, n) : 0;
		if (!length) {
			length = 1 + random_below(64);
			code = realloc(code, length);
			for (size_t k = 0; k < length; k++)
				code[k] = (uint8_t)random_below(256);
		}
		for (uint64_t changes = random_below(8); changes--;)
			code[random_below(length)] = (uint8_t)random_below(256);
		length = 1 + random_below(length);
		code = realloc(code, length);
		n = unsqueeze(result, out, code, length);
		good &= n == SQUEEZE_BAD || n <= out;
		free(bytes);
		free(code);
		free(result);
	}
	ok(good, "garbage is refused or makes no more than there is room for", NULL);
}

static void coder_squeezes(void)
{
	static uint8_t bytes[PAGE], code[PAGE];
	size_t zero = squeeze(code, PAGE, bytes, PAGE), words, noise;

	for (int i = 0; i < PAGE; i++)
		bytes[i] = (uint8_t)(i % 8 < 3 ? i % 8 : 0);
	words = squeeze(code, PAGE, bytes, PAGE);
	for (int i = 0; i < PAGE; i++)
		bytes[i] = (uint8_t)random_below(256);
	noise = squeeze(code, PAGE - 1, bytes, PAGE);
	printf("# a page of zeroes: %lu bytes, of one word: %lu\n", zero, words);
	ok(zero && zero < 16 && words && words < 32 && !noise, "zeroes and repeats go into some bytes, noise does not fit", NULL);
}

/* A memory of so many frames, as the pager keeps it. */
#define PAGES 100u
static bool in[PAGES], touched[PAGES];
static uint32_t used;

static bool was_touched(struct replacement *r, uint32_t page)
{
	bool was = touched[page];

	(void)r;
	touched[page] = false;
	return was;
}

static struct replacement *begin(const struct replacement_ops *ops)
{
	struct replacement *r = replacement_create(ops, PAGES);

	r->accessed = was_touched;
	memset(in, 0, sizeof(in));
	memset(touched, 0, sizeof(touched));
	used = 0;
	return r;
}

/* True: it was a fault. *bad: the victim was none. */
static bool reference(struct replacement *r, uint32_t page, uint32_t frames, bool *bad)
{
	bool fault = !in[page];

	if (fault && used == frames) {
		uint32_t victim = r->ops->victim(r);

		*bad |= victim >= PAGES || !in[victim] || r->loaded != used;
		ring_remove(r, victim);
		in[victim] = false;
		used--;
	}
	if (fault) {
		r->note[page] = 0;
		in[page] = true;
		used++;
		r->ops->loaded(r, page);
	}
	touched[page] = true;
	return fault;
}

static void policies_choose_what_is_there(uint64_t rounds)
{
	for (const struct replacement_ops *const *ops = replacements; *ops; ops++) {
		struct replacement *r = begin(*ops);
		bool bad = false;
		uint32_t frames = 1;

		for (uint64_t i = 0; i < rounds; i++) {
			if (i % 1000 == 0)
				frames = used + (uint32_t)random_below(PAGES + 1 - used);
			reference(r, (uint32_t)random_below(PAGES), frames ? frames : 1, &bad);
			if (r->ops->done_with && random_below(8) == 0 && ring_first(r) != PAGES)
				r->ops->done_with(r, random_below(2) ? ring_last(r) : ring_first(r));
			if (random_below(16) == 0 && used) { /* it goes for another reason */
				uint32_t page = ring_last(r);

				ring_remove(r, page);
				in[page] = false;
				used--;
			}
		}
		ok(!bad, "a victim is always in memory", (*ops)->name);
		replacement_destroy(r);
	}
}

static uint64_t cyclic_faults(const struct replacement_ops *ops)
{
	struct replacement *r = begin(ops);
	uint64_t faults = 0;
	bool bad = false;

	for (uint32_t i = 0; i < PAGES * 20; i++)
		faults += reference(r, i % PAGES, PAGES - 10, &bad);
	replacement_destroy(r);
	return faults;
}

/* One page is used between any two others: who looks at accessed bits keeps it. */
static uint64_t favourite_faults(const struct replacement_ops *ops)
{
	struct replacement *r = begin(ops);
	uint64_t faults = 0;
	bool bad = false;

	for (uint32_t i = 0; i < 5000; i++) {
		faults += reference(r, 0, 20, &bad);
		reference(r, 1 + i % (PAGES - 1), 20, &bad);
	}
	replacement_destroy(r);
	return faults;
}

static void policies_do_what_they_are_for(void)
{
	struct replacement *r;
	bool bad = false;
	uint32_t victim;

	ok(cyclic_faults(&replacement_lru) == PAGES * 20 && cyclic_faults(&replacement_clock) == PAGES * 20, "lru and clock miss every page of a scan that does not fit", NULL);
	ok(cyclic_faults(&replacement_mru) <= PAGES + 19 * 11, "mru misses what does not fit", NULL);
	ok(favourite_faults(&replacement_clock) <= 3, "clock keeps what is used all the time", NULL);
	ok(favourite_faults(&replacement_lru) <= 3, "lru too", NULL);
	r = begin(&replacement_told);
	for (uint32_t i = 0; i < 20; i++)
		reference(r, i, 20, &bad);
	r->ops->done_with(r, 13);
	victim = r->ops->victim(r);
	ok(victim == 13 && !bad, "told gives first what it is told", NULL);
	replacement_destroy(r);
}

int main(void)
{
	const char *wanted = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t first = wanted ? strtoul(wanted, NULL, 0) : (uint64_t)time(NULL), many = rounds ? strtoul(rounds, NULL, 0) : 20000;

	printf("# SEED=%lu\n", first);
	seed = first * 2 + 1;
	coder_comes_back(many);
	coder_survives_garbage(many);
	coder_squeezes();
	policies_choose_what_is_there(many * 5);
	policies_do_what_they_are_for();
	printf("1..%lu\n", points);
	return failed != 0;
}
