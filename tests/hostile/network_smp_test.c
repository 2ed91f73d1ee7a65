/* Filters, handlers and rings come and go on one CPU while their packets come, and frames are sent, on the other. What has been taken away is not run, written or read from any more: its frames are
 * filled with what would show it at once. */
#include <tests/hostile/smp.h>
#include <tests/kernel/packets.h>

#define OUT 0x4000000000ul /* below the image's level-3 table: bound for all */
#define IN 0x4000800000ul
#define OWN 0x4001000000ul /* of a ring that comes and goes */
#define MEMORY 0x4001800000ul
#define CODE 0x4001801000ul
#define NUMBERS 3
#define ANSWER 9
#define ROUNDS 200  /* or as many as there is time for */
#define TIME 8000   /* milliseconds */
#define SLOTS 8
#define STOP 0xcc /* the breakpoint instruction: the kernel panics if it runs one */

static struct port out, in, own;
static struct child flooder;
static volatile bool ready, go, stop;
static volatile uint64_t floods;
static frame_t rest[2], memory, code[4];
static uint8_t header[HEADER];

/* Sends packets of all the numbers as fast as it can, from frames that are its maker's too, and takes what comes. */
static void flood(void *unused)
{
	static struct aegis_send list[4];

	(void)unused;
	port_open(&out, FROM, 4, OUT);
	port_open(&in, TO, 16, IN);
	ready = true;
	while (!go)
		pause();
	for (uint32_t n = 0; !stop; n++) {
		header[17] = (uint8_t)(1 + n % NUMBERS);
		for (uint32_t i = 0; i < OF(list); i++)
			list[i] = (struct aegis_send){ .header = (uint64_t)header, .header_length = HEADER, .pieces = { { rest[i % 2], (uint16_t)(n % 64), 64 } } };
		floods += aegis_net_send(out.name, list, OF(list)) > 0;
		in.ring->consumed = in.ring->produced;
	}
}

static void fill(uint64_t at, uint8_t with)
{
	for (uint64_t i = 0; i < FRAME_SIZE; i++)
		((volatile uint8_t *)at)[i] = with;
}

static bool filled(uint64_t at, uint8_t with)
{
	for (uint64_t i = 0; i < FRAME_SIZE; i++)
		if (((volatile uint8_t *)at)[i] != with)
			return false;
	return true;
}

/* Its contents are not the owner's any more, nor is it to be run. */
static bool spoil(frame_t f)
{
	if (bind_once(0, CODE, BIND_ENTRY(f, READ_WRITE)) != 1)
		return false;
	fill(CODE, STOP);
	return bind_once(0, CODE, 0) == 1;
}

static bool program_goes(uint32_t number)
{
	struct aegis_bpf program[] = { { 0x80, 0, 0, 0 }, { 0x35, 0, 1, 30 }, { 0x6, 0, 0, 1 }, { 0x6, 0, 0, 0 } }; /* 30 bytes at least */
	struct aegis_atom atoms[2];
	struct aegis_filter_spec spec = { .ring = in.name, .env = flooder.env, .atoms = (uint64_t)atoms, .atom_count = 2, .device = TO, .program = (uint64_t)program, .program_length = 4, .code = code[0] };
	int64_t f;

	atoms_of(atoms, number);
	f = aegis_filter_install(&spec, &boot->devices[TO]);
	random_spin(3000);
	return f > 0 && aegis_filter_remove((uint32_t)f) == 0 && spoil(code[0]);
}

#define EBPF(op, to, from, off, imm) { .code = (op), .registers = (uint8_t)((to) | (from) << 4), .offset = (off), .immediate = (imm) }

/* It counts in its memory, and answers. */
static bool handler_goes(uint32_t number)
{
	static const struct aegis_ebpf program[] = { EBPF(0xbf, 6, 1, 0, 0), EBPF(0x79, 2, 6, 0, 0), EBPF(0x79, 7, 6, 16, 0), EBPF(0x79, 3, 7, 0, 0), EBPF(0x07, 3, 0, 0, 1), EBPF(0x7b, 7, 3, 0, 0),
		EBPF(0x62, 2, 0, 14, ANSWER << 24), EBPF(0xbf, 1, 2, 0, 0), EBPF(0xb7, 2, 0, 0, 60), EBPF(0x85, 0, 0, 0, ASH_CALL_SEND), EBPF(0xb7, 0, 0, 0, ASH_DONE), EBPF(0x95, 0, 0, 0, 0) };
	struct aegis_handler_spec spec = { .length = OF(program), .program = (uint64_t)program, .frames = (uint64_t)&memory, .frame_count = 1, .code_count = 3, .code = { code[1], code[2], code[3] } };
	int64_t f = filter_for(&in, number, flooder.env, &boot->devices[TO]);
	bool good = f > 0;

	spec.filter = (uint32_t)f;
	good &= aegis_handler_attach(&spec) == 0;
	random_spin(3000);
	spec.length = 0;
	good &= (random_spin(2), floods & 1) ? aegis_handler_attach(&spec) == 0 && aegis_filter_remove((uint32_t)f) == 0 : aegis_filter_remove((uint32_t)f) == 0;
	for (uint32_t i = 1; i < OF(code); i++)
		good &= spoil(code[i]);
	fill(MEMORY, STOP);
	random_spin(1000);
	return good && filled(MEMORY, STOP);
}

static bool ring_goes(uint32_t number)
{
	struct aegis_ring_spec spec = { .object = own.name, .control = own.control, .device = TO, .slots = SLOTS, .frames = (uint64_t)own.frames };
	bool good = aegis_ring_create(&spec) == own.name && filter_for(&own, number, 0, &boot->devices[TO]) > 0;
	int64_t result;

	random_spin(3000);
	good &= AWAIT((result = aegis_ring_destroy(own.name)) != -E_AGAIN) && result == 0;
	for (uint32_t i = 0; i <= SLOTS / 2; i++)
		fill(OWN + i * FRAME_SIZE, STOP);
	good &= spoil(own.name);
	random_spin(1000);
	for (uint32_t i = 0; i <= SLOTS / 2; i++)
		good &= filled(OWN + i * FRAME_SIZE, STOP);
	return good;
}

/* A frame that the other sends from is broken, bound in the ways that take no lock of the network's, and freed when it can be. */
static bool piece_goes(uint32_t which)
{
	frame_t f = rest[which % 2];
	int64_t freed;
	bool good = aegis_frame_break(&f, 1) == 1 && bind_once(0, CODE, BIND_ENTRY(f, READ_WRITE)) == 1 && bind_once(0, CODE, BIND_ENTRY(f, BIND_READ)) == 1 &&
		bind_once(0, CODE, BIND_ENTRY(1, BIND_SAME | READ_WRITE)) == 1;

	good &= aegis_frame_free(&f, 1) == -E_BUSY && aegis_frame_break(&f, 1) == 1;
	freed = aegis_frame_free(&f, 1);
	good &= freed == 1 || freed == -E_BUSY;
	return good && (freed != 1 || aegis_frame_alloc(&f, 1) == 1);
}

static bool (*const kinds[])(uint32_t) = { program_goes, handler_goes, ring_goes, piece_goes };
static const char *const names[] = { "programs_come_and_go_under_packets", "handlers_do", "rings_do", "frames_that_are_sent_from_are_broken_and_bound" };

void test_main(void)
{
	static struct aegis_atom any = { .offset = 12, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = KIND };
	struct aegis_filter_spec all = { .atoms = (uint64_t)&any, .atom_count = 1, .device = TO };
	uint32_t good[OF(kinds)] = { 0 }, rounds = 0;
	uint64_t handled, until;

	if (!two_cpus())
		return;
	is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
	if (info->net_devices != 2)
		return;
	seed_print();
	rest[0] = frame(), rest[1] = frame(), memory = frame(), own.name = frame(), own.control = frame(), own.device = TO;
	header[12] = KIND >> 8, header[13] = KIND & 255;
	bind(0, MEMORY, BIND_ENTRY(memory, READ_WRITE));
	bind(0, OWN, BIND_ENTRY(own.control, READ_WRITE));
	for (uint32_t i = 0; i < SLOTS / 2; i++)
		bind(0, OWN + (i + 1) * FRAME_SIZE, BIND_ENTRY(own.frames[i] = frame(), READ_WRITE));
	for (uint32_t i = 0; i < OF(code); i++)
		code[i] = frame();
	bind(0, OUT, 0), bind(0, IN, 0);
	start_on(1, &flooder, flood, NULL);
	if (!AWAIT(ready)) {
		is(ready, true, "the_other_cpu_begins");
		return;
	}
	all.ring = in.name;
	ok(aegis_filter_install(&all, &boot->devices[TO]) > 0, "one_takes_what_is_left");
	for (uint32_t i = 1; i <= NUMBERS; i++)
		guard_for(&out, i);
	guard_for(&in, ANSWER);
	go = true;
	AWAIT(in.ring->produced > 0);
	until = ticks() + milliseconds(TIME);
	for (; rounds < ROUNDS && (rounds < 10 || ticks() < until); rounds++)
		for (uint32_t i = 0; i < OF(kinds); i++)
			good[i] += kinds[i](1 + rounds % NUMBERS);
	handled = in.ring->handled;
	for (uint32_t i = 0; i < OF(kinds); i++)
		is(good[i], rounds, names[i]);
	ok(in.ring->produced > 0, "packets_came_meanwhile");
	print("# %u rounds; %lu lists of frames sent, %u packets, %lu handled\n", rounds, floods, in.ring->produced, handled);
	stop = true;
	ok(finish(&flooder), "the_other_is_destroyed");
	is(port_close(&out), 0, "its_rings_go");
	is(port_close(&in), 0, "both_of_them");
	is(frame_in_table(rest[0]).pins + frame_in_table(rest[1]).pins + frame_in_table(memory).pins + frame_in_table(own.control).pins, 0, "and_nothing_is_held");
	is(env_in_table(boot->env).held.filters, 0, "or_charged");
}
