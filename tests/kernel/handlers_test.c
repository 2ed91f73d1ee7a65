/* Handlers (include/aegis/ash.h): attached, run when a packet comes, bounded, taken away; and what an answer from one costs. */
#include <tests/kernel/packets.h>

#define IN 0x310000000000ul /* where rings are bound, */
#define OUT 0x311000000000ul
#define MEMORY 0x312000000000ul /* and the handlers' memory */
#define NUMBER 7
#define ANSWER 8
#define MEMORY_FRAMES 2
#define BUDGET 400 /* instructions from interrupt to transmission, for an answer */

/* eBPF (RFC 9669). */
#define EBPF(op, to, from, off, imm) { .code = (op), .registers = (uint8_t)((to) | (from) << 4), .offset = (off), .immediate = (imm) }
#define LOAD64(to, from, off) EBPF(0x79, to, from, off, 0)
#define STORE64(to, off, from) EBPF(0x7b, to, from, off, 0)
#define SET32(to, off, imm) EBPF(0x62, to, 0, off, imm)
#define MOVE(to, from) EBPF(0xbf, to, from, 0, 0)
#define CONSTANT(to, imm) EBPF(0xb7, to, 0, 0, imm)
#define ADD(to, imm) EBPF(0x07, to, 0, 0, imm)
#define SUB(to, from) EBPF(0x1f, to, from, 0, 0)
#define IF_ABOVE(a, b, off) EBPF(0x2d, a, b, off, 0)
#define GOTO(off) EBPF(0x05, 0, 0, off, 0)
#define CALL(n) EBPF(0x85, 0, 0, 0, n)
#define EXIT EBPF(0x95, 0, 0, 0, 0)
#define RETURN(what) CONSTANT(0, what), EXIT
#define SWAP(n) ((int32_t)__builtin_bswap32(n))

static struct port in, out;
static frame_t code[5], memory[MEMORY_FRAMES];
static volatile uint64_t *const words = (volatile uint64_t *)MEMORY;
static int64_t filter;

/* Answers with the packet itself, under another number, and notes what became of it and when: the device has been told then. */
#define ANSWERING(number) \
	{ MOVE(6, 1), LOAD64(2, 6, 0), LOAD64(3, 6, 8), MOVE(4, 2), ADD(4, 60), IF_ABOVE(4, 3, 8), SET32(2, 14, SWAP(number)), MOVE(1, 2), CONSTANT(2, 60), CALL(ASH_CALL_SEND), \
		LOAD64(7, 6, 16), STORE64(7, 0, 0), CALL(ASH_CALL_TIME), STORE64(7, 8, 0), RETURN(ASH_DONE) }

static int64_t attach_to(int64_t f, const struct aegis_ebpf *program, uint32_t length, uint32_t codes, const frame_t *frames, uint32_t count)
{
	struct aegis_handler_spec spec = { .filter = (uint32_t)f, .length = length, .program = (uint64_t)program, .frames = (uint64_t)frames, .frame_count = count,
		.code_count = codes };

	for (uint32_t i = 0; i < 5; i++)
		spec.code[i] = code[i];
	return aegis_handler_attach(&spec);
}
#define ATTACH(program) attach_to(filter, program, sizeof(program) / sizeof((program)[0]), 3, memory, MEMORY_FRAMES)
static int64_t detach(void) { return attach_to(filter, NULL, 0, 0, NULL, 0); }

static bool told(void)
{
	bool was = (LOCAL->events | LOCAL->upcall.pending) & EVENT_NET;

	LOCAL->events = LOCAL->upcall.pending = 0;
	return was;
}

/* Sends a packet to the handler, and waits until it has come to it or to the ring. */
static bool provoke(void)
{
	uint64_t handled = in.ring->handled, until = ticks() + milliseconds(20);
	uint32_t produced = in.ring->produced;

	told();
	if (send_number(&out, NUMBER) != 1)
		return false;
	while (in.ring->handled == handled && in.ring->produced == produced)
		if (ticks() > until)
			return false;
	in.seen = in.ring->produced;
	in.ring->consumed = in.seen;
	return in.ring->handled != handled;
}

static void refusals(void)
{
	struct aegis_ebpf good[] = { RETURN(ASH_DONE) }, wild[] = { CONSTANT(2, 4096), LOAD64(0, 2, 0), EXIT }, loose[] = { CONSTANT(0, 0) };
	frame_t kept = code[1], foreign[1] = { boot->info }, mixed[1] = { code[0] };
	struct aegis_filter_spec spec = { .device = TO };
	int64_t other = aegis_filter_install(&spec, &boot->devices[TO]);

	is(attach_to(0, good, 2, 2, memory, 1), -E_DENIED, "a_handler_needs_a_filter");
	is(attach_to(other, good, 2, 2, memory, 1), -E_INVALID, "that_has_a_ring");
	is(attach_to(filter, good, ASH_LENGTH_MAX + 1, 2, memory, 1), -E_INVALID, "no_more_instructions_than_are_allowed");
	is(attach_to(filter, good, 2, 1, memory, 1), -E_INVALID, "frames_for_its_code");
	is(attach_to(filter, good, 2, 6, memory, 1), -E_INVALID, "not_too_many");
	is(attach_to(filter, good, 2, 2, memory, 0), -E_INVALID, "memory");
	is(attach_to(filter, good, 2, 2, memory, ASH_FRAMES_MAX + 1), -E_INVALID, "no_more_than_is_allowed");
	is(attach_to(filter, good, 2, 2, foreign, 1), -E_DENIED, "of_ones_own");
	is(attach_to(filter, good, 2, 2, mixed, 1), -E_BUSY, "that_is_not_its_code");
	is(attach_to(filter, (const void *)8, 2, 2, memory, 1), -E_FAULT, "a_program_that_can_be_read");
	is(attach_to(filter, wild, 3, 2, memory, 1), -E_INVALID, "that_stays_inside");
	is(attach_to(filter, loose, 1, 2, memory, 1), -E_INVALID, "and_ends");
	bind(0, MEMORY + 16 * FRAME_SIZE, BIND_ENTRY(code[1], BIND_READ));
	is(attach_to(filter, good, 2, 2, memory, 1), -E_BUSY, "code_that_is_bound_nowhere");
	bind_once(0, MEMORY + 16 * FRAME_SIZE, 0);
	code[1] = code[0];
	is(attach_to(filter, good, 2, 2, memory, 1), -E_BUSY, "of_which_no_frame_is_named_twice");
	code[1] = kept;
	is(frame_in_table(code[0]).state, FRAME_OWNED, "refusals_take_nothing");
	is(frame_in_table(memory[0]).pins, 0, "and_hold_nothing");
	is(attach_to(filter, good, 2, 2, memory, 1), 0, "a_good_one_is_attached");
	is(ATTACH(good), -E_BUSY, "once");
	is(frame_in_table(code[0]).state, FRAME_CODE, "its_frames_are_the_kernels");
	is(bind(0, MEMORY + 16 * FRAME_SIZE, BIND_ENTRY(code[1], BIND_READ)), -E_DENIED, "and_not_to_be_seen");
	is(aegis_frame_free(&code[1], 1), -E_DENIED, "or_freed");
	is(aegis_frame_free(memory, 1), -E_BUSY, "nor_its_memory");
	is(detach(), 0, "it_is_taken_away");
	is(frame_in_table(code[1]).clean, 1, "with_what_it_was");
	is(frame_in_table(memory[0]).pins, 0, "and_its_memory_let_go");
	is(detach(), 0, "again_is_nothing");
	aegis_filter_remove((uint32_t)other);
}

/* Ticks from the last instructions of the program before the interrupt to when the handler has sent. */
static uint64_t answer_cost(void)
{
	uint64_t handled = in.ring->handled, before = 0, now = ticks(), until = now + milliseconds(20);

	send_number(&out, NUMBER);
	for (; now < until; now = ticks()) {
		if (in.ring->handled != handled)
			return words[1] - before;
		before = now;
	}
	return UINT64_MAX;
}

static void answers(void)
{
	struct aegis_ebpf answer[] = ANSWERING(ANSWER), wrong[] = ANSWERING(ANSWER + 1);
	uint32_t produced = in.ring->produced;
	uint64_t refused, handled = in.ring->handled, last, cost = UINT64_MAX;
	struct aegis_packet *p;
	int64_t back = filter_for(&out, ANSWER, 0, &boot->devices[FROM]);

	is(ATTACH(answer), 0, "a_handler_that_answers");
	guard_for(&in, ANSWER);
	ok(provoke(), "has_the_packet");
	is((int64_t)words[0], 0, "and_sends_one");
	p = port_next(&out);
	ok(p && p->filter == back && p->length == 60 && p->data[17] == ANSWER, "which_comes");
	is(in.ring->produced, produced, "the_ring_has_nothing");
	is((int64_t)(in.ring->handled - handled), 1, "but_counts_it");
	ok(!told(), "and_nobody_is_told");
	for (uint32_t i = 0; i < 16; i++) {
		last = answer_cost();
		cost = last < cost ? last : cost;
		port_next(&out);
	}
	print("# %lu instructions from the interrupt of a packet to the notification of the device for its answer\n", cost);
	ok(cost <= BUDGET, "an_answer_costs_no_more_than_it_may_before_the_program_goes_on");
	is(detach(), 0, "it_goes");
	refused = in.ring->refused;
	ATTACH(wrong);
	ok(provoke(), "one_that_says_what_no_guard_lets_pass");
	is((int64_t)words[0], -E_DENIED, "is_told_so");
	is((int64_t)(in.ring->refused - refused), 1, "and_counted");
	is(port_next(&out) != NULL, 0, "nothing_comes_of_it");
	detach();
	aegis_filter_remove((uint32_t)back);
}

static void verdicts(void)
{
	struct aegis_ebpf tell[] = { RETURN(ASH_TELL) }, pass[] = { RETURN(ASH_RING) }, odd[] = { RETURN(77) }, never[] = { CONSTANT(0, 0), GOTO(-1), EXIT };
	struct aegis_ebpf outside[] = { LOAD64(2, 1, 0), ADD(2, 2000), LOAD64(0, 2, 0), RETURN(ASH_DONE) };
	uint64_t begun;

	ATTACH(tell);
	ok(provoke() && told(), "control_initiation_tells_the_owner");
	detach(), ATTACH(pass);
	ok(!provoke() && told(), "what_goes_to_the_ring_is_as_without_one");
	detach(), ATTACH(odd);
	ok(!provoke(), "an_odd_answer_counts_as_that");
	detach();
	if (ATTACH(outside) == 0)
		ok(!provoke(), "as_does_a_run_that_reads_outside");
	detach();
	begun = ticks();
	if (ATTACH(never) == 0)
		ok(!provoke(), "or_never_ends");
	print("# %lu instructions with one that never ends\n", ticks() - begun);
	detach();
}

/* Of its memory it can send as much as the network takes, whatever length it names. */
static void lengths(void)
{
	static const int32_t refused[] = { 13, 1515, FRAME_SIZE };
	static const char *const names[] = { "less_than_a_header_is_not_sent", "or_more_than_the_mtu", "or_all_of_its_memory" };

	for (uint32_t i = 0; i < 3; i++) {
		struct aegis_ebpf sends[] = { LOAD64(7, 1, 16), MOVE(1, 7), CONSTANT(2, refused[i]), CALL(ASH_CALL_SEND), STORE64(7, 0, 0), RETURN(ASH_DONE) };

		words[0] = 0;
		ATTACH(sends);
		ok(provoke() && (int64_t)words[0] == -E_INVALID, names[i]);
		detach();
	}
}

/* Copies the packet to where its memory's frames meet. */
static void vectoring(void)
{
	struct aegis_ebpf copy[] = { MOVE(6, 1), LOAD64(2, 6, 0), LOAD64(7, 6, 16), CONSTANT(1, FRAME_SIZE - 30), CONSTANT(3, 60), CALL(ASH_CALL_COPY), STORE64(7, 0, 0), RETURN(ASH_DONE) };
	struct aegis_ebpf beyond[] = { MOVE(6, 1), LOAD64(2, 6, 0), LOAD64(7, 6, 16), CONSTANT(1, MEMORY_FRAMES * FRAME_SIZE - 59), CONSTANT(3, 60), CALL(ASH_CALL_COPY), STORE64(7, 0, 0),
		RETURN(ASH_DONE) };
	const uint8_t *at = (const uint8_t *)MEMORY + FRAME_SIZE - 30, *sent = (const uint8_t *)frame_of(NUMBER, 60, FRAME_ANY)->header;
	uint32_t sum = 0, wrong = 0;

	is(ATTACH(copy), 0, "one_that_copies");
	ok(provoke(), "has_its_packet");
	for (uint32_t i = 0; i < 60; i++) {
		wrong += at[i] != sent[i];
		sum += i % 2 ? (uint32_t)sent[i] << 8 : sent[i];
	}
	is(wrong, 0, "it_is_where_it_was_to_be_over_both_frames");
	is((int64_t)words[0], (sum & 0xffff) + (sum >> 16), "with_the_internet_checksum_of_it");
	detach(), ATTACH(beyond);
	words[0] = 0;
	ok(provoke(), "one_that_copies_too_far");
	is((int64_t)words[0], -E_INVALID, "is_refused_that");
	detach();
}

/* Frames whose numbers follow each other are one piece, to the last byte; any others end it. */
static void runs_of_frames(void)
{
	struct aegis_ebpf last[] = { LOAD64(2, 1, 16), ADD(2, 2 * FRAME_SIZE - 8), STORE64(2, 0, 1), RETURN(ASH_DONE) };
	struct aegis_ebpf number[] = { LOAD64(2, 1, 16), CONSTANT(3, 77), ADD(2, 2 * FRAME_SIZE - 8), STORE64(2, 0, 3), RETURN(ASH_DONE) };
	frame_t run[2], reversed[2];
	volatile uint64_t *word = (volatile uint64_t *)(MEMORY + 8 * FRAME_SIZE - 8);

	do /* as a fresh machine's frames are next to each other, soon */
		run[0] = frame(), run[1] = frame();
	while (run[1] != run[0] + 1 && run[0] != run[1] + 1);
	if (run[1] < run[0]) {
		frame_t first = run[1];

		run[1] = run[0];
		run[0] = first;
	}
	reversed[0] = run[1], reversed[1] = run[0];
	bind(0, MEMORY + 7 * FRAME_SIZE, BIND_ENTRY(run[1], BIND_READ | BIND_WRITE));
	is(attach_to(filter, last, sizeof(last) / sizeof(last[0]), 3, run, 2), -E_INVALID, "a_pointer_is_not_stored_there_either");
	is(attach_to(filter, number, sizeof(number) / sizeof(number[0]), 3, run, 2), 0, "memory_of_two_frames_in_a_row");
	ok(provoke() && *word == 77, "is_written_to_its_end");
	detach();
	*word = 0;
	is(attach_to(filter, number, sizeof(number) / sizeof(number[0]), 3, reversed, 2), 0, "the_same_frames_in_another_order");
	ok(!provoke() && !*word, "are_no_run");
	detach();
	is(attach_to(filter, number, sizeof(number) / sizeof(number[0]), 3, run, 1), 0, "one_of_them");
	ok(!provoke() && !*word, "ends_where_it_ends");
	detach();
	bind_once(0, MEMORY + 7 * FRAME_SIZE, 0);
}

static void ends(void)
{
	struct aegis_ebpf answer[] = ANSWERING(ANSWER);

	is(ATTACH(answer), 0, "a_handler_again");
	is(aegis_filter_remove((uint32_t)filter), 0, "goes_with_its_filter");
	is(frame_in_table(code[0]).state, FRAME_OWNED, "and_gives_back_what_it_had");
	filter = filter_for(&in, NUMBER, boot->env, &boot->devices[TO]);
	ATTACH(answer);
	is(port_close(&in), 0, "or_with_the_ring");
	is(frame_in_table(code[2]).state, FRAME_OWNED, "likewise");
	is(frame_in_table(memory[1]).pins, 0, "nothing_holds_its_memory");
}

void test_main(void)
{
	if (info->net_devices != 2) {
		is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
		return;
	}
	port_open(&in, TO, 16, IN);
	port_open(&out, FROM, 16, OUT);
	for (uint32_t i = 0; i < 5; i++)
		code[i] = frame();
	for (uint32_t i = 0; i < MEMORY_FRAMES; i++)
		bind(0, MEMORY + i * FRAME_SIZE, BIND_ENTRY(memory[i] = frame(), BIND_READ | BIND_WRITE));
	guard_for(&out, NUMBER);
	filter = filter_for(&in, NUMBER, boot->env, &boot->devices[TO]);
	refusals();
	answers();
	verdicts();
	lengths();
	vectoring();
	runs_of_frames();
	ends();
	port_close(&out);
}
