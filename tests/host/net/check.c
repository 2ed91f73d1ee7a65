#include <stdarg.h>

#include "check.h"

struct wire wire = { .now = 1000 * SECOND, .hosts = { &wire.hosts, &wire.hosts }, .frames = { &wire.frames, &wire.frames }, .delay = 50000 };

struct filter {
	struct list link;
	uint32_t name;
	struct net_filter_key key;
	uint64_t tag;
};

void panic(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vfprintf(stderr, text, arguments);
	va_end(arguments);
	abort();
}

static uint64_t port_now(void *data)
{
	(void)data;
	return wire.now;
}
static uint64_t port_random(void *data)
{
	(void)data;
	return random_below(UINT64_MAX);
}

static void *port_allocate(void *data, size_t n)
{
	struct host *h = data;
	uint64_t *p;

	if (n > 2048)
		panic("a piece of %zu bytes is asked for", n);
	if (h->fail_after && --h->fail_after == 0) {
		h->fail_after = 1;
		return NULL;
	}
	p = calloc(1, n + 16);
	p[0] = n;
	h->allocated += n;
	h->pieces++;
	return p + 2;
}
static void port_free(void *data, void *piece)
{
	struct host *h = data;
	uint64_t *p = piece ? (uint64_t *)piece - 2 : NULL;

	if (!p)
		return;
	h->allocated -= p[0];
	h->pieces--;
	free(p);
}

void wire_send(struct host *from, const uint8_t *bytes, uint32_t length)
{
	struct frame *f = calloc(1, sizeof(*f));

	f->from = from;
	f->length = length;
	memcpy(f->bytes, bytes, length);
	f->at = wire.now + (wire.reorder ? random_below(4 * wire.delay) : wire.delay);
	wire.watched += wire.watch && wire.watch(f);
	if (wire.drop && wire.drop(f)) {
		wire.lost++;
		free(f);
		return;
	}
	list_append(&wire.frames, &f->link);
}

static int port_send(void *data, const uint8_t *header, uint32_t header_length, const struct net_part *parts, uint32_t n)
{
	struct host *h = data;
	uint8_t frame[FRAME_MAX];
	uint32_t length = header_length;

	if (header_length > NET_HEADER_ROOM + 2048 || n > NET_PARTS)
		panic("%u bytes of header, %u parts", header_length, n);
	memcpy(frame, header, header_length);
	for (uint32_t i = 0; i < n; length += parts[i++].length) {
		if (length + parts[i].length > 14 + 1500)
			panic("a frame of more than 1,514 bytes is sent");
		memcpy(frame + length, parts[i].data, parts[i].length);
	}
	h->sent++;
	wire_send(h, frame, length);
	return 0;
}
static void port_flush(void *data) { (void)data; }

static uint32_t port_filter_add(void *data, const struct net_filter_key *key, uint64_t tag)
{
	struct host *h = data;
	struct filter *f = h->no_filters ? NULL : calloc(1, sizeof(*f));

	if (!f)
		return 0;
	f->name = ++h->last_filter;
	f->key = *key;
	f->tag = tag;
	list_append(&h->filters, &f->link);
	return f->name;
}
static void port_filter_remove(void *data, uint32_t name)
{
	struct host *h = data;

	LIST_FOR_EACH_SAFE(l, following, &h->filters) {
		struct filter *f = CONTAINER_OF(l, struct filter, link);

		if (f->name == name) {
			list_remove(l);
			free(f);
			return;
		}
	}
	panic("a filter that is not there is removed");
}

static struct host *host_make(uint8_t last)
{
	struct host *h = calloc(1, sizeof(*h));

	memcpy(h->address, (uint8_t[6]){ 2, 0, 0, 0, 0, last }, 6);
	list_init(&h->filters);
	list_append(&wire.hosts, &h->link);
	return h;
}

static struct host *with_stack(uint8_t last, bool shared)
{
	struct host *h = host_make(last);
	struct net_port port = { .data = h, .mtu = 1500, .shared = shared, .now = port_now, .random = port_random, .allocate = port_allocate, .free = port_free, .send = port_send, .flush = port_flush,
		.filter_add = port_filter_add, .filter_remove = port_filter_remove };

	memcpy(port.address, h->address, 6);
	h->stack = net_stack_new(&port);
	return h;
}

struct host *host_new(uint8_t last) { return with_stack(last, false); }
struct host *host_shares(uint8_t last) { return with_stack(last, true); }

struct host *host_plays(uint8_t last, void (*plays)(struct host *h, const uint8_t *frame, uint32_t length))
{
	struct host *h = host_make(last);

	h->plays = plays;
	return h;
}

void host_address(struct host *h, uint8_t last)
{
	net_ipv4_set(h->stack, &(struct net_ipv4){ .address = { 10, 0, 0, last }, .mask = { 255, 255, 255, 0 }, .router = { 10, 0, 0, 254 } });
	net_turn(h->stack);
}

void host_end(struct host *h)
{
	if (h->stack)
		net_stack_end(h->stack);
	if (h->pieces || !list_empty(&h->filters))
		ok(false, "%lu pieces of memory and %s filters are left", h->pieces, list_empty(&h->filters) ? "no" : "some");
	list_remove(&h->link);
	LIST_FOR_EACH_SAFE(l, following, &wire.frames) {
		struct frame *f = CONTAINER_OF(l, struct frame, link);

		if (f->from == h)
			f->from = NULL;
	}
	free(h);
}

void wire_end(void)
{
	while (!list_empty(&wire.hosts))
		host_end(CONTAINER_OF(wire.hosts.next, struct host, link));
	while (!list_empty(&wire.frames)) {
		struct frame *f = CONTAINER_OF(wire.frames.next, struct frame, link);

		list_remove(&f->link);
		free(f);
	}
	wire.drop = NULL;
	wire.watch = NULL;
	wire.watched = 0;
	wire.reorder = false;
}

/* As the kernel would find the filter: the ports and addresses as they lie in an unfragmented packet; of those that fit the most exact. */
static uint64_t tag_for(const struct host *h, const uint8_t *frame, uint32_t length)
{
	struct net_name from, to;
	uint8_t protocol;
	uint32_t at;
	int best = -1;
	uint64_t tag = 0;

	if (length < 14 + 40)
		return 0;
	if (net_get16(frame + 12) == ETHERNET_IPV4 && !(net_get16(frame + 20) & 0x3fff)) {
		from.address = net_from_ipv4(frame + 26);
		to.address = net_from_ipv4(frame + 30);
		protocol = frame[23];
		at = 14 + (frame[14] & 15) * 4u;
	} else if (net_get16(frame + 12) == ETHERNET_IPV6) {
		memcpy(from.address.bytes, frame + 22, 16);
		memcpy(to.address.bytes, frame + 38, 16);
		protocol = frame[20];
		at = 54;
	} else {
		return 0;
	}
	if (at + 4 > length)
		return 0;
	from.port = net_get16(frame + at);
	to.port = net_get16(frame + at + 2);
	LIST_FOR_EACH(l, &h->filters) {
		const struct filter *f = CONTAINER_OF(l, struct filter, link);
		const struct net_filter_key *k = &f->key;
		bool same = net_same(&k->local.address, &to.address), any = net_is_any(&k->local.address) && (k->any_version || net_is_ipv4(&k->local.address) == net_is_ipv4(&to.address));
		int bits = k->protocol ? (same ? 2 : 0) + (k->remote.port ? 4 : 0) + 1 : 0;

		if (k->protocol && (k->protocol != protocol || k->local.port != to.port || (!same && !any)))
			continue;
		if (k->protocol && k->remote.port && (k->remote.port != from.port || !net_same(&k->remote.address, &from.address)))
			continue;
		if (bits > best) {
			best = bits;
			tag = f->tag;
		}
	}
	return tag;
}

static void arrive(const struct frame *f)
{
	LIST_FOR_EACH_SAFE(l, following, &wire.hosts) {
		struct host *h = CONTAINER_OF(l, struct host, link);

		if (h == f->from)
			continue;
		if (h->plays) {
			h->plays(h, f->bytes, f->length);
		} else if (f->bytes[0] & 1 || memcmp(f->bytes, h->address, 6) == 0) {
			uint8_t *exact = malloc(f->length); /* so that a read behind the end is seen */

			memcpy(exact, f->bytes, f->length);
			net_input(h->stack, exact, f->length, tag_for(h, exact, f->length));
			free(exact);
			net_turn(h->stack);
		}
	}
}

static bool step(uint64_t end)
{
	struct frame *first = NULL;
	struct host *due = NULL;
	uint64_t when = end + 1;

	LIST_FOR_EACH(l, &wire.frames) {
		struct frame *f = CONTAINER_OF(l, struct frame, link);

		if (f->at < when) {
			when = f->at;
			first = f;
		}
	}
	LIST_FOR_EACH(l, &wire.hosts) {
		struct host *h = CONTAINER_OF(l, struct host, link);
		uint64_t t = h->stack ? net_due(h->stack) : 0;

		if (t && t < when) {
			when = t;
			due = h;
		}
	}
	if (!due && !first)
		return false;
	wire.now = MAX(wire.now, when);
	if (due) {
		net_turn(due->stack);
	} else {
		list_remove(&first->link);
		arrive(first);
		free(first);
	}
	return true;
}

void wire_run(uint64_t ns)
{
	uint64_t end = wire.now + ns;

	while (step(end))
		;
	wire.now = end;
}

struct net_address link_local(const struct host *h)
{
	return (struct net_address){ { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, h->address[0] ^ 2, h->address[1], h->address[2], 0xff, 0xfe, h->address[3], h->address[4], h->address[5] } };
}

static void ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint16_t type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	net_put16(frame + 12, type);
}

uint32_t make_ipv4(uint8_t *frame, const uint8_t *to, const uint8_t *from, struct net_address source, struct net_address destination, uint8_t protocol, uint32_t fragment, uint16_t id, const void *payload,
	uint32_t length)
{
	uint8_t *h = frame + 14;

	ethernet(frame, to, from, ETHERNET_IPV4);
	memset(h, 0, 20);
	h[0] = 0x45;
	net_put16(h + 2, 20 + length);
	net_put16(h + 4, id);
	net_put16(h + 6, fragment);
	h[8] = 64;
	h[9] = protocol;
	memcpy(h + 12, source.bytes + 12, 4);
	memcpy(h + 16, destination.bytes + 12, 4);
	*(uint16_t *)(h + 10) = (uint16_t)~net_sum_fold(net_sum(h, 20, 0));
	memcpy(h + 20, payload, length);
	return 34 + length;
}

uint32_t make_ipv6(uint8_t *frame, const uint8_t *to, const uint8_t *from, struct net_address source, struct net_address destination, uint8_t protocol, uint8_t hops, const void *payload, uint32_t length)
{
	uint8_t *h = frame + 14;

	ethernet(frame, to, from, ETHERNET_IPV6);
	net_put32(h, 6u << 28);
	net_put16(h + 4, length);
	h[6] = protocol;
	h[7] = hops;
	memcpy(h + 8, source.bytes, 16);
	memcpy(h + 24, destination.bytes, 16);
	memcpy(h + 40, payload, length);
	return 54 + length;
}

uint32_t make_udp(uint8_t *to, struct net_name source, struct net_name destination, const void *payload, uint32_t length)
{
	uint16_t sum;

	net_put16(to, source.port);
	net_put16(to + 2, destination.port);
	net_put16(to + 4, 8 + length);
	net_put16(to + 6, 0);
	memcpy(to + 8, payload, length);
	sum = net_sum_fold(net_sum(to, 8 + length, net_sum_pseudo(&source.address, &destination.address, 17, 8 + length)));
	*(uint16_t *)(to + 6) = sum == 0xffff ? 0xffff : (uint16_t)~sum;
	return 8 + length;
}

void icmp_checksum(uint8_t *m, uint32_t length, const struct net_address *source, const struct net_address *destination)
{
	uint32_t pseudo = net_is_ipv4(destination) ? 0 : net_sum_pseudo(source, destination, 58, length);

	net_put16(m + 2, 0);
	*(uint16_t *)(m + 2) = (uint16_t)~net_sum_fold(net_sum(m, length, pseudo));
}
