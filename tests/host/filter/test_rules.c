/* The rules of filters, each by itself: who gets a packet, what is refused, what comes and goes; and that the code of every kind of node fits its cell. */
#include <kernel/filter/trie.h>
#include <tests/host/filter/check.h>

static struct filters *fs;
static filter_root root;

static struct aegis_atom field(uint16_t offset, uint8_t size, uint32_t value) { return (struct aegis_atom){offset, size, ATOM_COMPARE, UINT32_MAX >> (32 - 8 * size), value}; }
static struct aegis_atom masked(uint16_t offset, uint8_t size, uint32_t mask, uint32_t value) { return (struct aegis_atom){offset, size, ATOM_COMPARE, mask, value}; }
static struct aegis_atom header(uint16_t offset) { return (struct aegis_atom){offset, 1, ATOM_SHIFT, 0xf, 2}; }

static int64_t add(uint32_t owner, uint32_t scope, const uint8_t *program, const struct aegis_atom *atoms, uint32_t n)
{
	MUST(filter_check_atoms(atoms, n) == 0);
	return filter_insert(fs, &(struct filter_request){.root = root, .atoms = atoms, .atom_count = n, .program = program, .owner = owner, .scope = scope, .word = owner});
}
#define ADD(owner, scope, ...) \
	({ \
		struct aegis_atom atoms_[] = {__VA_ARGS__}; \
		add(owner, scope, NULL, atoms_, sizeof(atoms_) / sizeof(*atoms_)); \
	})

static uint32_t demultiplex(const uint8_t *packet, uint32_t length)
{
	const uint8_t *p = packet_at_end(packet, length);
	uint32_t got = filter_demultiplex(fs, root, p, length);

	MUST(got == filter_interpret(fs, root, p, length));
	return got;
}

static void begin(uint32_t slots)
{
	fs = filters_for(slots);
	root = filter_root_make(fs);
}

static void most_bits_win(void)
{
	uint8_t packet[64] = {[12] = 8, [30] = 10, [23] = 6};
	int64_t all, type, exact, other;
	bool good;

	begin(16);
	good = demultiplex(packet, 64) == 0;
	all = add(1, 0, NULL, NULL, 0);
	good &= demultiplex(packet, 64) == all && demultiplex(packet, 0) == all;
	exact = ADD(1, 0, field(12, 2, 0x800), field(30, 1, 10));
	type = ADD(1, 0, field(12, 2, 0x800));
	other = ADD(1, 0, field(23, 1, 6), masked(30, 1, 0x0f, 10));
	good &= demultiplex(packet, 64) == exact && demultiplex(packet, 30) == type && demultiplex(packet, 13) == all;
	filter_delete(fs, (uint32_t)exact);
	good &= demultiplex(packet, 64) == type;
	filter_delete(fs, (uint32_t)type);
	good &= demultiplex(packet, 64) == other;
	filter_delete(fs, (uint32_t)all);
	packet[23] = 17;
	good &= demultiplex(packet, 64) == 0;
	filters_drop(fs);
	ok(good, "the filter that compares the most bits has the packet");

	begin(16); /* naming a bit twice does not make it two */
	exact = ADD(1, 0, field(12, 2, 0x800));
	other = ADD(1, 0, field(12, 1, 8), masked(12, 2, 0xff00, 0x800), field(12, 1, 8));
	ok(demultiplex(packet, 64) == exact && other > 0, "a bit that is compared twice counts once");
	filters_drop(fs);
}

static void what_is_refused(void)
{
	struct aegis_atom many[NET_ATOMS_MAX + 1];
	bool good;

	for (int i = 0; i <= NET_ATOMS_MAX; i++)
		many[i] = field(0, 1, 1);
	many[1] = (struct aegis_atom){0, 1, ATOM_SHIFT, 0xf0, 4};
	good = filter_check_atoms(many, 2) < 0 && filter_check_atoms(many, NET_ATOMS_MAX + 1) < 0;
	many[1] = (struct aegis_atom){0, 1, ATOM_SHIFT, 0xff, 0};
	good &= filter_check_atoms(many, NET_ATOMS_MAX) == 0;
	many[2] = many[3] = many[1];
	good &= filter_check_atoms(many, NET_ATOMS_MAX) < 0;
	for (int i = 0; i < 7; i++) {
		static const struct aegis_atom bad[] = {{0, 3, ATOM_COMPARE, 1, 1}, {NET_OFFSET_MAX, 1, ATOM_COMPARE, 1, 1}, {0, 1, ATOM_COMPARE, 0x100, 0}, {0, 1, ATOM_COMPARE, 1, 2}, {0, 1, ATOM_COMPARE, 0, 0}, {0, 1, 2, 1, 1},
			{0, 1, ATOM_SHIFT, 1, 0x80000000}};

		good &= filter_check_atoms(&bad[i], 1) == -E_INVALID;
	}
	ok(good, "atoms that mean nothing are refused");
}

static void owners(void)
{
	int64_t mine, scope;
	bool good;

	begin(32);
	mine = ADD(1, 0, field(12, 2, 0x800), field(30, 4, 0x0a000201));
	good = mine > 0;
	good &= ADD(1, 0, field(12, 2, 0x800), field(30, 4, 0x0a000201)) == -E_BUSY;           /* over again */
	good &= ADD(2, 0, field(12, 2, 0x800), field(30, 4, 0x0a000201), field(0, 1, 1)) == -E_BUSY; /* narrower */
	good &= ADD(2, 0, field(12, 2, 0x800)) == -E_BUSY;                                     /* wider */
	good &= add(2, 0, NULL, NULL, 0) == -E_BUSY;
	good &= ADD(2, 0, field(23, 1, 6)) == -E_BUSY;                                         /* across */
	good &= ADD(2, 0, field(32, 2, 0x0201)) == -E_BUSY;                                    /* a part of the field that agrees */
	good &= ADD(2, 0, field(33, 4, 0x01000000)) == -E_BUSY;
	good &= ADD(2, 0, header(14), field(30, 4, 0x0a000202)) == -E_BUSY;                    /* that field is elsewhere */
	good &= ADD(2, 0, field(32, 2, 0x0202)) > 0;                                           /* and one that does not */
	good &= ADD(2, 0, masked(33, 4, 0x80000000, 0x80000000)) > 0;
	good &= ADD(2, 0, masked(30, 1, 3, 1)) > 0;
	good &= ADD(2, 0, field(13, 1, 6)) > 0;
	good &= ADD(1, 0, field(12, 2, 0x800)) == -E_BUSY;                                     /* the other owner's are in it now */
	ok(good, "a filter that may take another owner's packets is refused, one that cannot is not");
	filters_drop(fs);

	begin(32);
	scope = ADD(1, 0, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200));
	good = ADD(2, (uint32_t)scope, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200), field(33, 1, 7)) > 0;
	good &= ADD(3, (uint32_t)scope, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200), field(33, 1, 8)) > 0;
	good &= ADD(3, (uint32_t)scope, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200), field(33, 1, 7), field(0, 1, 1)) == -E_BUSY; /* the scope's, but another's too */
	good &= ADD(2, (uint32_t)scope, masked(30, 4, 0xffffff00, 0x0a000200), field(12, 2, 0x800), field(33, 1, 9)) == -E_DENIED;
	good &= ADD(2, (uint32_t)scope, field(12, 2, 0x800)) == -E_DENIED;
	good &= ADD(2, 31, field(12, 2, 0x800)) == -E_DENIED && ADD(2, UINT32_MAX, field(12, 2, 0x800)) == -E_DENIED;
	good &= ADD(2, (uint32_t)scope, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200)) == -E_BUSY;
	filter_delete(fs, (uint32_t)scope);
	good &= ADD(2, (uint32_t)scope, field(12, 2, 0x800), masked(30, 4, 0xffffff00, 0x0a000200), field(33, 1, 10)) == -E_DENIED;
	ok(good, "within a scope, its packets can be had and nobody else's");
	filters_drop(fs);
}

/* Every order in which five filters with common beginnings can go. */
static void every_order(void)
{
	bool good = true;

	for (int order = 0; order < 5 * 4 * 3 * 2; order++) {
		int64_t number[5];
		int64_t other; /* which this packet is not for */
		uint32_t nodes, edges;
		uint8_t packet[64] = {[12] = 8, [23] = 6, [30] = 10, [14] = 5, [34] = 80};

		begin(8);
		nodes = fs->free_nodes.left;
		edges = fs->free_edges.left;
		number[0] = ADD(1, 0, field(12, 2, 0x800));
		number[1] = ADD(1, 0, field(12, 2, 0x800), field(23, 1, 6));
		number[2] = ADD(1, 0, field(12, 2, 0x800), field(23, 1, 6), header(14), field(14, 1, 80));
		number[3] = ADD(1, 0, field(12, 2, 0x800), field(30, 1, 10), field(31, 1, 0), field(32, 1, 0));
		number[4] = ADD(1, 0, field(12, 2, 0x800), field(23, 1, 6), header(14), field(14, 1, 81));
		other = number[4];
		for (int n = 5, rest = order; n > 0; rest /= n--) {
			int which = rest % n;
			bool some = false;

			filter_delete(fs, (uint32_t)number[which]);
			number[which] = number[n - 1];
			for (int i = 0; i < n - 1; i++)
				some |= number[i] != other;
			good &= (demultiplex(packet, 64) != 0) == some;
		}
		good &= fs->free_nodes.left == nodes && fs->free_edges.left == edges;
		filters_drop(fs);
	}
	ok(good, "filters go in every order, and leave nothing behind");
}

static void full(void)
{
	uint8_t packet[64] = {0};
	bool good = true;
	uint32_t installed = 0;
	int64_t answer;

	begin(8);
	while ((answer = ADD(1, 0, field(12, 2, installed))) > 0)
		installed++;
	good = answer == -E_FULL && installed == 8 && filter_count(fs) == 8;
	for (uint32_t i = 0; i < 8; i++) {
		packet[13] = (uint8_t)i;
		good &= demultiplex(packet, 64) != 0;
	}
	filters_drop(fs);

	begin(64); /* nodes are what is short of here: each filter needs 17 */
	installed = 0;
	do {
		struct aegis_atom atoms[NET_ATOMS_MAX];
		struct pool nodes = fs->free_nodes, edges = fs->free_edges;

		for (uint32_t i = 0; i < NET_ATOMS_MAX; i++)
			atoms[i] = field((uint16_t)i, 1, installed);
		answer = add(1, 0, NULL, atoms, NET_ATOMS_MAX);
		installed += answer > 0;
		if (answer < 0)
			good &= nodes.left == fs->free_nodes.left && edges.left == fs->free_edges.left;
	} while (answer > 0);
	good &= answer == -E_FULL && installed > 8 && installed < 64 && filter_count(fs) == installed;
	memset(packet, 3, sizeof(packet));
	good &= demultiplex(packet, 64) != 0;
	filters_drop(fs);
	ok(good, "a pool that is full refuses, and nothing changes");
}

/* Many connections of one owner do not make an insertion slow or impossible, even one that cannot tell them apart. */
static void many_of_one(void)
{
	uint8_t packet[64] = {[12] = 8, [23] = 6, [14] = 0x45};
	bool good = true;
	int64_t listener, number;

	begin(16384);
	for (uint32_t i = 0; i < 10000; i++)
		good &= ADD(1, 0, field(12, 2, 0x800), field(26, 4, i), header(14), field(14, 4, i << 16 | 80)) > 0;
	listener = ADD(1, 0, field(12, 2, 0x800), header(14), field(16, 2, 80));
	good &= listener > 0;
	good &= ADD(2, 0, field(12, 2, 0x806)) > 0;
	good &= ADD(2, 0, field(12, 2, 0x800), field(26, 4, 10)) == -E_BUSY;
	number = ADD(2, 0, field(12, 2, 0x800), field(23, 1, 17));
	good &= number == -E_BUSY;
	for (uint32_t i = 0; i < 10000; i += 7) {
		packet[28] = (uint8_t)(i >> 8);
		packet[29] = (uint8_t)i;
		packet[34] = (uint8_t)(i >> 8);
		packet[35] = (uint8_t)i;
		packet[37] = 80;
		good &= filter_demultiplex(fs, root, packet, 64) == i + 1;
		packet[35] ^= 1;
		good &= filter_demultiplex(fs, root, packet, 64) == listener;
	}
	ok(good, "ten thousand connections of one owner");
	filters_drop(fs);

	begin(16384); /* and two owners whose filters have to be looked at one by one: there is an end to that */
	for (uint32_t i = 0; i < 10000; i++)
		good &= ADD(1 + i % 2, 0, field(26, 4, i)) > 0;
	good &= ADD(3, 0, masked(26, 1, 0x80, 0x80)) == -E_BUSY && ADD(3, 0, masked(26, 4, 0x80000000, 0x80000000)) == -E_BUSY && ADD(3, 0, field(26, 4, 0x80000000)) > 0;
	ok(good, "an insertion looks at so many nodes and no more");
	filters_drop(fs);
}

/* A packet's way costs no more than the place behind the scope may cost, however the filters are made that it has to be tried against; and who has a part of a scope does not use up the whole's. */
static uint32_t most_alternatives(uint32_t owner, uint32_t scope, const struct aegis_atom *atoms, uint32_t n, int64_t *answer)
{
	struct aegis_atom all[NET_ATOMS_MAX];
	uint32_t installed = 0;

	memcpy(all, atoms, n * sizeof(*atoms));
	for (;; installed++) { /* a field of its own for each */
		all[n] = field((uint16_t)(100 + installed % 1000), installed < 1000 ? 1 : 2, 1);
		*answer = add(owner, scope, NULL, all, n + 1);
		if (*answer < 0 || installed == 1999)
			return installed;
	}
}

static void packets_cost_little(void)
{
	struct aegis_atom part[2] = {field(12, 2, 0x800), field(30, 1, 10)}, branch[3] = {field(12, 2, 0x800), field(30, 1, 10)};
	static const uint8_t program[1];
	int64_t answer, number, other;
	uint32_t installed, again;
	bool good;

	begin(4096);
	number = add(1, 0, NULL, part, 2);
	other = ADD(1, 0, field(12, 2, 0x800), field(30, 1, 11));
	installed = most_alternatives(2, (uint32_t)number, part, 2, &answer);
	good = answer == -E_FULL && installed >= 64 && fs->edges[fs->nodes[root].first].cost < LOOK_MAX;
	ok(good, "there is an end to the filters that one packet is tried against");
	again = most_alternatives(3, (uint32_t)other, (struct aegis_atom[]){field(12, 2, 0x800), field(30, 1, 11)}, 2, &answer);
	good = again >= installed && ADD(1, 0, field(12, 2, 0x800), field(30, 1, 12)) > 0;
	good &= ADD(1, 0, field(12, 2, 0x806)) > 0 && ADD(1, 0, field(12, 2, 0x800), field(23, 1, 6), field(30, 1, 13)) > 0;
	ok(good, "which is not an end for others");
	filters_drop(fs);

	begin(4096); /* some ways at one place, and some behind each of these: as many in all as their product */
	good = true;
	answer = 1;
	for (uint32_t i = 0; i < 60 && answer > 0; i++)
		for (uint32_t j = 0; j < 60 && answer > 0; j++) {
			branch[1] = field((uint16_t)(100 + i), 1, 1);
			branch[2] = field((uint16_t)(200 + j), 1, 1);
			answer = add(1, 0, NULL, branch, 3);
		}
	ok(answer == -E_FULL && fs->edges[fs->nodes[root].first].cost < LOOK_MAX, "however they branch");
	filters_drop(fs);

	begin(4096); /* the same packets, and programs that differ */
	for (installed = 0; installed < 4096; installed++) {
		answer = filter_insert(fs, &(struct filter_request){.root = root, .atoms = part, .atom_count = 2, .program = program + installed, .program_length = NET_BPF_MAX, .owner = 1});
		if (answer < 0)
			break;
	}
	ok(answer == -E_FULL && installed >= 16 && installed * NET_BPF_MAX < 32768, "or what programs they have");
	for (uint32_t i = 1; i <= installed; i++)
		filter_delete(fs, i);
	good = fs->edges[fs->nodes[root].first].cost == 0;
	installed = most_alternatives(2, 0, part, 2, &answer);
	ok(good && answer == -E_FULL && installed > 1000, "what has gone costs nothing");
	filters_drop(fs);
}

/* Values that collide in the hash table are found by who can measure; there is an end to these too. */
static void collisions(void)
{
	uint32_t installed = 0;
	int64_t answer = 1;

	begin(256);
	for (uint32_t value = 0; answer > 0 && installed < 256; value++) {
		if (((2ul << 32 | value) * fs->memory.key) >> (64 - fs->table_bits)) /* the node's number is 2: the root's is 1 */
			continue;
		answer = ADD(1, 0, field(26, 4, __builtin_bswap32(value)));
		installed++;
	}
	ok(answer == -E_FULL && installed > 16 && installed < 128, "values that collide are refused in the end");
	filters_drop(fs);
}

/* The longest node of each kind: everything far away, masked, with others behind it. */
static void longest_code(void)
{
	static uint8_t cell[CODE_CELL];
	size_t longest = 0;

	for (int kind = NODE_COMPARE; kind <= NODE_ACCEPT; kind++) {
		for (uint8_t depth = 0; depth <= NET_SHIFTS_MAX - (kind == NODE_SHIFT); depth++) {
			for (uint8_t size = 1; size <= 4; size *= 2) {
				for (uint32_t edges = 1; edges <= CODE_CHILDREN + 1; edges++) {
					struct edge edge = {.key = 0x12345678, .code = cell};
					struct node node = {.kind = (uint8_t)kind, .size = size, .offset = NET_OFFSET_MAX - 1, .mask = 0x77, .shift = 1, .depth = depth, .edges = edges};
					struct code_node from = {.node = &node, .number = 1000, .children = {&edge, &edge, &edge, &edge}, .next = cell, .key = 1, .program = cell};
					size_t n = code_write(&from, cell, cell, cell);

					longest = n > longest ? n : longest;
				}
			}
		}
	}
	printf("# the longest node takes %lu of %d bytes\n", longest, CODE_CELL);
	ok(longest <= CODE_CELL && longest > CODE_CELL / 2, "the code of every node fits its cell");
}

static void roots_apart(void)
{
	uint8_t packet[64] = {[12] = 8};
	filter_root first, second;
	int64_t one, two;
	bool good;

	begin(8);
	first = root;
	second = root = filter_root_make(fs);
	two = ADD(2, 0, field(12, 2, 0x800));
	good = demultiplex(packet, 64) == two;
	root = first;
	good &= demultiplex(packet, 64) == 0;
	one = ADD(1, 0, field(12, 2, 0x800));
	good &= one > 0 && demultiplex(packet, 64) == one && filter_trie(fs, (uint32_t)two) == second && filter_trie(fs, (uint32_t)one) == first;
	good &= ADD(2, (uint32_t)two, field(12, 2, 0x800), field(0, 1, 1)) == -E_DENIED; /* a scope in another trie */
	good &= *filter_word(fs, (uint32_t)two) == 2 && !filter_word(fs, 0) && !filter_word(fs, 9) && !filter_word(fs, (uint32_t)two + 3);
	ok(good, "tries are apart");
	filters_drop(fs);
}

int main(void)
{
	random_start();
	most_bits_win();
	what_is_refused();
	owners();
	every_order();
	full();
	many_of_one();
	packets_cost_little();
	collisions();
	longest_code();
	roots_apart();
	return finish();
}
