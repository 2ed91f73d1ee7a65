/* Frames that the wire itself puts in: a SYN flood from 198.18.0.0/15, whose hosts never answer; malformed frames; and the prober at 10.0.2.77. */
#include <string.h>
#include <unistd.h>

#include "wire.h"

#define PROBE_LOST_NS 2000000000u
enum { ETHERNET = 14, IPV4 = 20, UDP = 8, TCP = 20 };
static const uint8_t gateway_address[6] = { 0x52, 0x55, 10, 0, 2, 2 }, prober_address[6] = { 0x52, 0x55, 10, 0, 2, 77 }, prober_ip[4] = { 10, 0, 2, 77 };

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v); }
static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t s)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		s += get16(p + i);
	return n & 1 ? s + ((uint32_t)p[n - 1] << 8) : s;
}

static uint32_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Ethernet and IPv4 headers to the machine, for so many bytes of transport. */
static void headers(const struct wire *w, uint8_t *f, const uint8_t *from, const uint8_t *source, uint8_t protocol, uint32_t length)
{
	memcpy(f, w->addresses[MACHINE], 6);
	memcpy(f + 6, from, 6);
	put16(f + 12, 0x0800);
	memset(f + ETHERNET, 0, IPV4);
	f[14] = 0x45;
	put16(f + 16, IPV4 + length);
	f[22] = 64;
	f[23] = protocol;
	memcpy(f + 26, source, 4);
	memcpy(f + 30, w->machine_ip, 4);
	put16(f + 24, ~folded(sum(f + ETHERNET, IPV4, 0)));
}

static void transport_sum(uint8_t *f, uint32_t length, uint32_t at)
{
	uint8_t *t = f + ETHERNET + IPV4;
	uint32_t s;

	put16(t + at, 0);
	s = ~folded(sum(t, length, sum(f + 26, 8, f[23] + length))) & 0xffff;
	put16(t + at, s ? s : 0xffff);
}

void inject_learn(struct wire *w, const uint8_t *f, uint32_t n)
{
	if (n >= 42 && get16(f + 12) == 0x0806 && memcmp(f + 28, "\0\0\0\0", 4) != 0) {
		memcpy(w->machine_ip, f + 28, 4);
		w->machine_known = true;
	} else if (n >= ETHERNET + IPV4 && get16(f + 12) == 0x0800 && memcmp(f + 26, "\0\0\0\0", 4) != 0) {
		memcpy(w->machine_ip, f + 26, 4);
		w->machine_known = true;
	}
}

static void answer_arp(struct wire *w, const uint8_t *f)
{
	uint8_t a[42];

	memcpy(a, f, sizeof(a));
	memcpy(a, f + 6, 6);
	memcpy(a + 6, prober_address, 6);
	put16(a + 20, 2);
	memcpy(a + 22, prober_address, 6);
	memcpy(a + 28, prober_ip, 4);
	memcpy(a + 32, f + 22, 10);
	link_deliver(w, MACHINE, a, sizeof(a));
}

static void answered(struct wire *w, const uint8_t *f, uint32_t n)
{
	struct prober *p = &w->prober;
	const uint8_t *payload = f + ETHERNET + IPV4 + UDP;

	if (!p->asked || n < ETHERNET + IPV4 + UDP + 4 || get16(f + 34) != p->port || memcmp(payload, &p->sent, 4) != 0)
		return;
	p->answered++;
	fprintf(p->output, "probe %u %lu ", p->sent, (unsigned long)(wire_now() - p->asked));
	for (uint32_t i = 4; i < n - ETHERNET - IPV4 - UDP && i < 4 + 64; i++)
		fprintf(p->output, "%02x", payload[i]);
	fprintf(p->output, "\n");
	p->asked = 0;
}

bool inject_takes(struct wire *w, const uint8_t *f, uint32_t n)
{
	if (n >= 42 && get16(f + 12) == 0x0806 && get16(f + 20) == 1 && memcmp(f + 38, prober_ip, 4) == 0) {
		answer_arp(w, f);
		return true;
	}
	if (n < ETHERNET + IPV4 || get16(f + 12) != 0x0800)
		return false;
	if (memcmp(f + 30, prober_ip, 4) == 0) {
		answered(w, f, n);
		return true;
	}
	return f[30] == 198 && (f[31] & 0xfe) == 18;
}

static void send_syn(struct wire *w)
{
	uint8_t f[ETHERNET + IPV4 + TCP] = { 0 }, source[4] = { 198, (uint8_t)(18 + (wire_random(w) & 1)), (uint8_t)wire_random(w), (uint8_t)wire_random(w) };
	uint8_t *t = f + ETHERNET + IPV4;

	headers(w, f, gateway_address, source, 6, TCP);
	put16(t, 1024 + (uint32_t)(wire_random(w) % 60000));
	put16(t + 2, w->injection.syn_port);
	put32(t + 4, (uint32_t)wire_random(w));
	t[12] = TCP / 4 << 4;
	t[13] = 2; /* SYN */
	put16(t + 14, 65535);
	transport_sum(f, TCP, 16);
	link_deliver(w, MACHINE, f, sizeof(f));
	w->injection.syns++;
}

/* A frame that has just gone to the machine, changed in a few places or cut, its checksums mended half of the time so that what lies behind them is reached. */
static void send_malformed(struct wire *w)
{
	uint8_t f[FRAME_MOST];
	uint32_t n = w->sample_length, changes = 1 + (uint32_t)(wire_random(w) % 8);

	memcpy(f, w->sample, n);
	memcpy(f, w->addresses[MACHINE], 6);
	for (uint32_t i = 0; i < changes; i++) {
		uint32_t at = 12 + (uint32_t)(wire_random(w) % (wire_random(w) & 1 ? 60 : n));

		f[at % n] = (uint8_t)(wire_random(w) & 1 ? wire_random(w) : f[at % n] ^ 1u << wire_random(w) % 8);
	}
	if (wire_random(w) % 4 == 0)
		n = ETHERNET + (uint32_t)(wire_random(w) % (n - ETHERNET + 1));
	if (wire_random(w) & 1 && n >= ETHERNET + IPV4 + TCP && get16(f + 12) == 0x0800) {
		put16(f + 24, 0);
		put16(f + 24, ~folded(sum(f + ETHERNET, IPV4, 0)));
		if (f[14] == 0x45 && (f[23] == 6 || f[23] == 17))
			transport_sum(f, n - ETHERNET - IPV4, f[23] == 6 ? 16 : 6);
	}
	link_deliver(w, MACHINE, f, n);
	w->injection.malformed++;
	w->injection.malformed_left--;
}

static void send_probe(struct wire *w)
{
	struct prober *p = &w->prober;
	uint8_t f[ETHERNET + IPV4 + UDP + 1472] = { 0 }, *u = f + ETHERNET + IPV4;
	uint32_t length = UDP + p->size;

	p->sent++;
	headers(w, f, prober_address, prober_ip, 17, length);
	put16(u, 7777);
	put16(u + 2, p->port);
	put16(u + 4, length);
	memcpy(u + UDP, &p->sent, 4);
	transport_sum(f, length, 6);
	p->asked = wire_now();
	link_deliver(w, MACHINE, f, ETHERNET + IPV4 + length);
}

/* How many of `rate` a second are due by now and not sent yet; a burst at most. */
static uint64_t due_of(const struct injection *i, uint32_t rate, uint64_t sent)
{
	uint64_t by_now = (wire_now() - i->started) / 1000 * rate / 1000000;

	return by_now > sent ? (by_now - sent > 64 ? 64 : by_now - sent) : 0;
}

static void flood(struct wire *w)
{
	struct injection *i = &w->injection;

	if (!i->started && i->begin && access(i->begin, F_OK) != 0)
		return;
	if (!i->started)
		i->started = wire_now();
	for (uint64_t n = i->syn_port ? due_of(i, i->syn_rate, i->syns) : 0; n; n--)
		send_syn(w);
	if (!i->malformed_left || w->sample_length <= ETHERNET + IPV4)
		return;
	for (uint64_t n = due_of(i, i->malformed_rate, i->malformed); n && i->malformed_left; n--)
		send_malformed(w);
	if (!i->malformed_left && i->begin)
		unlink(i->begin);
}

void inject_turn(struct wire *w)
{
	struct prober *p = &w->prober;

	if (!w->machine_known)
		return;
	flood(w);
	if (p->asked && wire_now() - p->asked > PROBE_LOST_NS) {
		p->asked = 0;
		p->lost++;
	}
	if (p->port && !p->asked && p->answered < p->count)
		send_probe(w);
}

uint64_t inject_due(const struct wire *w)
{
	const struct injection *i = &w->injection;

	if (!w->machine_known || (!i->syn_port && !i->malformed_left && !w->prober.port))
		return 0;
	return wire_now() + (i->syn_port || i->malformed_left ? 1000000u : 10000000u);
}
