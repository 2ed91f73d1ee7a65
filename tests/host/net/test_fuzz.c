/* Frames that nobody sane would send: valid ones that are changed somewhere, random ones, and fragments of all of them. Nothing may break or leak, nothing may come to an endpoint that it is not for, and afterwards
 * everything works as before. Arguments: the seed, and how many frames (1,000,000 take two seconds). */
#include "check.h"

#define FRAMES 1000000
#define SAMPLES 32

static struct host *a, *b;
static uint8_t samples[SAMPLES][FRAME_MAX];
static uint32_t lengths[SAMPLES];
static int sample_count;

static struct host *watched;
static void record(const struct frame *f)
{
	if (f->from != watched || (f->bytes[0] & 1 && sample_count > SAMPLES / 2) || sample_count == SAMPLES)
		return;
	memcpy(samples[sample_count], f->bytes, f->length);
	lengths[sample_count++] = f->length;
}
static bool record_and_pass(const struct frame *f)
{
	record(f);
	return false;
}

/* Endpoints of b's, which are to hear what is for them alone. */
static struct net_endpoint *open4, *open6, *connected, *silent, *local_only;
static uint64_t heard, foreign;

static bool fits(const struct net_endpoint *e, const struct net_name *to, const struct net_name *from)
{
	if (to->port != e->local.port || (e->remote.port && (e->remote.port != from->port || !net_same(&e->remote.address, &from->address))))
		return false;
	return net_is_any(&e->local.address) || net_same(&e->local.address, &to->address);
}

static void drain(struct net_endpoint *e)
{
	const uint8_t *data;
	struct net_name from, to;
	ssize length;

	while ((length = net_datagram(e, &data, &from, &to)) >= 0) {
		volatile uint8_t sum = 0;
		uint32_t at = 0, n;

		for (; (n = net_datagram_peek(e, at, &data)); at += n)
			for (uint32_t i = 0; i < n; i++)
				sum += data[i];
		heard++;
		foreign += !fits(e, &to, &from) || e == local_only || e == silent || (ssize)at != length;
		net_datagram_done(e);
	}
}

static struct net_endpoint *udp(struct host *h, bool ipv6, struct net_name name)
{
	struct net_endpoint *e = net_endpoint_new(h->stack, NET_UDP, ipv6, NULL, NULL);

	if (net_bind(e, &name))
		panic("bind");
	return e;
}

static void send(struct net_endpoint *e, struct net_name to, const void *data, uint32_t n)
{
	net_send_datagram(e, &to, NULL, data, n);
	net_turn(e->stack);
	wire_run(SECOND / 10);
}

/* Frames of all kinds that a stack sends, as b would get them. */
static void take_samples(void)
{
	static uint8_t data[5000];
	struct net_endpoint *x = udp(a, false, name4(1, 7)), *y = udp(a, true, (struct net_name){ .port = 8 });
	struct net_endpoint *ping4 = net_endpoint_new(a->stack, NET_ICMP, false, NULL, NULL), *ping6 = net_endpoint_new(a->stack, NET_ICMPV6, true, NULL, NULL);
	uint8_t echo[64] = { 8 }, ra[64] = { 134 }, all[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	struct net_address router = link_local(a), nodes = { { 0xff, 2, [15] = 1 } };

	watched = a;
	wire.drop = record_and_pass;
	send(x, name4(2, 53), data, 100);
	send(x, name4(2, 54), data, 10);
	send(x, name4(2, 99), data, 10);
	send(x, name4(2, 53), data, 4000);
	send(y, (struct net_name){ link_local(b), 53 }, data, 100);
	send(y, (struct net_name){ link_local(b), 53 }, data, 4000);
	send(ping4, name4(2, 0), echo, sizeof(echo));
	echo[0] = 128;
	send(ping6, (struct net_name){ .address = link_local(b) }, echo, sizeof(echo));
	send(udp(b, false, name4(2, 2000)), name4(1, 9999), data, 50); /* b is told that it is unreachable */
	ra[16] = 1, ra[17] = 1, ra[32] = 3, ra[33] = 4, ra[34] = 64, ra[35] = 0xc0, ra[24] = 5, ra[25] = 1;
	memset(ra + 36, 0xff, 8);
	ra[48] = 0x20;
	icmp_checksum(ra, 64, &router, &nodes);
	lengths[sample_count] = make_ipv6(samples[sample_count], all, a->address, router, nodes, 58, 255, ra, 64);
	sample_count++;
	wire.drop = NULL;
	net_close(x);
	net_close(y);
	net_close(ping4);
	net_close(ping6);
}

/* Checksums that are right again, so that what was changed is looked at by those behind them. */
static void mend(uint8_t *f, uint32_t length)
{
	struct net_address from, to;
	uint32_t header, left;
	uint8_t *t;

	if (length < 14 + 20)
		return;
	if (f[12] == 8 && f[13] == 0) {
		header = (f[14] & 15) * 4u;
		if (header < 20 || 14 + header > length)
			return;
		net_put16(f + 24, 0);
		*(uint16_t *)(f + 24) = (uint16_t)~net_sum_fold(net_sum(f + 14, header, 0));
		from = net_from_ipv4(f + 26);
		to = net_from_ipv4(f + 30);
		t = f + 14 + header;
		left = MIN(length - 14, (uint32_t)net_get16(f + 16)) - MIN(header, MIN(length - 14, (uint32_t)net_get16(f + 16)));
		if (f[23] == 1 && left >= 8)
			icmp_checksum(t, left, &from, &to);
		if (f[23] == 17 && left >= 8 && random_below(2))
			net_put16(t + 6, 0);
	} else if (f[12] == 0x86 && length >= 54 + 8) {
		left = MIN(length - 54, (uint32_t)net_get16(f + 18));
		memcpy(from.bytes, f + 22, 16);
		memcpy(to.bytes, f + 38, 16);
		if (f[20] == 58 && left >= 8)
			icmp_checksum(f + 54, left, &from, &to);
		if (f[20] == 17 && left >= 8) {
			net_put16(f + 54 + 6, 0);
			*(uint16_t *)(f + 60) = (uint16_t)~net_sum_fold(net_sum(f + 54, left, net_sum_pseudo(&from, &to, 17, left)));
		}
	}
}

static uint32_t mutate(uint8_t *f, uint32_t length)
{
	for (uint64_t n = 1 + random_below(4); n > 0; n--) {
		uint32_t at = (uint32_t)random_below(MIN(length, 80u));

		switch (random_below(6)) {
		case 0:
			f[at] = (uint8_t)random_below(256);
			break;
		case 1:
			f[at] ^= (uint8_t)(1 << random_below(8));
			break;
		case 2:
			f[at] = random_below(2) ? 0 : 0xff;
			break;
		case 3: /* offsets of fragments, lengths */
			if (length > 24)
				net_put16(f + 14 + 2 * random_below(5), (uint32_t)random_below(65536));
			break;
		case 4:
			length = 1 + (uint32_t)random_below(length);
			break;
		default:
			if (length < 1500) {
				uint32_t more = (uint32_t)random_below(100);

				memset(f + length, (int)random_below(256), more);
				length += more;
			}
		}
	}
	if (random_below(4))
		memcpy(f, b->address, 6);
	if (random_below(4))
		mend(f, length);
	return length;
}

static uint32_t random_frame(uint8_t *f)
{
	static const uint16_t types[] = { 0x0800, 0x0806, 0x86dd };
	uint32_t length = 14 + (uint32_t)random_below(300);

	for (uint32_t i = 0; i < length; i++)
		f[i] = (uint8_t)random_below(256);
	memcpy(f, b->address, 6);
	net_put16(f + 12, types[random_below(3)]);
	if (length > 60 && random_below(2)) {
		f[14] = f[12] == 8 ? 0x45 : 0x60;
		memcpy(f + (f[12] == 8 ? 30 : 38), f[12] == 8 ? (const uint8_t *)"\x0a\0\0\x02" : link_local(b).bytes, f[12] == 8 ? 4 : 16);
		net_put16(f + (f[12] == 8 ? 16 : 18), length - (f[12] == 8 ? 14 : 54));
		mend(f, length);
	}
	return length;
}

static bool nothing_passes(const struct frame *f) { return (void)f, true; }

static void attack(uint64_t frames)
{
	uint64_t tags[] = { 0, open4->tag, open6->tag, connected->tag, silent->tag, local_only->tag, 0xdead, UINT64_MAX };

	wire.drop = nothing_passes; /* what b answers is of no interest */
	for (uint64_t i = 0; i < frames; i++) {
		uint8_t f[FRAME_MAX];
		uint64_t n = random_below((uint64_t)sample_count);
		uint32_t length = lengths[n];
		uint8_t *exact;

		if (random_below(8) == 0) {
			length = random_frame(f);
		} else {
			memcpy(f, samples[n], length);
			length = mutate(f, length);
		}
		exact = malloc(length);
		memcpy(exact, f, length);
		net_input(b->stack, exact, length, tags[random_below(ARRAY_LENGTH(tags))]);
		free(exact);
		if (i % 16 == 0) {
			wire.now += random_below(SECOND / 10);
			net_turn(b->stack);
			drain(open4), drain(open6), drain(connected), drain(silent), drain(local_only);
			net_error(connected);
		}
	}
	wire.drop = NULL;
}

static bool works(struct net_endpoint *from, struct net_endpoint *at, struct net_name to)
{
	const uint8_t *data;
	bool good;

	drain(at);
	send(from, to, "still there?", 12);
	wire_run(8 * SECOND);
	send(from, to, "still there?", 12);
	wire_run(8 * SECOND);
	good = net_datagram(at, &data, NULL, NULL) == 12 && memcmp(data, "still there?", 12) == 0;
	drain(at);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t frames = argc > 2 ? strtoull(argv[2], NULL, 0) : FRAMES;
	struct net_endpoint *x, *y;
	struct net_address six;

	test_start(argc, argv);
	a = host_new(1);
	b = host_new(2);
	host_address(a, 1);
	host_address(b, 2);
	wire_run(3 * SECOND);
	six = link_local(b);
	open4 = udp(b, false, (struct net_name){ v4(0, 0, 0, 0), 53 });
	open6 = udp(b, true, (struct net_name){ six, 53 });
	connected = udp(b, false, name4(2, 54));
	net_connect(connected, &(struct net_name){ v4(10, 0, 0, 1), 7 });
	silent = udp(b, false, name4(2, 61234));
	net_connect(silent, &(struct net_name){ v4(10, 0, 0, 77), 61234 }); /* no frame is from there */
	local_only = udp(b, false, (struct net_name){ v4(127, 0, 0, 1), 99 });
	take_samples();
	ok(sample_count >= 15, "%d frames to begin with", sample_count);
	attack(frames);
	drain(open4), drain(open6), drain(connected), drain(silent), drain(local_only);
	ok(heard > frames / 1000 && foreign == 0, "%lu frames: %lu of them were taken for datagrams, %lu by whom they were not for", frames, heard, foreign);
	ok(b->allocated < 3000000, "b holds %lu bytes", b->allocated);
	wire_run(100 * SECOND);
	ok(!b->stack->ip->fragments_memory, "and no fragment, when time has passed");
	x = udp(a, false, name4(1, 7));
	y = udp(a, true, (struct net_name){ .port = 7000 });
	ok(works(x, open4, name4(2, 53)), "IPv4 works as before");
	ok(works(x, connected, name4(2, 54)), "a connected endpoint too");
	ok(works(y, open6, (struct net_name){ six, 53 }), "IPv6 as well");
	wire_end();
	return done_testing();
}
