#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <kernel/filter/trie.h>
#include <tests/host/filter/check.h>

static uint64_t seed, state, points, failed;

void ok(bool good, const char *what)
{
	printf("%sok %lu - %s\n", good ? "" : "not ", ++points, what);
	failed += !good;
}

void broken(const char *file, int line, const char *condition)
{
	printf("not ok %lu - %s:%d: %s; again: SEED=%lu\n", ++points, file, line, condition, seed);
	fflush(stdout);
	exit(1);
}

int finish(void)
{
	printf("1..%lu\n", points);
	return failed != 0;
}

void random_start(void)
{
	seed = getenv("SEED") ? strtoul(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
	state = seed * 2654435761 + 88172645463325252;
	printf("# SEED=%lu\n", seed);
}

uint64_t random_below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

uint64_t rounds_wanted(uint64_t n) { return getenv("ROUNDS") ? strtoul(getenv("ROUNDS"), NULL, 0) : n; }

const uint8_t *code_memory(size_t size, uint8_t **write)
{
	int file = memfd_create("code", 0);
	const uint8_t *run;

	if (file < 0 || ftruncate(file, (off_t)size))
		abort();
	*write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	run = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
	close(file);
	if (*write == MAP_FAILED || run == MAP_FAILED)
		abort();
	return run;
}

struct filters *filters_for(uint32_t slots)
{
	struct filter_memory m = {.slots = slots, .key = random_below(UINT64_MAX)};

	m.data = calloc(1, filters_data_size(slots));
	m.run = code_memory(filters_code_size(slots), &m.code);
	return filters_start(&m);
}

void filters_drop(struct filters *fs)
{
	struct filter_memory m = fs->memory;

	munmap((void *)(uintptr_t)m.run, filters_code_size(m.slots));
	munmap(m.code, filters_code_size(m.slots));
	free(m.data);
}

const uint8_t *packet_at_end(const uint8_t *packet, uint32_t length)
{
	static uint8_t *pages;
	enum { ROOM = 65536 };

	if (!pages) {
		pages = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(pages + ROOM, 4096, PROT_NONE);
	}
	if (length)
		memcpy(pages + ROOM - length, packet, length);
	return pages + ROOM - length;
}

bool model_accepts(const struct aegis_atom *atoms, uint32_t n, const uint8_t *packet, uint32_t length)
{
	uint32_t base = 0;

	for (const struct aegis_atom *a = atoms; a < atoms + n; a++) {
		uint32_t at = base + a->offset, field;

		if (at + a->size > length)
			return false;
		switch (a->size) {
		case 1: field = packet[at]; break;
		case 2: field = (uint32_t)packet[at] << 8 | packet[at + 1]; break;
		default: field = (uint32_t)packet[at] << 24 | (uint32_t)packet[at + 1] << 16 | (uint32_t)packet[at + 2] << 8 | packet[at + 3];
		}
		if (a->kind == ATOM_SHIFT)
			base += (field & a->mask) << a->value;
		else if ((field & a->mask) != a->value)
			return false;
	}
	return true;
}

/* What atoms say of each bit, for each number of shifts before it. */
struct said {
	uint8_t mask[NET_SHIFTS_MAX + 1][NET_OFFSET_MAX + 4], value[NET_SHIFTS_MAX + 1][NET_OFFSET_MAX + 4];
};

bool model_overlap(const struct aegis_atom *a, uint32_t n, const struct aegis_atom *b, uint32_t m)
{
	static struct said s;
	const struct aegis_atom *shifts[NET_SHIFTS_MAX];
	uint32_t shift = 0, passed = 0;

	memset(&s, 0, sizeof(s));
	for (uint32_t i = 0; i < n; i++) {
		if (a[i].kind == ATOM_SHIFT)
			shifts[shift++] = &a[i];
		for (uint32_t j = 0; j < a[i].size && a[i].kind == ATOM_COMPARE; j++) {
			uint8_t *mask = &s.mask[shift][a[i].offset + j], down = (uint8_t)(8 * (a[i].size - 1 - j)), more = (uint8_t)(a[i].mask >> down) & (uint8_t)~*mask;

			*mask |= more;
			s.value[shift][a[i].offset + j] |= (uint8_t)(a[i].value >> down) & more;
		}
	}
	for (uint32_t i = 0; i < m; i++) {
		if (b[i].kind == ATOM_SHIFT) {
			if (passed == shift || memcmp(shifts[passed], &b[i], sizeof(b[i])))
				return true;
			passed++;
		}
		for (uint32_t j = 0; j < b[i].size && b[i].kind == ATOM_COMPARE; j++) {
			uint32_t at = b[i].offset + j, down = 8 * (b[i].size - 1 - j);

			if ((s.value[passed][at] ^ b[i].value >> down) & s.mask[passed][at] & b[i].mask >> down & 0xff)
				return false;
		}
	}
	return true;
}

uint32_t model_bits(const struct aegis_atom *atoms, uint32_t n)
{
	static struct said s;
	uint32_t shift = 0, bits = 0;

	memset(&s, 0, sizeof(s));
	for (uint32_t i = 0; i < n; i++) {
		shift += atoms[i].kind == ATOM_SHIFT;
		for (uint32_t bit = 0; bit < 8u * atoms[i].size && atoms[i].kind == ATOM_COMPARE; bit++) {
			uint8_t *mask = &s.mask[shift][atoms[i].offset + atoms[i].size - 1 - bit / 8];

			if (atoms[i].mask >> bit & 1 && !(*mask >> bit % 8 & 1)) {
				*mask |= (uint8_t)(1 << bit % 8);
				bits++;
			}
		}
	}
	return bits;
}
