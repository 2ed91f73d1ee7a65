/* Two tenants on one interface: neither reads, forges or delays the other's packets, keeps what is not his, or leaves anything behind. The first environment, which has both devices, is the network
 * outside: it sends to them, and receives, on the other device of the hub.
 *
 * Packets have the tenant's number in bytes 14 and 15 and a port in 16 and 17. Each tenant has a scope (a filter by number, that drops) and a guard for his own number. */
#include <tests/hostile/hostile.h>
#include <tests/kernel/packets.h>

#define OUTSIDE 0x311000000000ul /* where the rings are bound: the network's, */
#define GOOD 0x312000000000ul    /* the victim's, */
#define BAD 0x313000000000ul     /* the attacker's, */
#define PLACE (BAD + 16 * FRAME_SIZE) /* and what he tries to see */
#define GOOD_NUMBER 1
#define BAD_NUMBER 2
#define PORT 5
#define ROUNDS 32
#define QUEUE 256 /* parts of the device's: as many as the driver asks for, and the emulator has */
#define NAME(number, port) ((uint32_t)(number) << 16 | (port))

static struct port outside, good, bad;
static struct child good_child, bad_child;
static struct aegis_cap good_scope, bad_scope;
static frame_t info_frame;
static int64_t good_filter, good_scope_filter, bad_scope_filter;
static int64_t results[40]; /* of the tenants' attempts */
static uint32_t tried;
static volatile bool flooding, flooded;
static volatile uint64_t floods, call_ticks, switched; /* of the victim's last call: how long it took, whether he lost the CPU in it, */
static volatile uint32_t burst;                        /* and how many frames he is to send in it */

/* A filter for a tenant's port, as a tenant may install it: within his scope. */
static void scope_atoms(struct aegis_atom atoms[3], uint32_t number, uint32_t port)
{
	atoms[0] = (struct aegis_atom){ .offset = 12, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = KIND };
	atoms[1] = (struct aegis_atom){ .offset = 14, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = number };
	atoms[2] = (struct aegis_atom){ .offset = 16, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = port };
}

static int64_t install(frame_t ring, uint32_t number, uint32_t port, uint32_t atom_count, env_id env, const struct aegis_cap *cap)
{
	struct aegis_atom atoms[3];
	struct aegis_filter_spec spec = { .ring = ring, .env = env, .atoms = (uint64_t)atoms, .atom_count = atom_count, .device = TO };

	scope_atoms(atoms, number, port);
	return aegis_filter_install(&spec, cap);
}

static int64_t scope_make(uint32_t number, struct aegis_cap *cap)
{
	int64_t f = install(0, number, 0, 2, 0, &boot->devices[TO]);

	aegis_cap_mint(cap, CAP_FILTER, RIGHT_WRITE, (uint64_t)f, 1);
	return f;
}

/* Of an Ethernet type and a number only: what the tenant may send. */
static int64_t guard(const struct port *p, uint32_t number)
{
	struct aegis_atom atoms[3];

	scope_atoms(atoms, number, 0);
	return aegis_guard_add(p->name, atoms, 2, &boot->devices[TO]);
}

static void try(int64_t result) { results[tried++] = result; }

/* A tenant shows the first environment his ring, which binds it where he has it himself. */
#define GOOD_SLOTS 16
static struct aegis_cap shown[2][1 + GOOD_SLOTS / 2];

static frame_t part_of(const struct port *p, uint32_t i) { return i ? p->frames[i - 1] : p->control; }

static void show(const struct port *p, struct aegis_cap *caps)
{
	for (uint32_t i = 0; i <= p->slots / 2; i++)
		aegis_cap_mint(&caps[i], CAP_FRAMES, RIGHT_READ | RIGHT_WRITE, part_of(p, i), 1);
}

static void look(const struct port *p, const struct aegis_cap *caps)
{
	uint64_t va = (uint64_t)p->ring;

	for (uint32_t i = 0; i <= p->slots / 2; i++)
		is(tenant_bind(va + i * FRAME_SIZE, part_of(p, i), READ_WRITE, &caps[i]), 1, "a_part_of_a_ring_is_bound_by_capability");
}

#define MACHINE (GOOD + 64 * FRAME_SIZE) /* where the victim has the page that describes it */
static uint64_t switches(void) { return ((volatile const struct aegis_info *)MACHINE)->switches; }

/* The victim: opens a ring, and from then on sends one frame each time that he is let go on. */
static void be_good(void *unused)
{
	struct aegis_send list[NET_SEND_MAX];
	uint64_t begun;

	(void)unused;
	tenant_tables(GOOD);
	port_open(&good, TO, GOOD_SLOTS, GOOD);
	show(&good, shown[0]);
	bind_once(0, MACHINE, BIND_ENTRY(info_frame, BIND_READ));
	tenant_pause();
	good_filter = install(good.name, GOOD_NUMBER, PORT, 3, 0, &good_scope);
	for (;;) {
		tenant_pause();
		for (uint32_t i = 0; i < NET_SEND_MAX; i++)
			list[i] = *frame_of(NAME(GOOD_NUMBER, PORT), 60, FRAME_ANY);
		switched = switches();
		begun = ticks();
		results[0] = aegis_net_send(good.name, list, burst);
		call_ticks = ticks() - begun;
		switched = switches() != switched;
	}
}

/* What he tries, in the order of `attempts`. */
static void attack(void)
{
	struct aegis_cap forged = bad_scope, out;
	struct aegis_handler_spec handler = { .filter = (uint32_t)good_filter };
	struct aegis_ring_spec theft = { .object = bad.control, .control = good.control, .device = TO, .slots = 2, .frames = (uint64_t)good.frames };
	struct aegis_atom any = { 0 };
	struct aegis_send *s;

	try(install(bad.name, GOOD_NUMBER, PORT, 3, 0, &bad_scope));
	try(install(bad.name, GOOD_NUMBER, PORT + 1, 3, 0, &bad_scope));
	try(install(bad.name, 0, 0, 0, 0, &bad_scope));
	try(install(bad.name, 0, 0, 1, 0, &bad_scope));
	forged.first = (uint64_t)good_scope_filter;
	try(install(bad.name, GOOD_NUMBER, PORT + 1, 3, 0, &forged));
	forged = bad_scope, forged.kind = CAP_DEVICE, forged.first = TO;
	try(install(bad.name, GOOD_NUMBER, PORT + 1, 3, 0, &forged));
	try(aegis_cap_mint(&out, CAP_FILTER, RIGHT_WRITE, (uint64_t)good_filter, 1));
	try(aegis_cap_mint(&out, CAP_FILTER, RIGHT_WRITE, (uint64_t)bad_scope_filter, 1));
	try(aegis_cap_narrow(&bad_scope, &out, RIGHT_WRITE, (uint64_t)bad_scope_filter, 1));
	try(install(good.name, BAD_NUMBER, PORT, 3, 0, &bad_scope));
	try(install(bad.name, BAD_NUMBER, PORT, 3, good_child.env, &bad_scope));
	try(aegis_filter_change((uint32_t)good_filter, 0, 0));
	try(aegis_filter_remove((uint32_t)good_filter));
	try(aegis_filter_remove((uint32_t)bad_scope_filter));
	try(aegis_handler_attach(&handler));
	try(aegis_ring_destroy(good.name));
	try(aegis_guard_add(bad.name, &any, 0, &bad_scope));
	try(aegis_guard_add(bad.name, &any, 0, &forged));
	try(tenant_bind(PLACE, good.frames[0], BIND_READ, NULL));
	try(tenant_bind(PLACE, good.name, BIND_READ, NULL));
	try(aegis_ring_create(&theft));
	try(aegis_net_send(good.name, frame_of(NAME(GOOD_NUMBER, PORT), 60, FRAME_ANY), 1));
	try(send_number(&bad, NAME(GOOD_NUMBER, PORT)));
	s = frame_of(NAME(BAD_NUMBER, PORT), 64, bad.frames[0]);
	s->header_length = 14; /* the number would lie in the piece */
	try(aegis_net_send(bad.name, s, 1));
	s = frame_of(NAME(BAD_NUMBER, PORT), 64, good.frames[0]);
	try(aegis_net_send(bad.name, s, 1));
}

static const struct {
	const char *name;
	int64_t result;
} attempts[] = {
	{ "no_filter_for_anothers_port", -E_DENIED }, { "or_for_one_that_he_does_not_use", -E_DENIED }, { "nor_for_everything", -E_DENIED }, { "nor_for_everybodys", -E_DENIED },
	{ "a_scopes_capability_cannot_be_forged", -E_DENIED }, { "or_made_into_a_devices", -E_DENIED }, { "or_sealed_for_anothers_filter", -E_DENIED },
	{ "even_for_the_scope_that_one_has", -E_DENIED }, { "or_narrowed_without_the_right", -E_DENIED }, { "anothers_ring_gets_no_filter", -E_DENIED },
	{ "nobody_elses_environment_is_told", -E_DENIED }, { "anothers_filter_is_not_changed", -E_DENIED }, { "or_removed", -E_DENIED }, { "nor_is_the_scope", -E_DENIED },
	{ "nor_gets_it_a_handler", -E_DENIED }, { "his_ring_is_not_destroyed", -E_DENIED }, { "guards_are_not_given_by_a_scope", -E_DENIED }, { "or_a_forgery", -E_DENIED },
	{ "his_packets_cannot_be_seen", -E_DENIED }, { "nor_his_ring", -E_DENIED }, { "or_taken_over", -E_DENIED }, { "nothing_is_sent_from_it", -E_DENIED },
	{ "or_in_his_name", -E_DENIED }, { "even_if_that_lies_in_a_piece", -E_DENIED }, { "nor_are_his_frames", -E_DENIED },
};

/* Then he sends as fast as he can, as much as he can. */
static void be_bad(void *unused)
{
	struct aegis_send list[NET_SEND_MAX];
	uint8_t header[HEADER];
	frame_t rest;

	(void)unused;
	tenant_tables(BAD);
	port_open(&bad, TO, 4, BAD);
	rest = frame();
	show(&bad, shown[1]);
	tenant_pause();
	attack();
	tenant_pause();
	for (uint32_t i = 0; i < NET_SEND_MAX; i++)
		list[i] = *frame_of(NAME(BAD_NUMBER, PORT), 1514, rest), list[i].header = (uint64_t)header; /* the other is everybody's */
	for (uint32_t i = 0; i < HEADER; i++)
		header[i] = ((const uint8_t *)frame_of(NAME(BAD_NUMBER, PORT), 60, FRAME_ANY)->header)[i];
	for (flooding = true;;) {
		int64_t n = aegis_net_send(bad.name, list, NET_SEND_MAX);

		floods += n > 0 ? (uint64_t)n : 0;
		flooded |= n == -E_FULL;
		if (!flooding)
			tenant_pause();
	}
}

static bool quiet(void) /* until nothing comes any more */
{
	uint32_t n = 0;

	while (port_next(&outside) && n < 100000)
		n++;
	return n < 100000;
}

/* The victim sends; true: all of it was taken at once, and the last of it came outside. */
static bool victim_sends(uint32_t frames)
{
	const struct aegis_packet *p;
	uint32_t came = 0;

	outside.seen = outside.ring->produced;
	outside.ring->consumed = outside.seen;
	burst = frames;
	tenant_go_on(&good_child);
	for (uint32_t i = 0; i < 10000 && came < frames && (p = port_next(&outside)); i++)
		came += p->data[15] == GOOD_NUMBER;
	return results[0] == frames && came == frames;
}

static void nobody_reads_or_forges(void)
{
	uint64_t refused = bad.ring->refused;
	struct aegis_packet *p;

	tenant_go_on(&bad_child);
	for (uint32_t i = 0; i < OF(attempts); i++)
		is(results[i], attempts[i].result, attempts[i].name);
	is((int64_t)(bad.ring->refused - refused), 2, "what_was_refused_is_counted");
	is(port_next(&outside) != NULL, 0, "nothing_of_it_came_outside");
	is(send_number(&outside, NAME(GOOD_NUMBER, PORT)), 1, "a_packet_for_the_victim");
	p = port_next(&good);
	ok(p && p->data[17] == PORT && p->filter == good_filter, "is_his");
	is(bad.ring->produced, 0, "and_the_attackers_ring_is_empty");
	is(send_number(&outside, NAME(GOOD_NUMBER, PORT + 1)), 1, "one_for_a_port_that_nobody_has");
	is(port_next(&good) != NULL, 0, "is_nobodys");
	is(bad.ring->produced, 0, "not_the_attackers_either");
}

/* When a frame leaves is the device's business, and the emulator's takes as long as the host lets it. What the kernel decides is what is in the queue before it: never more of another's than his
 * share; and that there is room in it, at the first attempt, in the time that a call takes. */
static void nobody_delays(void)
{
	uint64_t alone = UINT64_MAX, most = 0;
	uint32_t ahead = 0, done = 0, now;

	for (uint32_t i = 0; i < 8; i++) {
		ok(victim_sends(1), "the_victim_sends");
		alone = call_ticks < alone ? call_ticks : alone;
	}
	aegis_slice_alloc(0, UINT32_MAX, bad_child.env, NULL);
	aegis_notify(bad_child.env, EVENT_NOTIFY(0));
	for (uint32_t i = 0; i < 1000 && !flooded; i++)
		wait_quanta(1);
	ok(flooded, "the_attacker_fills_his_share_of_the_queue");
	for (uint32_t i = 0; i < ROUNDS; i++) {
		done += victim_sends(i % 2 ? NET_SEND_MAX : 1);
		now = bad.ring->accepted - bad.ring->sent;
		ahead = now > ahead ? now : ahead;
		if (!switched) /* he did not lose the CPU in the middle of it, which would not be the network's doing */
			most = call_ticks > most ? call_ticks : most;
		wait_quanta(1);
	}
	print("# while %lu frames are sent by another: at most %u of them before the victim's; his call takes %lu ticks alone, %lu at most\n", floods, ahead, alone, most);
	is(done, ROUNDS, "the_victims_frames_are_taken_at_once_each_time_and_come");
	ok(ahead <= QUEUE / 2, "the_attackers_are_never_more_than_half_of_the_queue");
	ok(most < info->quantum / 2, "no_call_of_the_victims_is_held_up");
	is((int64_t)good.ring->refused, 0, "or_refused");
}

/* The attacker's ring overflows; the victim's does not. */
static void nobody_drops_anothers(void)
{
	uint64_t before = good.ring->dropped;
	uint32_t came = 0;
	int64_t f = install(bad.name, BAD_NUMBER, PORT, 3, 0, &bad_scope);

	ok(f > 0, "who_is_above_installs_filters_for_a_tenant");
	for (uint32_t round = 0; round < 16; round++) {
		for (uint32_t i = 0; i < 8; i++)
			send_number(&outside, NAME(BAD_NUMBER, PORT));
		send_number(&outside, NAME(GOOD_NUMBER, PORT));
		came += port_next(&good) != NULL;
	}
	ok(bad.ring->dropped > 0, "a_ring_that_nobody_empties_overflows");
	is(came, 16, "but_the_other_tenants_packets_come");
	is((int64_t)(good.ring->dropped - before), 0, "all_of_them");
	is(aegis_filter_remove((uint32_t)f), 0, "and_remove_them");
}

/* What a ring holds is not taken by force: the ring is, by who is above. */
static void held_frames_are_not_taken(void)
{
	uint64_t names[] = { bad.frames[0], bad.control, bad.name };

	is(ask(bad_child.env, REVOKE_FRAMES, 3, 1), 0, "frames_are_asked_back");
	for (uint32_t i = 0; i < OF(names); i++)
		is(aegis_repossess(bad_child.env, REVOKE_FRAMES, &names[i], 1), -E_BUSY, "a_rings_are_not_taken");
	is(ask(bad_child.env, REVOKE_FRAMES, 0, 0), 0, "the_demand_is_withdrawn");
}

/* He is destroyed with frames under way, a full ring, filters and all. */
static void death_leaves_nothing(uint64_t before)
{
	uint32_t filters;

	flooding = true;
	filters = device_info(TO)->filters;
	install(bad.name, BAD_NUMBER, PORT, 3, 0, &bad_scope);
	for (uint32_t i = 0; i < 40; i++)
		install(bad.name, BAD_NUMBER, 100 + i, 3, 0, &bad_scope);
	is(device_info(TO)->filters, filters + 41, "the_attacker_has_much");
	is(env_in_table(bad_child.env).held.filters, 41, "on_his_account");
	wait_quanta(2);
	is(tenant_end(&bad_child), 0, "he_is_destroyed_with_frames_under_way");
	is(device_info(TO)->filters, filters, "his_filters_are_gone");
	ok(quiet(), "the_network_is_quiet");
	ok(victim_sends(1), "the_victim_goes_on");
	is(send_number(&outside, NAME(BAD_NUMBER, PORT)), 1, "what_still_comes_for_the_dead");
	is(port_next(&good) != NULL, 0, "is_not_the_victims");
	is(tenant_end(&good_child), 0, "he_ends_too");
	aegis_filter_remove((uint32_t)good_scope_filter);
	aegis_filter_remove((uint32_t)bad_scope_filter);
	is(device_info(TO)->filters, 0, "no_filter_is_left");
	is((int64_t)free_frames(), (int64_t)before, "no_frame_is_lost");
}

/* A tenant's filters are limited, and all are his again when he has given them back. */
static void hoard(void *unused)
{
	int64_t f, list[128];
	uint32_t n = 0;

	(void)unused;
	tenant_tables(BAD);
	port_open(&bad, TO, 4, BAD);
	while (n < OF(list) && (f = install(bad.name, BAD_NUMBER, n, 3, 0, &bad_scope)) > 0)
		list[n++] = f;
	try(n), try(f);
	for (uint32_t i = 0; i < n; i++)
		aegis_filter_remove((uint32_t)list[i]);
	try(install(bad.name, BAD_NUMBER, 0, 3, 0, &bad_scope) > 0);
}

static void hoarding(void)
{
	uint32_t limit;

	tried = 0;
	child_make(&bad_child, hoard, NULL, TENANT_FRAMES);
	limit = env_in_table(bad_child.env).limits.filters;
	child_finish(&bad_child);
	is(results[0], limit, "a_tenant_has_as_many_filters_as_he_may");
	is(results[1], -E_LIMIT, "and_no_more");
	is(results[2], 1, "those_he_gives_back_he_has_again");
	is(tenant_end(&bad_child), 0, "and_they_end_with_him");
}

void test_main(void)
{
	struct aegis_atom any = { .offset = 12, .size = 2, .kind = ATOM_COMPARE, .mask = 0xffff, .value = KIND };
	struct aegis_filter_spec all = { .atoms = (uint64_t)&any, .atom_count = 1, .device = FROM };
	uint64_t before;

	if (info->net_devices != 2) {
		is(info->net_devices, 2, "there_are_two_devices_on_a_hub");
		return;
	}
	tables_see();
	info_frame = boot->info;
	port_open(&outside, FROM, 256, OUTSIDE);
	all.ring = outside.name;
	aegis_filter_install(&all, &boot->devices[FROM]);
	aegis_guard_add(outside.name, &any, 1, &boot->devices[FROM]);
	bind(0, GOOD, 0), bind(0, BAD, 0), device_info(TO);
	before = free_frames();
	good_scope_filter = scope_make(GOOD_NUMBER, &good_scope);
	bad_scope_filter = scope_make(BAD_NUMBER, &bad_scope);
	hoarding();
	tried = 0;
	tenant_start(&good_child, be_good, NULL, NULL);
	tenant_start(&bad_child, be_bad, NULL, NULL);
	is(guard(&good, GOOD_NUMBER), 0, "who_is_above_says_what_a_tenant_may_send");
	is(guard(&bad, BAD_NUMBER), 0, "each_by_his_number");
	tenant_go_on(&good_child);
	ok(good_filter > 0, "a_tenant_installs_filters_within_his_scope");
	is(bind_once(0, GOOD, BIND_ENTRY(good.control, BIND_READ)), -E_DENIED, "not_even_who_is_above_sees_a_tenants_ring");
	look(&good, shown[0]), look(&bad, shown[1]);
	nobody_reads_or_forges();
	nobody_delays();
	nobody_drops_anothers();
	held_frames_are_not_taken();
	death_leaves_nothing(before);
	port_close(&outside);
}
