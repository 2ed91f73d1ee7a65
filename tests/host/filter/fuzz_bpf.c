/* Classic BPF, three ways: the compiled code, the interpreter, and libpcap's own bpf_filter. Programs are made up instruction by instruction, and by libpcap's compiler from random expressions; those that are
 * conjunctions must accept the same packets as atoms, and of any program a packet that it accepts must have all that one of its ways (exos/lib/net/program.h) demands. Then programs of random words: what is refused is refused, and what is not runs safely. */
#include <pcap/pcap.h>

#include <exos/lib/net/program.h>
#include <tests/host/filter/check.h>

#define PACKETS 300 /* for each program */
#define ROOM 32768
#define LONGEST 128
_Static_assert(sizeof(struct aegis_bpf) == sizeof(struct bpf_insn), "the same instructions");

static uint8_t *code;
static const uint8_t *run;
static pcap_t *pcap;
static uint64_t pairs, programs, translated, accepted;
static uint8_t packets[PACKETS][LONGEST];
static uint32_t lengths[PACKETS];

static uint32_t pick(const uint32_t *from, size_t n) { return from[random_below(n)]; }
#define PICK(...) pick((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void put(uint8_t *at, uint32_t value, unsigned size)
{
	while (size--)
		*at++ = (uint8_t)(value >> 8 * size);
}

/* Ethernet with IPv4, IPv6, ARP or nothing known, few different addresses and ports; spoilt or cut off now and then. */
static uint32_t random_packet(uint8_t *p)
{
	uint32_t type = PICK(0x800, 0x800, 0x800, 0x86dd, 0x806, 0x8100, 0x1234), header = 4 * PICK(5, 5, 5, 6, 8, 15), length = LONGEST;

	for (int i = 0; i < LONGEST; i++)
		p[i] = (uint8_t)random_below(random_below(2) ? 4 : 256);
	put(p + 12, type, 2);
	if (type == 0x800) {
		p[14] = (uint8_t)(0x40 | header / 4);
		put(p + 20, PICK(0, 0, 0x4000, 0x2000, 100), 2);
		p[23] = (uint8_t)PICK(6, 6, 17, 17, 1);
		put(p + 26, 0x0a000200 + (uint32_t)random_below(4), 4);
		put(p + 30, 0x0a000200 + (uint32_t)random_below(4), 4);
		put(p + 14 + header, PICK(80, 443, 53, 1024), 2);
		put(p + 16 + header, PICK(80, 443, 53, 1024), 2);
	} else if (type == 0x86dd) {
		p[20] = (uint8_t)PICK(6, 17, 44, 58);
		put(p + 54, PICK(80, 443, 53, 1024), 2);
		put(p + 56, PICK(80, 443, 53, 1024), 2);
	}
	if (random_below(4) == 0)
		p[random_below(64)] ^= (uint8_t)(1 << random_below(8));
	if (random_below(4) == 0)
		length = (uint32_t)random_below(LONGEST);
	return length;
}

#define WAYS 64
static struct program_way ways[WAYS];
static uint32_t way_count;
static uint64_t bits_known, types_told_apart;

static int add_way(void *data, const struct program_way *way)
{
	(void)data;
	MUST(way_count < WAYS && way->atom_count <= NET_ATOMS_MAX && filter_check_atoms(way->atoms, way->atom_count) == 0);
	ways[way_count++] = *way;
	bits_known += model_bits(way->atoms, way->atom_count);
	return 0;
}

static void find_ways(const struct aegis_bpf *program, uint32_t n)
{
	way_count = 0;
	MUST(program_ways(program, n, add_way, NULL) == (int)way_count);
	types_told_apart += way_count > 1;
}

static bool some_way(const uint8_t *p, uint32_t length)
{
	for (uint32_t i = 0; i < way_count; i++)
		if (model_accepts(ways[i].atoms, ways[i].atom_count, p, length))
			return true;
	return false;
}

/* One program on all packets. */
static void check(const struct aegis_bpf *program, uint32_t n, bool may_be_long)
{
	struct aegis_atom atoms[NET_ATOMS_MAX];
	int64_t size = bpf_compile(program, n, code, ROOM);
	int count = bpf_to_atoms(program, n, atoms);

	MUST(size > 0 || may_be_long);
	if (size < 0)
		return;
	programs++;
	translated += count >= 0;
	MUST(count < 0 || filter_check_atoms(atoms, (uint32_t)count) == 0);
	find_ways(program, n);
	for (uint32_t i = 0; i < PACKETS; i++) {
		const uint8_t *p = packet_at_end(packets[i], lengths[i]);
		uint32_t result = bpf_interpret(program, n, p, lengths[i]);

		MUST(result == ((bpf_code *)(uintptr_t)run)(p, lengths[i]));
		MUST(result == bpf_filter((const struct bpf_insn *)program, p, lengths[i], lengths[i]));
		MUST(count < 0 || model_accepts(atoms, (uint32_t)count, p, lengths[i]) == (result != 0));
		MUST(!result || some_way(p, lengths[i]));
		pairs++;
		accepted += result != 0;
	}
}

static void renew_packets(void)
{
	for (uint32_t i = 0; i < PACKETS; i++)
		lengths[i] = random_packet(packets[i]);
}

static struct aegis_bpf random_instruction(uint32_t rest)
{
	uint32_t offset = random_below(20) ? PICK(0, 12, 13, 14, 16, 20, 23, 26, 30, 34, 36, 100, 127, 128) : (uint32_t)random_below(1ul << 32);
	uint32_t constant = PICK(0, 1, 2, 4, 6, 15, 17, 31, 80, 0x800, 0x0a000201, 0x1fff, 0xffffffff, 0x80000000), size = PICK(BPF_W, BPF_H, BPF_B);
	uint8_t jt = (uint8_t)random_below(rest < 8 ? rest : 8), jf = (uint8_t)random_below(rest < 8 ? rest : 8);
	uint16_t source = (uint16_t)PICK(BPF_K, BPF_K, BPF_X), op = (uint16_t)PICK(BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_AND, BPF_LSH, BPF_RSH, BPF_NEG, BPF_MOD, BPF_XOR);

	switch (random_below(16)) {
	case 0: return (struct aegis_bpf){(uint16_t)(BPF_LD | size | BPF_IND), 0, 0, offset};
	case 1: return (struct aegis_bpf){(uint16_t)PICK(BPF_LDX | BPF_MSH | BPF_B, BPF_LDX | BPF_MSH | BPF_B, BPF_LDX | BPF_LEN, BPF_LD | BPF_LEN), 0, 0, offset};
	case 2: return (struct aegis_bpf){(uint16_t)PICK(BPF_LD | BPF_IMM, BPF_LDX | BPF_IMM), 0, 0, constant};
	case 3: return (struct aegis_bpf){(uint16_t)PICK(BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX), 0, 0, (uint32_t)random_below(3)};
	case 4:
	case 5:
	case 6:
		if (op == BPF_NEG)
			source = BPF_K;
		if (op == BPF_LSH || op == BPF_RSH)
			constant = (uint32_t)random_below(32);
		if (source == BPF_K && (op == BPF_DIV || op == BPF_MOD) && !constant)
			constant = 3;
		return (struct aegis_bpf){BPF_ALU | op | source, 0, 0, constant};
	case 7: return (struct aegis_bpf){(uint16_t)PICK(BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA), 0, 0, 0};
	case 8:
	case 9:
	case 10:
	case 11: return (struct aegis_bpf){(uint16_t)(BPF_JMP | source | PICK(BPF_JEQ, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET)), jt, jf, constant};
	case 12:
		if (random_below(3) == 0)
			return (struct aegis_bpf){BPF_JMP | BPF_JA, 0, 0, jt};
		if (random_below(3) == 0)
			return (struct aegis_bpf){(uint16_t)PICK(BPF_RET | BPF_K, BPF_RET | BPF_A), 0, 0, constant};
	}
	return (struct aegis_bpf){(uint16_t)(BPF_LD | size | BPF_ABS), 0, 0, offset};
}

/* The scratch words that it uses are written first, as bpf_filter does not clear them. */
static void made_up(void)
{
	struct aegis_bpf program[48] = {{BPF_ST, 0, 0, 0}, {BPF_ST, 0, 0, 1}, {BPF_STX, 0, 0, 2}};
	uint32_t n = 4 + (uint32_t)random_below(44);

	for (uint32_t i = 3; i < n - 1; i++)
		program[i] = random_instruction(n - i - 1);
	program[n - 1] = (struct aegis_bpf){(uint16_t)PICK(BPF_RET | BPF_K, BPF_RET | BPF_A), 0, 0, 5};
	if (random_below(2)) { /* one without them */
		for (uint32_t i = 0; i < n; i++)
			if (BPF_CLASS(program[i].code) == BPF_ST || BPF_CLASS(program[i].code) == BPF_STX || (BPF_CLASS(program[i].code) <= BPF_LDX && BPF_MODE(program[i].code) == BPF_MEM))
				program[i] = (struct aegis_bpf){BPF_LD | BPF_H | BPF_ABS, 0, 0, 12};
	}
	MUST(bpf_check(program, n) == 0);
	check(program, n, false);
}

/* Makes a chain of tests as a person's compiler would, of which many are conjunctions, and some nearly. */
static void made_up_chain(void)
{
	struct aegis_bpf program[64];
	uint32_t n = 0, tests = 1 + (uint32_t)random_below(5), last = 4 * tests + (uint32_t)random_below(2);

	for (uint32_t t = 0; t < tests; t++) {
		bool indirect = random_below(3) == 0;

		if (indirect || random_below(8) == 0)
			program[n++] = (struct aegis_bpf){(uint16_t)PICK(BPF_LDX | BPF_MSH | BPF_B, BPF_LDX | BPF_MSH | BPF_B, BPF_LDX | BPF_IMM), 0, 0, PICK(14, 14, 14, 14, 15)};
		program[n++] = (struct aegis_bpf){(uint16_t)(BPF_LD | PICK(BPF_W, BPF_H, BPF_B) | (indirect ? BPF_IND : BPF_ABS)), 0, 0, PICK(0, 12, 14, 16, 20, 30)};
		while (random_below(3) == 0 && n < 4 * (t + 1) - 1)
			program[n++] = (struct aegis_bpf){(uint16_t)(BPF_ALU | PICK(BPF_AND, BPF_AND, BPF_RSH, BPF_ADD)), 0, 0, PICK(1, 3, 4, 8, 12, 15)};
		while (n < 4 * (t + 1) - 1)
			program[n++] = (struct aegis_bpf){BPF_JMP | BPF_JA, 0, 0, 0};
		program[n] = (struct aegis_bpf){(uint16_t)(BPF_JMP | PICK(BPF_JEQ, BPF_JEQ, BPF_JSET)), 0, 0, PICK(0, 1, 2, 6, 80, 0x800, 0x1fff)};
		*(random_below(2) ? &program[n].jt : &program[n].jf) = (uint8_t)(4 * tests - n);
		n++;
	}
	MUST(n == 4 * tests);
	program[n++] = (struct aegis_bpf){BPF_RET, 0, 0, last & 1 ? 0 : 7};
	program[n++] = (struct aegis_bpf){BPF_RET, 0, 0, last & 1 ? 7 : 0};
	MUST(bpf_check(program, n) == 0);
	check(program, n, false);
}

/* An expression as people write them. */
static void expression(char *to, size_t room, int depth)
{
	static const char *const simple[] = {"tcp", "udp", "arp", "ip", "ip6", "icmp", "tcp port 80", "udp dst port 53", "src port 443", "host 10.0.2.1", "dst host 10.0.2.2", "src net 10.0.2.0/31", "tcp dst port 80 and dst host 10.0.2.3",
		"ip[8] & 3 = 2", "tcp[0:2] > 100", "ip[6:2] & 0x1fff = 0", "len > 60", "less 90", "ether[12:2] = 0x800", "tcp[(tcp[12] & 0xf0) >> 2] != 0", "ip broadcast", "portrange 50-90", "ether host 00:01:02:03:01:00", "ip6[6] = 17",
		"ip[0] & 0xf != 5", "ether[0] & 1 != 0", "ip proto 6", "udp[4:2] - 8 < 20", "ip[2:2] / 3 = 100", "ip[2:2] % 7 = 2"};
	char a[1024], b[1024];

	if (depth == 0 || random_below(4) == 0) {
		snprintf(to, room, "%s", simple[random_below(sizeof(simple) / sizeof(*simple))]);
		return;
	}
	expression(a, sizeof(a), depth - 1);
	expression(b, sizeof(b), depth - 1);
	if (random_below(5) == 0)
		snprintf(to, room, "not (%s)", a);
	else
		snprintf(to, room, "(%.400s) %s (%.400s)", a, random_below(3) ? "and" : "or", b);
}

static void from_pcap(void)
{
	char text[1024];
	struct bpf_program compiled;

	expression(text, sizeof(text), (int)random_below(4));
	if (pcap_compile(pcap, &compiled, text, (int)random_below(2), PCAP_NETMASK_UNKNOWN))
		return; /* contradictions, mostly */
	if (compiled.bf_len <= NET_BPF_MAX) {
		MUST(bpf_check((struct aegis_bpf *)compiled.bf_insns, compiled.bf_len) == 0);
		check((struct aegis_bpf *)compiled.bf_insns, compiled.bf_len, false);
	}
	pcap_freecode(&compiled);
}

/* Those that people write to say which connection is theirs are conjunctions: as many atoms as are expected, and the others are none. */
static void known_conjunctions(void)
{
	static const struct {
		const char *text;
		int atoms;
	} known[] = {{"tcp dst port 80 and dst host 10.0.2.15", 6}, {"ip and udp port 53", -1}, {"arp", 1}, {"ether proto 0x88b5 and ether[0] & 1 = 0", 2}, {"ip and ip[0] & 0xf = 5 and tcp[0:2] = 80", 6}, {"ip host 10.0.2.1", -1},
		{"ip src host 10.0.2.1 and dst host 10.0.2.2 and tcp src port 80 and tcp dst port 1024", 8}, {"", 0}, {"len > 20", -1}, {"ip6 and udp dst port 53", 3}, {"tcp", -1}, {"ip and tcp", 2}};
	bool good = true;

	for (uint32_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct bpf_program compiled;
		struct aegis_atom atoms[NET_ATOMS_MAX];
		int n;

		MUST(pcap_compile(pcap, &compiled, known[i].text, 1, PCAP_NETMASK_UNKNOWN) == 0);
		n = bpf_to_atoms((struct aegis_bpf *)compiled.bf_insns, compiled.bf_len, atoms);
		if (n != known[i].atoms) {
			printf("# %s: %d atoms, not %d\n", known[i].text, n, known[i].atoms);
			good = false;
		}
		check((struct aegis_bpf *)compiled.bf_insns, compiled.bf_len, false);
		pcap_freecode(&compiled);
	}
	ok(good, "conjunctions are translated, others are not");
}

/* Programs that are no conjunction: one way for each Ethernet type, with so many bits. */
static void known_ways(void)
{
	static const struct {
		const char *text;
		uint32_t ways, bits[2];
	} known[] = {{"udp port 53 and greater 100", 2, {16 + 8, 16 + 8 + 13}}, {"udp dst port 53", 2, {16 + 8 + 16, 16 + 8 + 13}}, {"arp or ip proto 47", 2, {16, 16 + 8}}, {"ip and (udp or tcp)", 1, {16}}, {"ether[0] & 1 = 0 and (arp or ip)", 2, {17, 17}},
		{"len > 20", 1, {0}}, {"not ip", 1, {0}}, {"ether src 1:2:3:4:5:6 and not ip", 1, {48}}};
	bool good = true;

	for (uint32_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct bpf_program compiled;
		uint32_t all = 0, expected = known[i].bits[0] + known[i].bits[1];

		MUST(pcap_compile(pcap, &compiled, known[i].text, 1, PCAP_NETMASK_UNKNOWN) == 0);
		find_ways((struct aegis_bpf *)compiled.bf_insns, compiled.bf_len);
		for (uint32_t w = 0; w < way_count; w++)
			all += model_bits(ways[w].atoms, ways[w].atom_count);
		if (way_count != known[i].ways || all != expected) {
			printf("# %s: %u ways, not %u; %u bits, not %u\n", known[i].text, way_count, known[i].ways, all, expected);
			good = false;
		}
		pcap_freecode(&compiled);
	}
	ok(good, "what all ways through a program have in common is found");
}

static void refused(void)
{
	static const struct aegis_bpf bad[][3] = {
		{{BPF_LD | BPF_IMM, 0, 0, 1}, {BPF_LD | BPF_IMM, 0, 0, 1}, {BPF_LD | BPF_IMM, 0, 0, 1}}, /* no return */
		{{BPF_JMP | BPF_JA, 0, 0, 2}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_JMP | BPF_JEQ, 2, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_JMP | BPF_JEQ, 0, 255, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_ALU | BPF_DIV, 0, 0, 0}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_ALU | BPF_MOD, 0, 0, 0}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_ALU | BPF_LSH, 0, 0, 32}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_ALU | 0xb0, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_ST, 0, 0, 16}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_LDX | BPF_MEM, 0, 0, 0x80000000}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_LD | 0x18 | BPF_ABS, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_LDX | BPF_W | BPF_ABS, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{0x100 | BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_MISC | 0x40, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}},
		{{BPF_RET | BPF_X, 0, 0, 1}, {BPF_RET, 0, 0, 1}, {BPF_RET, 0, 0, 1}}};
	bool good = bpf_check(bad[0], 0) < 0;

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (bpf_check(bad[i], 3) < 0)
			continue;
		printf("# program %u is not refused\n", i);
		good = false;
	}
	ok(good, "programs that are not safe are refused");
}

/* Words that were not meant as a program, and real ones with some of them. Those that pass run as they should; there bpf_filter's memory is not to be compared with. */
static void hostile(uint64_t rounds)
{
	uint64_t passed = 0, outside = 0;

	for (uint64_t i = 0; i < rounds; i++) {
		struct aegis_bpf program[8];
		uint32_t n = 1 + (uint32_t)random_below(8);

		for (uint32_t j = 0; j < n; j++) {
			program[j] = random_instruction(n - j);
			if (random_below(6) == 0)
				program[j].code = (uint16_t)random_below(random_below(4) ? 256 : 65536);
			if (random_below(6) == 0)
				program[j].k = (uint32_t)random_below(random_below(2) ? 20 : 1ul << 32);
		}
		if (random_below(4))
			program[n - 1].code = BPF_RET;
		way_count = 0;
		outside += program_ways(program, n, add_way, NULL) < 0;
		if (bpf_check(program, n))
			continue;
		passed++;
		MUST(bpf_compile(program, n, code, ROOM) > 0);
		for (uint32_t j = 0; j < 10; j++) {
			uint32_t which = (uint32_t)random_below(PACKETS);
			const uint8_t *p = packet_at_end(packets[which], lengths[which]);

			MUST(bpf_interpret(program, n, p, lengths[which]) == ((bpf_code *)(uintptr_t)run)(p, lengths[which]));
		}
	}
	printf("# %lu of %lu programs of random words passed the check; %lu jump out of themselves\n", passed, rounds, outside);
	ok(passed && outside && passed + outside < rounds, "what passes the check runs safely");
}

/* Code that does not fit is refused wherever it ends. */
static void short_of_room(void)
{
	struct aegis_bpf program[] = {{BPF_LDX | BPF_MSH | BPF_B, 0, 0, 14}, {BPF_ST, 0, 0, 1}, {BPF_LD | BPF_W | BPF_IND, 0, 0, 3}, {BPF_ALU | BPF_MOD | BPF_X, 0, 0, 0}, {BPF_JMP | BPF_JGT, 0, 1, 6}, {BPF_RET, 0, 0, 1}, {BPF_RET | BPF_A, 0, 0, 0}};
	int64_t size = bpf_compile(program, 7, code, ROOM);
	bool good = size > 0;

	for (int64_t room = 0; room <= size; room++) {
		uint8_t *small = malloc((size_t)room + 1);

		good &= bpf_compile(program, 7, small, (size_t)room) == (room == size ? size : -E_INVALID);
		free(small);
	}
	ok(good, "code that does not fit is refused");
}

int main(void)
{
	uint64_t rounds = rounds_wanted(1300);

	random_start();
	run = code_memory(ROOM, &code);
	pcap = pcap_open_dead(DLT_EN10MB, 65535);
	renew_packets();
	refused();
	short_of_room();
	known_conjunctions();
	known_ways();
	for (uint64_t i = 0; i < rounds; i++) {
		if (i % 16 == 0)
			renew_packets();
		made_up();
		made_up_chain();
		from_pcap();
	}
	printf("# %lu programs, %lu of them translated to atoms; %lu pairs of a program and a packet, %lu accepted\n", programs, translated, pairs, accepted);
	ok(pairs >= rounds * PACKETS * 2 && translated && accepted, "the compiled code, the interpreter, bpf_filter and atoms agree");
	printf("# %lu bits known of them, %lu with several Ethernet types\n", bits_known, types_told_apart);
	ok(bits_known > programs && types_told_apart, "what a program accepts has what its ways demand");
	hostile(rounds * 40);
	pcap_close(pcap);
	return finish();
}
