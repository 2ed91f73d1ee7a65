/* Random filters of random owners come and go, in small alphabets so that they have beginnings in common, and random packets are demultiplexed by the compiled code, by the interpreter and by the model. What an insertion
 * answers must be what the model says of every pair of filters. */
#include <kernel/filter/trie.h>
#include <tests/host/filter/check.h>

#define SLOTS 128
#define PACKETS 12 /* for each change */
#define PROGRAMS 4
#define LONGEST 128

struct model {
	struct aegis_atom atoms[NET_ATOMS_MAX];
	uint32_t n, owner, program; /* program: 0: none */
};
static struct model models[SLOTS + 1];
static bool there[SLOTS + 1];
static struct filters *fs;
static filter_root roots[2];
static const uint8_t *programs[PROGRAMS + 1];
static struct aegis_bpf sources[PROGRAMS + 1][4];
static uint64_t count_installed, count_busy, count_full, count_denied, count_packets, count_delivered;
static uint32_t spread; /* values of the field that has many */

static void make_programs(void)
{
	uint8_t *write;
	const uint8_t *run = code_memory(PROGRAMS * 1024ul, &write);

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		struct aegis_bpf p[4] = {{0x30, 0, 0, 8 + 5 * i}, {0x45, 0, 1, 1}, {6, 0, 0, 1}, {6, 0, 0, 0}};

		memcpy(sources[i + 1], p, sizeof(p));
		MUST(bpf_compile(p, 4, write + 1024 * i, 1024) > 0);
		programs[i + 1] = run + 1024 * i;
	}
}

static bool program_accepts(uint32_t program, const uint8_t *packet, uint32_t length) { return !program || bpf_interpret(sources[program], 4, packet, length); }

/* The fields: some overlap in part, and one has many values, so that it is looked up in the table. */
static struct aegis_atom random_atom(uint32_t shifts)
{
	static const struct aegis_atom fields[] = {
		{12, 2, ATOM_COMPARE, 0xffff, 0}, {12, 1, ATOM_COMPARE, 0xff, 0}, {20, 4, ATOM_COMPARE, 0x030000ff, 0}, {23, 1, ATOM_COMPARE, 0xff, 0}, {26, 4, ATOM_COMPARE, 0xffffffff, 0},
		{30, 4, ATOM_COMPARE, 0xffffffff, 0}, {30, 2, ATOM_COMPARE, 0x0303, 0}, {0, 2, ATOM_COMPARE, 0xffff, 0}, {2, 2, ATOM_COMPARE, 0xffff, 0}, {0, 4, ATOM_COMPARE, 0x0100ffff, 0},
		{3, 1, ATOM_COMPARE, 0x0f, 0}, {50, 4, ATOM_COMPARE, 0x03000001, 0}, {44, 2, ATOM_COMPARE, 0xffff, 0}, {60, 1, ATOM_COMPARE, 3, 0}};
	struct aegis_atom a;

	if (shifts < NET_SHIFTS_MAX && random_below(7) == 0) {
		static const struct aegis_atom shift[] = {{14, 1, ATOM_SHIFT, 3, 2}, {14, 1, ATOM_SHIFT, 3, 3}, {16, 2, ATOM_SHIFT, 3, 0}, {24, 4, ATOM_SHIFT, 0x1, 4}};

		return shift[random_below(4)];
	}
	a = fields[random_below(sizeof(fields) / sizeof(*fields))];
	for (uint32_t i = 0; i < a.size; i++)
		a.value |= (uint32_t)random_below(i ? 2 : 3) << 8 * i;
	if (a.offset == 26)
		a.value = (uint32_t)random_below(spread);
	a.value &= a.mask;
	return a;
}

static void random_filter(struct model *m)
{
	uint32_t shifts = 0, like = (uint32_t)random_below(SLOTS) + 1, take;

	m->n = 0;
	m->owner = random_below(4) ? 1 : 1 + (uint32_t)random_below(3);
	m->program = random_below(6) ? 0 : 1 + (uint32_t)random_below(PROGRAMS);
	take = there[like] ? (uint32_t)random_below(models[like].n + 1) : 0; /* a beginning that is there already */
	for (; m->n < take; m->n++) {
		m->atoms[m->n] = models[like].atoms[m->n];
		shifts += m->atoms[m->n].kind == ATOM_SHIFT;
	}
	while (m->n < NET_ATOMS_MAX && random_below(4)) {
		m->atoms[m->n] = random_atom(shifts);
		shifts += m->atoms[m->n++].kind == ATOM_SHIFT;
	}
	MUST(filter_check_atoms(m->atoms, m->n) == 0);
}

static filter_root root_of(uint32_t filter) { return roots[filter_word(fs, filter) ? *filter_word(fs, filter) : 0]; }

/* What an insertion should answer; a full pool apart. */
static int64_t expected(const struct model *m, filter_root root, uint32_t scope)
{
	if (scope) {
		if (!there[scope] || root_of(scope) != root || models[scope].n > m->n || memcmp(m->atoms, models[scope].atoms, models[scope].n * sizeof(*m->atoms)))
			return -E_DENIED;
	}
	for (uint32_t i = 1; i <= SLOTS; i++) {
		if (!there[i] || root_of(i) != root)
			continue;
		if (models[i].owner != m->owner && i != scope && model_overlap(m->atoms, m->n, models[i].atoms, models[i].n))
			return -E_BUSY;
		if (models[i].n == m->n && !memcmp(models[i].atoms, m->atoms, m->n * sizeof(*m->atoms)) && models[i].program == m->program)
			return -E_BUSY;
	}
	return 0;
}

static void insert(void)
{
	struct model m;
	struct pool nodes = fs->free_nodes, filters = fs->free_filters;
	uint32_t which = random_below(8) == 0, scope = random_below(3) ? 0 : (uint32_t)random_below(SLOTS + 2);
	int64_t should, number;

	memset(&m, 0, sizeof(m));
	random_filter(&m);
	if (scope && scope <= SLOTS && there[scope] && random_below(2)) { /* one that begins with it, mostly */
		m.n = models[scope].n;
		memcpy(m.atoms, models[scope].atoms, sizeof(m.atoms));
		if (m.n < NET_ATOMS_MAX)
			m.atoms[m.n++] = random_atom(NET_SHIFTS_MAX);
	}
	if (scope > SLOTS)
		scope = 12345;
	should = expected(&m, roots[which], scope > SLOTS ? 0 : scope);
	if (scope > SLOTS)
		should = -E_DENIED;
	number = filter_insert(fs, &(struct filter_request){.root = roots[which], .atoms = m.atoms, .atom_count = m.n, .program = programs[m.program], .owner = m.owner, .scope = scope, .word = which});
	if (number == -E_FULL && should == 0) {
		count_full++;
	} else if (number < 0) {
		MUST(number == should);
		*(number == -E_BUSY ? &count_busy : &count_denied) += 1;
	}
	if (number < 0) {
		MUST(nodes.left == fs->free_nodes.left && filters.left == fs->free_filters.left && nodes.free == fs->free_nodes.free);
		return;
	}
	MUST(should == 0 && number <= SLOTS && !there[number] && filter_owner(fs, (uint32_t)number) == m.owner && filter_trie(fs, (uint32_t)number) == roots[which]);
	count_installed++;
	models[number] = m;
	there[number] = true;
}

/* Random, or such that one of the filters accepts it, perhaps spoilt, perhaps cut off. */
static uint32_t random_packet(uint8_t *packet)
{
	uint32_t length = LONGEST, like = (uint32_t)random_below(SLOTS) + 1, base = 0;

	for (uint32_t i = 0; i < LONGEST; i++)
		packet[i] = (uint8_t)random_below(2);
	for (uint32_t i = 0; there[like] && i < models[like].n; i++) {
		const struct aegis_atom *a = &models[like].atoms[i];
		uint32_t field = 0;

		for (uint32_t j = 0; j < a->size; j++) {
			uint32_t down = 8 * (a->size - 1 - j);
			uint8_t *byte = &packet[base + a->offset + j];

			if (a->kind == ATOM_COMPARE)
				*byte = (uint8_t)((*byte & ~(a->mask >> down)) | a->value >> down);
			field = field << 8 | *byte;
		}
		if (a->kind == ATOM_SHIFT)
			base += (field & a->mask) << a->value;
		if (base > 40)
			base = 40;
	}
	if (random_below(3) == 0)
		packet[random_below(LONGEST)] ^= (uint8_t)random_below(4);
	if (random_below(3) == 0)
		length = (uint32_t)random_below(random_below(2) ? LONGEST : 50);
	return length;
}

/* The best by the model, of what is there. */
static uint32_t model_demultiplex(filter_root root, const uint8_t *packet, uint32_t length)
{
	uint32_t best = 0, best_bits = 0;

	for (uint32_t i = SLOTS; i > 0; i--) {
		const struct model *m = &models[i];
		uint32_t bits = there[i] ? model_bits(m->atoms, m->n) << 1 | (m->program != 0) : 0;

		if (there[i] && (!best || bits >= best_bits) && root_of(i) == root && model_accepts(m->atoms, m->n, packet, length) && program_accepts(m->program, packet, length)) {
			best = i;
			best_bits = bits;
		}
	}
	return best;
}

static void demultiplex(bool with_model)
{
	uint8_t packet[LONGEST];
	uint32_t length = random_packet(packet), got;
	const uint8_t *at = packet_at_end(packet, length);
	filter_root root = roots[random_below(8) == 0];

	got = filter_demultiplex(fs, root, at, length);
	MUST(got == filter_interpret(fs, root, at, length));
	if (with_model)
		MUST(got == model_demultiplex(root, at, length));
	count_packets++;
	count_delivered += got != 0;
}

static void delete(uint32_t filter)
{
	if (!there[filter]) {
		MUST(!filter_word(fs, filter) && !filter_trie(fs, filter));
		return;
	}
	filter_delete(fs, filter);
	there[filter] = false;
}

/* A set grows and shrinks; at the end everything is given back. */
static void one_set(uint64_t changes)
{
	uint32_t nodes, edges, start = (uint32_t)random_below(SLOTS), slots = random_below(3) ? SLOTS : SLOTS / 8;

	fs = filters_for(slots);
	nodes = fs->free_nodes.left;
	edges = fs->free_edges.left;
	roots[0] = filter_root_make(fs);
	roots[1] = filter_root_make(fs);
	spread = random_below(2) ? 3 : 60;
	for (uint64_t i = 0; i < changes; i++) {
		if (random_below(10) < (i % 200 < 120 ? 8 : 2)) /* tides */
			insert();
		else
			delete((uint32_t)random_below(SLOTS) + 1);
		for (int j = 0; j < PACKETS; j++)
			demultiplex(j == 0);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		delete((start + i * 37) % SLOTS + 1);
		demultiplex(true);
	}
	MUST(filter_count(fs) == 0);
	filter_root_end(fs, roots[0]);
	filter_root_end(fs, roots[1]);
	MUST(fs->free_nodes.left == nodes && fs->free_edges.left == edges && fs->free_filters.left == slots);
	for (uint32_t i = 0; i < 1u << fs->table_bits; i++)
		MUST(fs->table[i] == fs->edges);
	filters_drop(fs);
}

int main(void)
{
	uint64_t rounds = rounds_wanted(30);

	random_start();
	make_programs();
	for (uint64_t i = 0; i < rounds; i++)
		one_set(600);
	printf("# %lu filters installed, %lu refused as busy, %lu denied, %lu did not fit; %lu packets, %lu of them delivered\n", count_installed, count_busy, count_denied, count_full, count_packets, count_delivered);
	ok(true, "compiled filters, the interpreter and the model agree on every packet");
	ok(true, "an insertion is refused when a packet may be another owner's, and only then");
	ok(count_installed && count_busy && count_denied && count_full && count_delivered, "all of that has happened");
	return finish();
}
