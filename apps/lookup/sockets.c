/* The server on ordinary sockets, as any Unix has them. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

int serve_sockets(uint16_t port, int ready)
{
	static uint8_t request[65536], reply[SERVER_REPLY_MAX];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)))
		return errno;
	server_ready(ready);
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(s, request, sizeof(request), 0, (struct sockaddr *)&from, &size);
		uint32_t n = length > 0 ? server_answer(request, (uint32_t)length, reply) : 0;

		if (length < 0 && errno != EINTR)
			return errno;
		if (n)
			sendto(s, reply, n, 0, (struct sockaddr *)&from, size);
	}
}
