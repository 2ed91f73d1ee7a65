/* The server on a ring and a stack of its own, with a handler in the kernel before them (exos/lib/net/port.h,
 * handler.h). */
#include "server.h"

#include <exos/lib/net/handler.h>
#include <exos/lib/net/port.h>
#include <exos/lib/x86_64/calls.h>

#define SLOTS 256

extern const uint8_t lookup_handler[]; /* handler.c, compiled to eBPF */
extern const size_t lookup_handler_size;

static struct net_endpoint *endpoint;
static struct handler handler;

/* All that has come. A reply for which there is no room is lost, as datagrams are. */
static void readable(void *owner, uint32_t what)
{
	static uint8_t request[sizeof(struct lookup_header) + LOOKUP_KEY_MAX + LOOKUP_VALUE_MAX + 1],
		reply[SERVER_REPLY_MAX];
	struct net_name from, to;
	const uint8_t *data;
	ssize length;

	(void)owner, (void)what;
	while ((length = net_datagram(endpoint, &data, &from, &to)) >= 0) {
		uint32_t n = 0, piece;

		while (n < sizeof(request) && (piece = net_datagram_peek(endpoint, n, &data)))
			for (uint32_t i = 0; i < piece && n < sizeof(request); i++)
				request[n++] = data[i];
		net_datagram_done(endpoint);
		n = server_answer(request, n, reply);
		if (n)
			net_send_datagram(endpoint, &from, NULL, reply, n);
	}
}

/* The table is there before the first packet can come by the filter. */
static int attach(uint16_t port)
{
	const struct exos_net *interface = port_interface();
	int error = handler_memory(&handler, TABLE_FRAMES);

	if (error)
		return error;
	table_start((struct table *)handler.memory, TABLE_FRAMES * FRAME_SIZE, interface->ethernet, interface->address,
		port);
	server_share((struct table *)handler.memory);
	return handler_attach(&handler, net_filter(endpoint), lookup_handler, lookup_handler_size);
}

int serve_exos(uint16_t port, int with_handler, int ready)
{
	struct net_stack *stack;
	struct net_name name = {.address = net_from_ipv4("\0\0\0\0"), .port = port};
	int error;

	if (!exos_here())
		return ENOSYS;
	error = port_start(SLOTS, &stack);
	if (error)
		return -error;
	endpoint = net_endpoint_new(stack, NET_UDP, false, readable, NULL);
	error = endpoint ? net_bind(endpoint, &name) : -ENOMEM;
	if (!error && with_handler)
		error = attach(port);
	if (error)
		return -error;
	server_ready(ready);
	for (;;)
		if (!port_input())
			port_wait(0);
}
