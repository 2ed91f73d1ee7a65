/* Timers, checksums, hashes and the table of endpoints, each against something simpler. */
#include "check.h"

#define TIMERS 300
static struct net_timer timers[TIMERS];
static uint64_t fired_at[TIMERS], due_at[TIMERS];
static struct net_stack clock_stack;
static bool in_order;
static uint64_t last_due;

static void fired(struct net_timer *t)
{
	uint64_t n = (uint64_t)(t - timers);

	in_order &= due_at[n] >= last_due && due_at[n] <= clock_stack.now && t->due == 0;
	last_due = due_at[n];
	fired_at[n] = clock_stack.now;
	due_at[n] = 0;
	if (random_below(4) == 0) /* set again by itself */
		net_timer_set(&clock_stack, t, due_at[n] = clock_stack.now + 1 + random_below(1000));
}

static void timers_against_array(void)
{
	bool good = true;

	in_order = true;
	clock_stack.now = 1;
	for (int i = 0; i < TIMERS; i++)
		timers[i].expired = fired;
	for (int round = 0; round < 200000 && good; round++) {
		uint64_t n = random_below(TIMERS), least = UINT64_MAX;

		switch (random_below(8)) {
		case 0:
			net_timer_clear(&clock_stack, &timers[n]);
			due_at[n] = 0;
			break;
		case 1:
			clock_stack.now += random_below(50);
			last_due = 0;
			net_timers_run(&clock_stack);
			break;
		default:
			due_at[n] = clock_stack.now + 1 + random_below(2000);
			net_timer_set(&clock_stack, &timers[n], due_at[n]);
		}
		for (int i = 0; i < TIMERS; i++)
			if (due_at[i] && due_at[i] < least)
				least = due_at[i];
		good = least == UINT64_MAX ? !clock_stack.timers : clock_stack.timers && clock_stack.timers->due == least;
	}
	ok(good, "the first timer is the one that an array says is first, through 200,000 changes");
	ok(in_order, "timers expire in order, none early, and may be set again as they do");
}

static uint16_t simple_sum(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0u);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool same_sum(uint16_t a, uint16_t b) { return a == b || (a % 0xffff == 0 && b % 0xffff == 0); } /* the two zeroes of ones' complement */

static void sums(void)
{
	static uint8_t bytes[4096];
	bool good = true, split = true;

	for (int round = 0; round < 20000; round++) {
		uint32_t n = (uint32_t)random_below(2000), at = (uint32_t)random_below(64), cut = n ? (uint32_t)random_below(n) : 0;
		uint16_t whole;

		for (uint32_t i = 0; i < n; i++)
			bytes[at + i] = round % 3 ? (uint8_t)random_below(256) : 0xff;
		whole = net_sum_fold(net_sum(bytes + at, n, 0));
		good &= same_sum((uint16_t)(whole << 8 | whole >> 8), simple_sum(bytes + at, n));
		if (cut % 2 == 0) {
			split &= same_sum(net_sum_fold(net_sum(bytes + at + cut, n - cut, net_sum(bytes + at, cut, 0))), whole);
		} else {
			uint32_t second = net_sum_swap(net_sum_fold(net_sum(bytes + at + cut, n - cut, 0)));

			split &= same_sum(net_sum_fold(net_sum_fold(net_sum(bytes + at, cut, 0)) + second), whole);
		}
	}
	ok(good, "sums of 20,000 pieces at all alignments are those of two bytes at a time");
	ok(split, "and may be taken in two parts, also at an odd place");
}

static uint64_t sip_of_bytes(const uint8_t key[16], const uint8_t *m, size_t n) /* as its authors describe it, byte for byte */
{
	uint64_t k0, k1, v[4], tail = (uint64_t)n << 56;
#define ROTATE(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define ROUND() \
	(v[0] += v[1], v[1] = ROTATE(v[1], 13), v[1] ^= v[0], v[0] = ROTATE(v[0], 32), v[2] += v[3], v[3] = ROTATE(v[3], 16), v[3] ^= v[2], v[0] += v[3], v[3] = ROTATE(v[3], 21), v[3] ^= v[0], v[2] += v[1], \
		v[1] = ROTATE(v[1], 17), v[1] ^= v[2], v[2] = ROTATE(v[2], 32))
	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	v[0] = k0 ^ 0x736f6d6570736575, v[1] = k1 ^ 0x646f72616e646f6d, v[2] = k0 ^ 0x6c7967656e657261, v[3] = k1 ^ 0x7465646279746573;
	for (; n >= 8; n -= 8, m += 8) {
		uint64_t w;

		memcpy(&w, m, 8);
		v[3] ^= w;
		ROUND(), ROUND();
		v[0] ^= w;
	}
	for (size_t i = 0; i < n; i++)
		tail |= (uint64_t)m[i] << 8 * i;
	v[3] ^= tail;
	ROUND(), ROUND();
	v[0] ^= tail;
	v[2] ^= 0xff;
	ROUND(), ROUND(), ROUND(), ROUND();
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void hashes(void)
{
	struct net_stack s = { 0 };
	uint8_t key[16], m[44], vector[15];
	struct net_name a, b;
	uint64_t more;
	bool good = true;

	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 15; i++)
		vector[i] = (uint8_t)i;
	ok(sip_of_bytes(key, vector, 15) == 0xa129ca6149be45e5, "SipHash's own test vector, for the test's hash");
	memcpy(s.secret, key, 16);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 44; i++)
			m[i] = (uint8_t)random_below(256);
		memcpy(a.address.bytes, m, 16);
		memcpy(b.address.bytes, m + 16, 16);
		memcpy(&more, m + 32, 8);
		b.port = (uint16_t)(m[40] | m[41] << 8);
		a.port = (uint16_t)(m[42] | m[43] << 8);
		good &= net_hash(&s, &a, &b, more) == sip_of_bytes(key, m, 44);
	}
	ok(good, "net_hash is SipHash-2-4 of names");
}

static struct net_endpoint *udp(struct host *h, bool ipv6, uint32_t flags, struct net_name name, int *error)
{
	struct net_endpoint *e = net_endpoint_new(h->stack, NET_UDP, ipv6, NULL, NULL);

	net_set_flags(e, flags);
	*error = net_bind(e, &name);
	return e;
}

static void names(void)
{
	static const struct {
		const char *what;
		bool ipv6_a, ipv6_b, any_a, any_b;
		uint32_t flags_a, flags_b;
		bool fine;
	} cases[] = {
		{ "the same name twice", false, false, false, false, 0, 0, false },
		{ "any and one address", false, false, true, false, 0, 0, false },
		{ "one address and any", false, false, false, true, 0, 0, false },
		{ "both sharing addresses", false, false, false, false, NET_REUSE_ADDRESS, NET_REUSE_ADDRESS, true },
		{ "only the second sharing", false, false, false, false, 0, NET_REUSE_ADDRESS, false },
		{ "both sharing the port", false, false, false, false, NET_REUSE_PORT, NET_REUSE_PORT, true },
		{ "one sharing the port, one addresses", false, false, false, false, NET_REUSE_PORT, NET_REUSE_ADDRESS, false },
		{ "any of IPv6, dual, and IPv4", true, false, true, true, 0, 0, false },
		{ "any of IPv6 only, and IPv4", true, false, true, true, NET_ONLY_IPV6, 0, true },
		{ "IPv4, and any of IPv6, dual", false, true, false, true, 0, 0, false },
	};
	struct host *h = host_new(1);

	host_address(h, 1);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct net_name six = { .port = 7 }, any4 = { v4(0, 0, 0, 0), 7 }, one4 = name4(1, 7);
		int error_a, error_b;
		struct net_endpoint *a = udp(h, cases[i].ipv6_a, cases[i].flags_a, cases[i].ipv6_a ? six : cases[i].any_a ? any4 : one4, &error_a);
		struct net_endpoint *b = udp(h, cases[i].ipv6_b, cases[i].flags_b, cases[i].ipv6_b ? six : cases[i].any_b ? any4 : one4, &error_b);

		ok(error_a == 0 && error_b == (cases[i].fine ? 0 : -EADDRINUSE), "%s: %s", cases[i].what, cases[i].fine ? "fine" : "EADDRINUSE");
		net_close(a);
		net_close(b);
	}
	wire_end();
}

static void many(void)
{
	enum { MANY = 20000 };
	struct host *h = host_new(1);
	struct net_endpoint **all = calloc(MANY, sizeof(*all));
	struct net_name nobody = { .address = v4(0, 0, 0, 0) };
	bool good = true;

	h->no_filters = true;
	host_address(h, 1);
	for (int i = 0; i < MANY; i++) {
		int error;

		all[i] = udp(h, false, 0, (struct net_name){ v4(10, 0, 0, 1), (uint16_t)(i + 1) }, &error);
		good &= !error;
	}
	for (int i = 0; i < MANY; i++)
		good &= net_find(h->stack, NET_UDP, &all[i]->local, &nobody) == all[i] && net_find_tagged(h->stack, NET_UDP, all[i]->tag, &all[i]->local, &nobody) == all[i];
	ok(good, "%d endpoints are found by their names", MANY);
	good = true;
	for (int i = 0; i < MANY; i += 2) {
		uint64_t tag = all[i]->tag;
		struct net_name local = all[i]->local;

		net_close(all[i]);
		good &= !net_find(h->stack, NET_UDP, &local, &nobody) && !net_find_tagged(h->stack, NET_UDP, tag, &local, &nobody);
	}
	for (int i = 1; i < MANY; i += 2)
		good &= net_find(h->stack, NET_UDP, &all[i]->local, &nobody) == all[i];
	ok(good, "those that ended are not, by name or tag, and the others still are");
	free(all);
	wire_end();
}

static void sharing_is_even(void)
{
	struct host *h = host_new(1);
	struct net_endpoint *all[4];
	struct net_name to = name4(1, 9);
	int got[4] = { 0 }, error;
	bool stable = true, even = true;

	host_address(h, 1);
	for (int i = 0; i < 4; i++)
		all[i] = udp(h, false, NET_REUSE_PORT, to, &error);
	for (int round = 0; round < 4000; round++) {
		struct net_name from = { v4(10, 0, (uint8_t)random_below(256), (uint8_t)random_below(256)), (uint16_t)(1 + random_below(60000)) };
		struct net_endpoint *e = net_find(h->stack, NET_UDP, &to, &from);

		stable &= e == net_find(h->stack, NET_UDP, &to, &from);
		for (int i = 0; i < 4; i++)
			got[i] += all[i] == e;
	}
	for (int i = 0; i < 4; i++)
		even &= got[i] > 850 && got[i] < 1150;
	ok(stable && even, "four that share a port: always the same for a name, %d %d %d %d of 4,000", got[0], got[1], got[2], got[3]);
	wire_end();
}

static void free_ports(void)
{
	struct host *h = host_new(1);
	struct net_address own = v4(10, 0, 0, 1);
	struct net_name server = { v4(10, 0, 0, 2), 80 }, first = { own, 0 };
	bool good = true;
	int n = 0, error = 0;

	h->no_filters = true;
	host_address(h, 1);
	for (int i = 0; i < 100; i++) {
		uint16_t p = net_free_port(h->stack, NET_UDP, &own, &server);

		good &= p >= 32768 && p <= 60999;
	}
	ok(good, "ephemeral ports are of 32768 to 60999");
	for (; !error && n < 40000; n++)
		udp(h, false, 0, first, &error);
	ok(n == 28233 && error == -EADDRINUSE, "and all 28,232 of them can be had, then none");
	wire_end();
}

int main(int argc, char **argv)
{
	test_start(argc, argv);
	timers_against_array();
	sums();
	hashes();
	names();
	many();
	sharing_is_even();
	free_ports();
	return done_testing();
}
