/* The network's calls: what each does, what each refuses, and that nothing is lost by it. Handlers: handlers_test.c; tenants against each other: hostile/network_test.c. */
#include <tests/kernel/packets.h>

#define IN 0x310000000000ul  /* where rings are bound */
#define OUT 0x311000000000ul
#define PLACE 0x312000000000ul /* for a page */
#define DUMB (OUT + 64 * FRAME_SIZE)

static struct port in, out;
static const struct aegis_cap *to_cap, *from_cap;

static bool event(void)
{
	bool was = (LOCAL->events | LOCAL->upcall.pending) & EVENT_NET;

	LOCAL->events = LOCAL->upcall.pending = 0;
	return was;
}

static void devices_are_shown(void)
{
	const volatile struct aegis_net_info *i = device_info(TO);

	is(info->net_devices, 2, "both_devices_are_found");
	is(i->device, TO, "each_is_described");
	is(i->mtu, 1500, "with_its_mtu");
	ok(i->filter_slots >= 64 && !(i->filter_slots & (i->filter_slots - 1)), "and_how_many_filters_it_can_have");
	is(env_in_table(boot->env).limits.filters, i->filter_slots, "all_of_which_are_the_first_accounts");
	ok(device_info(FROM)->address[5] != i->address[5], "their_addresses_differ");
	is(aegis_device_bind(&boot->devices[TO], 0), -E_DENIED, "nobody_owns_one_whole");
}

static int64_t create(frame_t object, frame_t control, uint32_t device, uint32_t slots, const frame_t *frames)
{
	struct aegis_ring_spec spec = { .object = object, .control = control, .device = device, .slots = slots, .frames = (uint64_t)frames };

	return aegis_ring_create(&spec);
}

static void rings_are_made_of_ones_own(void)
{
	frame_t object = frame(), control = frame(), slots[2] = { frame(), frame() }, bad[2] = { slots[0], boot->info };

	is(create(object, control, DEVICE_CONSOLE0, 4, slots), -E_INVALID, "a_ring_needs_a_network_device");
	is(create(object, control, TO + 1, 4, slots), -E_INVALID, "that_is_there");
	is(create(object, control, TO, 3, slots), -E_INVALID, "slots_by_a_power_of_two");
	is(create(object, control, TO, 2 * NET_SLOTS_MAX, slots), -E_INVALID, "not_too_many");
	is(create(object, control, TO, 4, (const frame_t *)8), -E_FAULT, "a_list_that_can_be_read");
	is(create(object, control, TO, 4, bad), -E_DENIED, "of_ones_own_frames");
	is(create(object, boot->info, TO, 4, slots), -E_DENIED, "a_control_page_of_ones_own");
	is(create(object, object, TO, 4, slots), -E_DENIED, "that_is_not_the_object");
	is(create(slots[0], control, TO, 4, slots), -E_DENIED, "which_is_none_of_the_slots");
	bind(0, PLACE, BIND_ENTRY(object, BIND_READ));
	is(create(object, control, TO, 4, slots), -E_BUSY, "and_bound_nowhere");
	bind_once(0, PLACE, 0);
	is(create(object, control, TO, 4, slots), object, "then_it_is_made");
	is(create(object, control, TO, 4, slots), -E_DENIED, "once");
	is(frame_in_table(object).state, FRAME_RING, "its_object_is_the_kernels");
	is(bind(0, PLACE, BIND_ENTRY(object, BIND_READ)), -E_DENIED, "and_cannot_be_read");
	is(aegis_frame_free(&object, 1), -E_DENIED, "or_freed");
	is(aegis_frame_free(&slots[1], 1), -E_BUSY, "its_slots_cannot_be_freed");
	is(aegis_frame_free(&control, 1), -E_BUSY, "nor_its_control_page");
	is(aegis_ring_destroy(control), -E_DENIED, "what_is_no_ring_is_not_destroyed");
	is(aegis_ring_destroy(object), 0, "a_ring_is");
	is(frame_in_table(slots[1]).pins, 0, "and_nothing_holds_its_frames");
	give(object), give(control), give(slots[0]), give(slots[1]);
}

static void held_frames_are_their_owners(void)
{
	frame_t object = frame(), control = frame(), two = pair();
	frame_t slots[1] = { two };
	struct aegis_env_spec spec = { .object = two, .root = pair(), .upcall = control };

	create(object, control, TO, 2, slots);
	is(bind(0, PLACE, BIND_ENTRY(two, BIND_READ | BIND_WRITE)), 1, "a_held_frame_can_be_bound");
	is(attempt(do_write, (void *)PLACE), RETURNED, "and_written");
	is(bind_once(0, PLACE, BIND_ENTRY(two, BIND_READ)), 1, "protected");
	is(bind_once(0, PLACE, BIND_ENTRY(1, BIND_SAME | BIND_READ | BIND_WRITE)), 1, "and_the_reverse_of_it");
	is(aegis_frame_break(&two, 1), 1, "its_bindings_can_be_broken");
	is((int64_t)attempt(do_read, (void *)PLACE), 14, "which_shows");
	is(bind_once(0, SCRATCH + (1ul << 39), BIND_ENTRY(two, BIND_READ | BIND_LEVEL(3))), -E_BUSY, "it_does_not_become_a_page_table");
	is(aegis_env_create(&spec), -E_BUSY, "or_an_environment");
	spec.object = frame();
	is(aegis_env_create(&spec), -E_BUSY, "of_which_the_control_page_is_no_upcall_page");
	give(spec.object), give_pair(spec.root);
	aegis_ring_destroy(object);
	give(object), give(control), give_pair(two);
}

static void packets_come_to_their_filter(void)
{
	uint64_t unclaimed = device_info(TO)->unclaimed, received = device_info(TO)->received;
	struct aegis_packet *p;
	int64_t seven, eight;
	uint32_t wrong = 0;

	seven = filter_for(&in, 7, 0, to_cap);
	eight = filter_for(&in, 8, boot->env, to_cap);
	ok(seven > 0 && eight > 0 && seven != eight, "filters_have_numbers");
	is(device_info(TO)->filters, 2, "and_are_counted");
	is(env_in_table(boot->env).held.filters, 2, "in_their_account_too");
	is(guard_for(&out, 7), 0, "a_guard_is_added");
	is(guard_for(&out, 7), 0, "as_often_as_one_likes");
	guard_for(&out, 8), guard_for(&out, 9);
	event();
	is(send_number(&out, 7), 1, "a_frame_is_sent");
	p = port_next(&in);
	ok(p != NULL, "and_comes");
	for (uint32_t i = HEADER; p && i < 60; i++)
		wrong += p->data[i] != (uint8_t)(7 + i);
	ok(p && p->length == 60 && wrong == 0, "as_it_was");
	ok(p && p->filter == seven && p->tag == 21, "with_the_filters_tag");
	ok(p && p->arrived <= ticks() && p->arrived + milliseconds(20) > ticks(), "and_its_time");
	ok(!event(), "nobody_is_told_who_did_not_ask");
	send_number(&out, 8);
	p = port_next(&in);
	ok(p && p->filter == eight, "another_numbers_goes_to_the_other_filter");
	ok(event(), "whose_environment_is_told");
	send_number(&out, 9);
	is(port_next(&in) != NULL, 0, "a_third_to_none");
	is((int64_t)(device_info(TO)->unclaimed - unclaimed), 1, "which_is_counted");
	is((int64_t)(device_info(TO)->received - received), 3, "as_are_those_that_came");
	is(aegis_filter_change((uint32_t)seven, boot->env, 99), 0, "a_filter_is_changed");
	send_number(&out, 7);
	p = port_next(&in);
	ok(p && p->tag == 99 && event(), "and_that_shows");
	is(aegis_filter_remove((uint32_t)seven), 0, "and_removed");
	is(aegis_filter_remove((uint32_t)seven), -E_DENIED, "once");
	is(aegis_filter_change((uint32_t)seven, 0, 0), -E_DENIED, "then_it_is_not_there");
	send_number(&out, 7);
	is(port_next(&in) != NULL, 0, "and_takes_nothing");
	aegis_filter_remove((uint32_t)eight);
}

static void a_full_ring_drops(void)
{
	int64_t f = filter_for(&in, 7, 0, to_cap);
	uint32_t first = in.ring->produced, came = 0;
	uint64_t dropped = in.ring->dropped;

	for (uint32_t i = 0; i < in.slots + 3; i++)
		while (send_number(&out, 7) == -E_FULL)
			;
	port_settle(&out);
	while (in.ring->produced - first + in.ring->dropped - dropped < in.slots + 3 && came++ < 1000000)
		;
	is(in.ring->produced - first, in.slots, "a_ring_takes_what_it_has_slots_for");
	is((int64_t)(in.ring->dropped - dropped), 3, "and_counts_what_it_has_not");
	in.ring->consumed = in.ring->produced + 77; /* a lie */
	send_number(&out, 7);
	for (came = 0; in.ring->dropped - dropped < 4 && came < 1000000; came++)
		;
	is((int64_t)(in.ring->dropped - dropped), 4, "a_lie_about_what_was_consumed_helps_nobody");
	in.ring->produced = 12345; /* nor what is written where the kernel writes */
	in.seen = first + in.slots;
	in.ring->consumed = in.seen;
	send_number(&out, 7);
	for (came = 0; in.ring->produced == 12345 && came < 1000000; came++)
		;
	is(in.ring->produced, (int64_t)(first + in.slots + 1), "the_kernel_keeps_its_own_count");
	ok(port_next(&in) != NULL, "and_goes_on_with_it");
	aegis_filter_remove((uint32_t)f);
}

static void filters_that_are_refused(void)
{
	struct aegis_cap forged = *to_cap, less = { 0 };
	struct aegis_atom atoms[2];
	struct aegis_filter_spec spec = { .ring = in.name, .atoms = (uint64_t)atoms, .atom_count = 2, .device = TO };

	atoms_of(atoms, 1);
	forged.seal++;
	aegis_cap_narrow(to_cap, &less, RIGHT_READ, TO, 1);
	is(aegis_filter_install(&spec, NULL), -E_FAULT, "a_filter_needs_a_capability");
	is(aegis_filter_install(&spec, &forged), -E_DENIED, "that_is_not_forged");
	is(aegis_filter_install(&spec, &less), -E_DENIED, "with_the_right");
	is(aegis_filter_install(&spec, from_cap), -E_DENIED, "of_the_device");
	is(aegis_filter_install(&spec, &boot->devices[DEVICE_CONSOLE0]), -E_DENIED, "of_a_network_device");
	is(aegis_filter_install((const void *)8, to_cap), -E_FAULT, "a_specification_that_can_be_read");
	spec.ring = in.control;
	is(aegis_filter_install(&spec, to_cap), -E_DENIED, "a_ring");
	spec.ring = out.name;
	is(aegis_filter_install(&spec, to_cap), -E_INVALID, "of_the_same_device");
	spec.ring = in.name, spec.env = 0x7ff00001;
	is(aegis_filter_install(&spec, to_cap), -E_NOENV, "somebody_to_tell_if_anybody");
	spec.env = 0, spec.atom_count = NET_ATOMS_MAX + 1;
	is(aegis_filter_install(&spec, to_cap), -E_INVALID, "not_too_many_atoms");
	spec.atom_count = 2, atoms[1].value = 1, atoms[1].mask = 2;
	is(aegis_filter_install(&spec, to_cap), -E_INVALID, "that_can_hold");
	spec.atoms = AEGIS_USER_TOP - 8;
	is(aegis_filter_install(&spec, to_cap), -E_FAULT, "and_be_read");
	spec.atoms = (uint64_t)atoms, spec.device = DEVICE_CONSOLE0;
	is(aegis_filter_install(&spec, &boot->devices[DEVICE_CONSOLE0]), -E_INVALID, "serial_lines_have_no_filters");
	is(env_in_table(boot->env).held.filters, 0, "nothing_is_charged_for_any_of_it");
	is(aegis_guard_add(out.name, atoms, 2, to_cap), -E_DENIED, "a_guard_needs_the_device_as_well");
	is(aegis_guard_add(out.control, atoms, 2, from_cap), -E_DENIED, "and_a_ring");
	is(aegis_guard_add(out.name, atoms, NET_ATOMS_MAX + 1, from_cap), -E_INVALID, "and_no_more_atoms_than_fit");
	is(aegis_guard_add(out.name, (const void *)8, 1, from_cap), -E_FAULT, "that_can_be_read");
}

static void guards_decide(void)
{
	uint64_t refused, in_all = device_info(FROM)->refused;
	struct aegis_send *s;
	frame_t f = frame();
	struct port dumb;

	port_open(&dumb, FROM, 2, DUMB);
	refused = dumb.ring->refused;
	is(send_number(&dumb, 7), -E_DENIED, "without_a_guard_nothing_is_sent");
	guard_for(&dumb, 7);
	is(send_number(&dumb, 7), 1, "with_one_what_it_lets_pass");
	is(send_number(&dumb, 1234567), -E_DENIED, "and_nothing_else");
	s = frame_of(7, 60, FRAME_ANY);
	s->header_length = 16;
	s->pieces[0] = (struct aegis_piece){ f, 0, 44 };
	is(aegis_net_send(dumb.name, s, 1), -E_DENIED, "what_lies_behind_the_header_is_not_looked_at");
	is((int64_t)(dumb.ring->refused - refused), 3, "refusals_are_counted_in_the_ring");
	is((int64_t)(device_info(FROM)->refused - in_all), 3, "and_for_the_device");
	is(port_close(&dumb), 0, "the_ring_goes_with_its_guard");
	give(f);
}

static void sending_from_frames(void)
{
	int64_t f = filter_for(&in, 7, 0, to_cap);
	uint32_t wrong = 0;
	frame_t rest = frame();
	struct aegis_packet *p;
	struct aegis_send *s;

	bind(0, SCRATCH, BIND_ENTRY(rest, BIND_READ | BIND_WRITE));
	for (uint32_t i = 0; i < FRAME_SIZE; i++)
		((volatile uint8_t *)SCRATCH)[i] = (uint8_t)(i * 7);
	bind_once(0, SCRATCH, 0);
	s = frame_of(7, 1514, rest);
	s->pieces[0] = (struct aegis_piece){ rest, 100, 1000 };
	s->pieces[2] = (struct aegis_piece){ rest, FRAME_SIZE - 496, 496 };
	is(aegis_net_send(out.name, s, 1), 1, "a_frame_of_several_pieces_is_sent");
	is(aegis_frame_free(&rest, 1), -E_BUSY, "which_cannot_be_freed_before_it_is");
	ok(port_settle(&out), "then_it_is");
	is(frame_in_table(rest).pins, 0, "and_nothing_holds_them");
	p = port_next(&in);
	for (uint32_t i = 0; p && i < 1496; i++)
		wrong += p->data[HEADER + i] != (uint8_t)((i < 1000 ? 100 + i : FRAME_SIZE - 1496 + i) * 7);
	ok(p && p->length == 1514 && wrong == 0, "and_came_as_it_was");
	s->pieces[1] = (struct aegis_piece){ rest, 0, 1 };
	is(aegis_net_send(out.name, s, 1), -E_INVALID, "one_byte_more_is_too_long");
	s->pieces[1] = (struct aegis_piece){ rest, 4095, 2 }, s->pieces[0].length = 10;
	is(aegis_net_send(out.name, s, 1), -E_INVALID, "a_piece_ends_with_its_frame");
	s->pieces[1] = (struct aegis_piece){ boot->info, 0, 64 };
	is(aegis_net_send(out.name, s, 1), -E_DENIED, "an_exposed_frame_is_nobodys_to_send");
	s->pieces[1] = (struct aegis_piece){ out.name, 0, 64 };
	is(aegis_net_send(out.name, s, 1), -E_DENIED, "nor_is_a_ring");
	s->pieces[1] = (struct aegis_piece){ FRAME_ANY, 0, 64 };
	is(aegis_net_send(out.name, s, 1), -E_DENIED, "or_what_is_none");
	s->pieces[1].length = 0, s->header_length = 13;
	is(aegis_net_send(out.name, s, 1), -E_INVALID, "a_header_is_an_ethernet_header_at_least");
	s->header_length = NET_HEADER_MAX + 1;
	is(aegis_net_send(out.name, s, 1), -E_INVALID, "and_not_too_long");
	s->header_length = HEADER, s->header = AEGIS_USER_TOP - 4;
	is(aegis_net_send(out.name, s, 1), -E_FAULT, "it_can_be_read");
	is(aegis_net_send(out.name, (const void *)8, 1), -E_FAULT, "as_can_the_list");
	is(aegis_net_send(out.name, s, 0), -E_INVALID, "which_is_not_empty");
	is(aegis_net_send(out.name, s, NET_SEND_MAX + 1), -E_INVALID, "nor_too_long");
	is(aegis_net_send(in.control, s, 1), -E_DENIED, "what_is_no_ring_does_not_send");
	is(frame_in_table(rest).pins, 0, "what_was_refused_holds_nothing");
	give(rest);
	aegis_filter_remove((uint32_t)f);
}

static void programs(void)
{
	/* tcpdump -dd 'ether proto 0x88b5 and (ether[17] = 7 or ether[17] = 8)', and the first half of it alone */
	struct aegis_bpf both[] = { { 0x28, 0, 0, 12 }, { 0x15, 0, 4, KIND }, { 0x30, 0, 0, 17 }, { 0x15, 1, 0, 7 }, { 0x15, 0, 1, 8 }, { 0x6, 0, 0, 262144 }, { 0x6, 0, 0, 0 } };
	struct aegis_bpf plain[] = { { 0x28, 0, 0, 12 }, { 0x15, 0, 1, KIND }, { 0x6, 0, 0, 262144 }, { 0x6, 0, 0, 0 } };
	struct aegis_filter_spec spec = { .ring = in.name, .device = TO, .program = (uint64_t)plain, .program_length = 4 };
	struct aegis_packet *p;
	frame_t code = frame();
	int64_t f = aegis_filter_install(&spec, to_cap);

	ok(f > 0, "a_program_that_is_a_conjunction_needs_no_code");
	send_number(&out, 9);
	p = port_next(&in);
	ok(p && p->filter == f, "and_takes_what_it_says");
	aegis_filter_remove((uint32_t)f);
	spec.program = (uint64_t)both, spec.program_length = 7;
	is(aegis_filter_install(&spec, to_cap), -E_INVALID, "any_other_needs_a_frame_for_its_code");
	spec.code = boot->info;
	is(aegis_filter_install(&spec, to_cap), -E_DENIED, "of_ones_own");
	spec.code = in.frames[0];
	is(aegis_filter_install(&spec, to_cap), -E_BUSY, "in_no_other_use");
	spec.code = code;
	f = aegis_filter_install(&spec, to_cap);
	ok(f > 0, "then_it_is_installed");
	is(frame_in_table(code).state, FRAME_CODE, "and_its_code_is_the_kernels");
	is(aegis_frame_free(&code, 1), -E_DENIED, "as_long_as_it_is_there");
	send_number(&out, 7);
	p = port_next(&in);
	ok(p && p->filter == f, "it_takes_one_number");
	send_number(&out, 8);
	ok(port_next(&in) != NULL, "and_the_other");
	send_number(&out, 9);
	is(port_next(&in) != NULL, 0, "but_not_a_third");
	is(aegis_filter_remove((uint32_t)f), 0, "it_is_removed");
	is(frame_in_table(code).state, FRAME_OWNED, "and_its_frame_given_back");
	is(frame_in_table(code).clean, 1, "with_nothing_in_it");
	give(code);
	both[3].jt = 200;
	is(aegis_filter_install(&spec, to_cap), -E_INVALID, "a_program_that_jumps_out_is_none");
}

static void packets_without_a_ring(void)
{
	struct aegis_atom atoms[2];
	struct aegis_filter_spec spec = { .atoms = (uint64_t)atoms, .atom_count = 1, .device = TO };
	uint64_t dropped = device_info(TO)->dropped;
	int64_t scope, f;

	atoms_of(atoms, 7);
	scope = aegis_filter_install(&spec, to_cap);
	f = filter_for(&in, 7, 0, to_cap);
	ok(scope > 0 && f > 0, "a_filter_may_lie_within_another");
	send_number(&out, 9);
	send_number(&out, 7);
	ok(port_next(&in) != NULL, "the_longer_one_has_its_packets");
	is((int64_t)(device_info(TO)->dropped - dropped), 1, "and_one_without_a_ring_drops_its_own");
	is(aegis_filter_remove((uint32_t)scope), 0, "which_goes_alone");
	aegis_filter_remove((uint32_t)f);
}

static void capabilities_for_filters(void)
{
	struct aegis_cap cap, less, stale;
	struct aegis_atom atoms[2];
	struct aegis_filter_spec spec = { .atoms = (uint64_t)atoms, .atom_count = 1, .device = TO };
	int64_t scope, f;

	atoms_of(atoms, 7);
	scope = aegis_filter_install(&spec, to_cap);
	is(aegis_cap_mint(&cap, CAP_FILTER, RIGHT_WRITE | RIGHT_GRANT, (uint64_t)scope, 2), -E_INVALID, "a_capability_is_for_one_filter");
	is(aegis_cap_mint(&cap, CAP_FILTER, RIGHT_WRITE | RIGHT_GRANT, (uint64_t)scope + 1, 1), -E_DENIED, "that_is_there");
	is(aegis_cap_mint(&cap, CAP_FILTER, RIGHT_WRITE | RIGHT_GRANT, (uint64_t)scope, 1), 0, "then_it_is_sealed");
	is(aegis_cap_narrow(&cap, &less, RIGHT_GRANT, (uint64_t)scope, 1), 0, "and_narrowed");
	is(filter_for(&in, 7, 0, &less), -E_DENIED, "to_less_than_is_needed");
	f = filter_for(&in, 7, 0, &cap);
	ok(f > 0, "with_it_a_filter_is_installed_within");
	spec.atom_count = 0;
	is(aegis_filter_install(&spec, &cap), -E_DENIED, "but_not_one_that_is_wider");
	spec.atom_count = 1, spec.device = FROM;
	is(aegis_filter_install(&spec, &cap), -E_DENIED, "or_for_another_device");
	stale = cap;
	is(aegis_cap_end(&cap), 0, "it_ends");
	is(filter_for(&in, 8, 0, &stale), -E_DENIED, "and_is_worth_nothing_then");
	is(aegis_cap_end(&stale), -E_DENIED, "not_even_its_own_end");
	is(aegis_filter_change((uint32_t)f, 0, 5), 0, "what_was_installed_with_it_is_there");
	aegis_cap_mint(&cap, CAP_FILTER, RIGHT_WRITE, (uint64_t)scope, 1);
	aegis_filter_remove((uint32_t)scope);
	is(aegis_filter_install(&spec, &cap), -E_DENIED, "a_filter_that_is_gone_is_no_scope");
	spec.device = TO;
	is(aegis_filter_install(&spec, to_cap) > 0, 1, "and_whoever_has_its_number_next");
	is(filter_for(&in, 8, 0, &cap), -E_DENIED, "is_not_reached_by_its_capabilities");
	aegis_filter_remove((uint32_t)scope);
	aegis_filter_remove((uint32_t)f);
	is(device_info(TO)->filters, 0, "all_are_removed");
}

/* Everything that there is, and again. */
static uint32_t install_all(void)
{
	uint32_t n = 0;
	int64_t f;

	while ((f = filter_for(&in, 1000 + n, 0, to_cap)) > 0)
		n++;
	ok(f == -E_FULL || f == -E_LIMIT, "filters_are_used_up_in_the_end");
	return n;
}

static void exhaustion(void)
{
	uint64_t frames = free_frames();
	uint32_t n = install_all(), again;

	print("# %u filters\n", n);
	ok(n >= 4096, "there_are_thousands");
	is(env_in_table(boot->env).held.filters, n, "all_of_them_counted");
	is(send_number(&out, 7), 1, "sending_goes_on");
	is(port_close(&in), 0, "the_ring_goes_with_all_of_its_filters");
	is(env_in_table(boot->env).held.filters, 0, "which_are_nobodys_any_more");
	port_open(&in, TO, 16, IN);
	again = install_all();
	is(again, n, "as_many_are_there_again");
	is(port_close(&in), 0, "and_go_again");
	port_open(&in, TO, 16, IN);
	is((int64_t)free_frames(), (int64_t)frames, "no_frame_was_lost");
}

void test_main(void)
{
	uint64_t frames;

	if (info->net_devices != 2) {
		is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
		return;
	}
	to_cap = &boot->devices[TO], from_cap = &boot->devices[FROM];
	devices_are_shown();
	port_open(&in, TO, 16, IN);
	port_open(&out, FROM, 2, OUT);
	bind(0, PLACE, 0), bind(0, SCRATCH, 0); /* page tables stay */
	frames = free_frames();
	rings_are_made_of_ones_own();
	held_frames_are_their_owners();
	packets_come_to_their_filter();
	a_full_ring_drops();
	filters_that_are_refused();
	guards_decide();
	sending_from_frames();
	programs();
	packets_without_a_ring();
	capabilities_for_filters();
	exhaustion();
	is((int64_t)free_frames(), (int64_t)frames, "nothing_is_lost");
	port_close(&in), port_close(&out);
}
