/* Handlers that answer each other, and more than once: a storm that no environment takes part in. Others have the CPU nevertheless. */
#include <tests/hostile/hostile.h>
#include <tests/kernel/packets.h>

#define ONE 0x312000000000ul
#define OTHER 0x313000000000ul
#define NUMBER 7

#define EBPF(op, to, from, off, imm) { .code = (op), .registers = (uint8_t)((to) | (from) << 4), .offset = (off), .immediate = (imm) }

static struct port one, other;

/* Turns a while, then sends the packet back so many times. */
static bool answer(const struct port *p, uint32_t times)
{
	const struct aegis_ebpf program[] = { EBPF(0xbf, 6, 1, 0, 0), EBPF(0xb7, 7, 0, 0, (int32_t)times), EBPF(0xb7, 8, 0, 0, 60), EBPF(0x07, 8, 0, 0, -1), EBPF(0x55, 8, 0, -2, 0), EBPF(0x79, 1, 6, 0, 0),
		EBPF(0xb7, 2, 0, 0, 60), EBPF(0x85, 0, 0, 0, ASH_CALL_SEND), EBPF(0x07, 7, 0, 0, -1), EBPF(0x55, 7, 0, -5, 0), EBPF(0xb7, 0, 0, 0, ASH_DONE), EBPF(0x95, 0, 0, 0, 0) };
	frame_t memory = frame();
	struct aegis_handler_spec spec = { .length = OF(program), .program = (uint64_t)program, .frames = (uint64_t)&memory, .frame_count = 1, .code_count = 2, .code = { frame(), frame() } };
	int64_t f = filter_for(p, NUMBER, 0, &boot->devices[p->device]);

	spec.filter = (uint32_t)f;
	return f > 0 && aegis_handler_attach(&spec) == 0;
}

/* Work done in so many quanta of time, as one who computes sees it. */
static uint64_t progress(uint64_t quanta)
{
	uint64_t until = ticks() + quanta * info->quantum, n = 0;

	while (ticks() < until)
		n++;
	return n;
}

void test_main(void)
{
	uint64_t calm, stormy, handled, from, late;

	if (info->net_devices != 2) {
		is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
		return;
	}
	port_open(&one, FROM, 2, ONE);
	port_open(&other, TO, 2, OTHER);
	calm = progress(20);
	ok(answer(&one, 8) && answer(&other, 8), "two_handlers_answer_each_other");
	guard_for(&one, NUMBER), guard_for(&other, NUMBER);
	send_number(&one, NUMBER);
	progress(1);
	handled = one.ring->handled;
	stormy = progress(20);
	handled = one.ring->handled - handled;
	from = ticks();
	wait_quanta(3);
	late = ticks() - from;
	print("# %lu packets handled in 20 quanta; %lu rounds of work, %lu without; a sleep of 3 quanta took %lu\n", handled, stormy, calm, late / info->quantum);
	ok(handled > 1000, "there_is_a_storm");
	ok(stormy >= calm / 4, "others_have_a_part_of_the_cpu");
	is(port_close(&one), 0, "it_ends_with_a_ring");
	is(port_close(&other), 0, "and_the_other");
}
