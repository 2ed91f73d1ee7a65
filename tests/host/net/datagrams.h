/* What the tests of datagrams share: two hosts on the wire, and UDP ports of theirs. */
#pragma once

#include "check.h"

static uint32_t told;
__attribute__((unused)) static void note(void *owner, uint32_t what)
{
	told |= what;
	if (owner)
		++*(int *)owner;
}

static struct host *a, *b;
__attribute__((unused)) static void two_hosts(void)
{
	a = host_new(1);
	b = host_new(2);
	host_address(a, 1);
	host_address(b, 2);
	wire_run(3 * SECOND);
}

__attribute__((unused)) static struct net_endpoint *bound(struct host *h, bool ipv6, struct net_name name)
{
	struct net_endpoint *e = net_endpoint_new(h->stack, NET_UDP, ipv6, note, NULL);

	if (net_bind(e, &name))
		panic("bind");
	return e;
}
__attribute__((unused)) static struct net_endpoint *any(struct host *h, bool ipv6, uint16_t port)
{
	return bound(h, ipv6, (struct net_name){ ipv6 ? (struct net_address){ { 0 } } : v4(0, 0, 0, 0), port });
}

__attribute__((unused)) static int send(struct host *h, struct net_endpoint *e, struct net_name to, const void *data, uint32_t n)
{
	int error = net_send_datagram(e, &to, NULL, data, n);

	net_turn(h->stack);
	return error;
}

/* Takes the next datagram, through net_datagram_peek; its length, or a negative errno; that it is of these bytes, else -EIO */
__attribute__((unused)) static ssize take(struct net_endpoint *e, const void *expected, uint32_t n, struct net_name *from)
{
	const uint8_t *data;
	ssize length = net_datagram(e, &data, from, NULL);
	uint32_t at = 0, piece;
	bool same = true;

	if (length < 0)
		return length;
	for (; (piece = net_datagram_peek(e, at, &data)); at += piece)
		same &= at + piece <= n && memcmp(data, (const uint8_t *)expected + at, piece) == 0;
	net_datagram_done(e);
	return same && at == n && length == n ? length : -EIO;
}

static uint8_t big[65507];
__attribute__((unused)) static void fill(void)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)random_below(256);
}
