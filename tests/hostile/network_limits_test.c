/* A tenant who takes all that he can get of what filters have in common: numbers, the trie's nodes, places for machine code. He gets his part, and the other gets his. */
#include <tests/hostile/hostile.h>
#include <tests/kernel/packets.h>

#define BAD 0x313000000000ul
#define BAD_NUMBER 2
#define LIMIT 40
#define NODES 5 /* for each filter (FILTER_NODES) */

static struct port bad;
static struct child tenant;
static struct aegis_cap scope;
static int64_t answer;
static uint32_t got, handlers, released;

/* The tenant's packets have his number in bytes 14 to 17; what else is compared may be anything. */
static int64_t install(const struct port *p, uint32_t atom_count, uint32_t value, uint64_t program, uint32_t program_length, frame_t code, const struct aegis_cap *cap)
{
	struct aegis_atom atoms[NET_ATOMS_MAX];
	struct aegis_filter_spec spec = { .ring = p ? p->name : 0, .atoms = (uint64_t)atoms, .atom_count = atom_count, .device = TO, .program = program, .program_length = program_length, .code = code };

	atoms_of(atoms, BAD_NUMBER);
	for (uint32_t i = 2; i < atom_count; i++)
		atoms[i] = (struct aegis_atom){ .offset = (uint16_t)(18 + i), .size = 4, .kind = ATOM_COMPARE, .mask = UINT32_MAX, .value = value };
	return aegis_filter_install(&spec, cap);
}

/* As many nodes as he can have, none of them shared but the scope's. */
static void hoard_nodes(void *unused)
{
	(void)unused;
	tenant_tables(BAD);
	port_open(&bad, TO, 2, BAD);
	for (got = 0; (answer = install(&bad, NET_ATOMS_MAX, got, 0, 0, 0, &scope)) > 0; got++)
		;
}

/* As many places for machine code: a program and a handler for each filter. */
static void hoard_codes(void *unused)
{
	struct aegis_bpf program[] = { { 0x80, 0, 0, 0 }, { 0x35, 0, 1, 30 }, { 0x6, 0, 0, 1 }, { 0x6, 0, 0, 0 } };
	struct aegis_ebpf nothing[] = { { .code = 0xb7, .immediate = ASH_RING }, { .code = 0x95 } };
	frame_t memory = frame();
	struct aegis_handler_spec spec = { .length = 2, .program = (uint64_t)nothing, .frames = (uint64_t)&memory, .frame_count = 1, .code_count = 2 };
	int64_t f, numbers[2 * LIMIT];

	(void)unused;
	tenant_tables(BAD);
	port_open(&bad, TO, 2, BAD);
	for (got = handlers = 0; got < OF(numbers); got++) {
		f = numbers[got] = install(&bad, 3, got, (uint64_t)program, 4, frame(), &scope);
		if (f < 0)
			break;
		spec.filter = (uint32_t)f, spec.code[0] = frame(), spec.code[1] = frame();
		answer = aegis_handler_attach(&spec);
		handlers += answer == 0;
	}
	answer = answer ? answer : f;
	for (uint32_t i = 0; i < got; i++)
		aegis_filter_remove((uint32_t)numbers[i]);
	released = env_in_table(tenant.env).held.filters;
}

static void hoard(void (*how)(void *), uint32_t limit)
{
	const struct aegis_limits limits = { .frames = 6 * LIMIT, .slices = 1, .environments = 1, .filters = limit };

	tenant_start(&tenant, how, NULL, &limits);
}

/* With half of all filters for each of two, the one who takes all he can leaves the other's. */
static void nodes_are_everybodys_own(void)
{
	uint32_t half = device_info(TO)->filter_slots / 2, others = 0;
	int64_t f = 1;
	struct aegis_atom atoms[3];
	struct aegis_filter_spec spec = { .atoms = (uint64_t)atoms, .atom_count = 3, .device = TO };

	hoard(hoard_nodes, half);
	is(answer, -E_LIMIT, "there_is_an_end_to_what_a_tenant_gets");
	ok(got >= half * NODES / (NET_ATOMS_MAX + 1) - 1 && got <= half * NODES / (NET_ATOMS_MAX + 1), "that_is_his_part_of_the_nodes");
	is(env_in_table(tenant.env).held.filters <= half, 1, "he_is_charged_no_more_than_he_may_have");
	atoms_of(atoms, BAD_NUMBER + 1);
	for (; others < half - 1 && f > 0; others += f > 0) { /* the scope is one */
		atoms[2] = (struct aegis_atom){ .offset = 30, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = others };
		f = aegis_filter_install(&spec, &boot->devices[TO]);
	}
	is(others, half - 1, "the_other_gets_all_of_his");
	print("# %u filters of %u atoms, and %u of another's\n", got, NET_ATOMS_MAX, others);
	is(tenant_end(&tenant), 0, "he_ends");
}

static void codes_are_everybodys_own(void)
{
	hoard(hoard_codes, LIMIT);
	is(answer, -E_LIMIT, "there_is_an_end_to_programs_and_handlers");
	ok(got + handlers <= LIMIT && got + handlers >= LIMIT - 1, "that_is_one_place_for_each_filter_that_he_may_have");
	is(released, 0, "what_he_gives_back_he_is_not_charged_for");
	is(tenant_end(&tenant), 0, "he_ends");
}

void test_main(void)
{
	int64_t f;

	if (info->net_devices != 2) {
		is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
		return;
	}
	tables_see();
	device_info(TO);
	f = install(NULL, 2, 0, 0, 0, 0, &boot->devices[TO]);
	aegis_cap_mint(&scope, CAP_FILTER, RIGHT_WRITE, (uint64_t)f, 1);
	codes_are_everybodys_own();
	nodes_are_everybodys_own();
}
