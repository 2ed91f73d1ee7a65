/* Both ends of the wire: the emulator's datagram socket, and libslirp's network. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define POLLED_MOST 4096

/* libslirp's descriptors, as it names them in one turn. */
static struct {
	struct pollfd fds[POLLED_MOST];
	int count;
} polled;

struct timer {
	struct timer *next;
	SlirpTimerCb callback;
	void *opaque;
	int64_t due_ms; /* -1: not set */
};
static struct timer *timers;

uint64_t wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void capture(struct wire *w, const uint8_t *frame, uint32_t length)
{
	uint64_t now = wire_now();
	uint32_t header[4] = { (uint32_t)(now / 1000000000u), (uint32_t)(now / 1000 % 1000000), length, length };

	if (!w->capture)
		return;
	fwrite(header, sizeof(header), 1, w->capture);
	fwrite(frame, length, 1, w->capture);
	fflush(w->capture);
}

void link_deliver(struct wire *w, enum place to, const uint8_t *frame, uint32_t length)
{
	capture(w, frame, length);
	if (to == NETWORK)
		slirp_input(w->slirp, frame, (int)length);
	else if (send(w->machines[to], frame, length, MSG_DONTWAIT) < 0)
		return; /* the emulator is not up yet, or slow: frames get lost on wires */
}

/* To whom it is addressed; to all others when it is a group's or nobody known's. */
static void switch_frame(struct wire *w, enum place from, const uint8_t *frame, uint32_t length)
{
	for (enum place to = MACHINE; to <= SECOND; to++)
		if (to != from && w->machines[to] >= 0 && memcmp(frame, w->addresses[to], 6) == 0) {
			impair(w, to, frame, length);
			return;
		}
	for (enum place to = MACHINE; to < PLACES; to++)
		if (to != from && (to == NETWORK || (w->machines[to] >= 0 && frame[0] & 1)))
			impair(w, to, frame, length);
}

static ssize_t from_network(const void *frame, size_t length, void *opaque)
{
	struct wire *w = opaque;

	if (length <= FRAME_MOST) {
		memcpy(w->sample, frame, length);
		w->sample_length = (uint32_t)length;
	}
	switch_frame(w, NETWORK, frame, (uint32_t)length);
	return (ssize_t)length;
}

static void guest_error(const char *text, void *opaque) { (void)text, (void)opaque; }
static int64_t clock_ns(void *opaque) { (void)opaque; return (int64_t)wire_now(); }
static void *timer_new(SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
	struct timer *t = calloc(1, sizeof(*t));

	(void)opaque;
	if (!t)
		abort();
	*t = (struct timer){ timers, callback, callback_opaque, -1 };
	timers = t;
	return t;
}
static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	for (struct timer **place = &timers; *place; place = &(*place)->next)
		if (*place == timer) {
			*place = (*place)->next;
			break;
		}
	free(timer);
}
static void timer_mod(void *timer, int64_t due_ms, void *opaque) { (void)opaque; ((struct timer *)timer)->due_ms = due_ms; }
static void poll_fd(int fd, void *opaque) { (void)fd, (void)opaque; }
static void notify(void *opaque) { (void)opaque; }

static const SlirpCb callbacks = { .send_packet = from_network, .guest_error = guest_error, .clock_get_ns = clock_ns, .timer_new = timer_new, .timer_free = timer_free,
	.timer_mod = timer_mod, .register_poll_fd = poll_fd, .unregister_poll_fd = poll_fd, .notify = notify };

static Slirp *network(struct wire *w)
{
	SlirpConfig c = { .version = 1, .in_enabled = true, .in6_enabled = true, .vprefix_len = 64 };

	c.vnetwork.s_addr = inet_addr("10.0.2.0");
	c.vnetmask.s_addr = inet_addr("255.255.255.0");
	c.vhost.s_addr = inet_addr("10.0.2.2");
	c.vdhcp_start.s_addr = inet_addr("10.0.2.15");
	c.vnameserver.s_addr = inet_addr("10.0.2.3");
	inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &c.vhost6);
	inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
	return slirp_new(&c, &callbacks, w);
}

/* [udp:]HOSTPORT:PORT */
static bool forward(struct wire *w, const char *text)
{
	struct in_addr host = { htonl(INADDR_LOOPBACK) }, machine = { inet_addr("10.0.2.15") };
	bool udp = strncmp(text, "udp:", 4) == 0;
	unsigned from, to;

	return sscanf(udp ? text + 4 : text, "%u:%u", &from, &to) == 2 && from < 65536 && to < 65536 &&
	       slirp_add_hostfwd(w->slirp, udp, host, (int)from, machine, (int)to) == 0;
}

static int bound(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || getsockname(fd, (struct sockaddr *)&a, &size))
		return -1;
	*port = ntohs(a.sin_port);
	return fd;
}

static int to_emulator(uint16_t ports[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int free_one = bound(&ports[0]), ours = bound(&ports[1]); /* the first for the emulator, which binds it itself */

	if (free_one < 0 || ours < 0)
		return -1;
	close(free_one);
	a.sin_port = htons(ports[0]);
	return connect(ours, (struct sockaddr *)&a, sizeof(a)) ? -1 : ours;
}

bool link_open(struct wire *w, const char *const *forwards, uint32_t count, bool second, uint16_t ports[2][2])
{
	w->machines[MACHINE] = to_emulator(ports[MACHINE]);
	w->machines[SECOND] = second ? to_emulator(ports[SECOND]) : -1;
	if (w->machines[MACHINE] < 0 || (second && w->machines[SECOND] < 0))
		return false;
	w->slirp = network(w);
	for (uint32_t i = 0; w->slirp && i < count; i++)
		if (!forward(w, forwards[i])) {
			fprintf(stderr, "wire: cannot publish %s: not [udp:]HOSTPORT:PORT, or the port is taken\n", forwards[i]);
			return false;
		}
	return w->slirp != NULL;
}

static int add_fd(int fd, int events, void *opaque)
{
	(void)opaque;
	if (polled.count == POLLED_MOST)
		return -1;
	polled.fds[polled.count] = (struct pollfd){ fd, (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) | (events & SLIRP_POLL_PRI ? POLLPRI : 0)), 0 };
	return polled.count++;
}

static int fd_events(int index, void *opaque)
{
	int r = index < 0 ? 0 : polled.fds[index].revents;

	(void)opaque;
	return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) | (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void run_timers(void)
{
	int64_t now_ms = (int64_t)(wire_now() / 1000000);

	for (struct timer *t = timers, *next; t; t = next) {
		next = t->next;
		if (t->due_ms >= 0 && t->due_ms <= now_ms) {
			t->due_ms = -1;
			t->callback(t->opaque);
		}
	}
}

static void take_from_machine(struct wire *w, enum place from)
{
	uint8_t frame[FRAME_MOST];
	ssize_t n;

	for (int batch = 0; batch < 256 && (n = recv(w->machines[from], frame, sizeof(frame), MSG_DONTWAIT)) >= 14; batch++) {
		memcpy(w->addresses[from], frame + 6, 6);
		if (from == MACHINE)
			inject_learn(w, frame, (uint32_t)n);
		if (!inject_takes(w, frame, (uint32_t)n))
			switch_frame(w, from, frame, (uint32_t)n);
	}
}

void link_turn(struct wire *w, uint64_t until)
{
	uint64_t now = wire_now(), wait = until > now ? until - now : 0;
	uint32_t ms = (uint32_t)(wait / 1000000);
	struct timespec t;

	polled.count = 0;
	for (enum place from = MACHINE; from <= SECOND; from++)
		if (w->machines[from] >= 0)
			add_fd(w->machines[from], SLIRP_POLL_IN, NULL);
	slirp_pollfds_fill(w->slirp, &ms, add_fd, NULL);
	if ((uint64_t)ms * 1000000 < wait && ms < wait / 1000000)
		wait = (uint64_t)ms * 1000000;
	t = (struct timespec){ (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };
	if (ppoll(polled.fds, (nfds_t)polled.count, &t, NULL) < 0)
		polled.count = 0;
	for (enum place from = MACHINE; from <= SECOND; from++)
		if (w->machines[from] >= 0)
			take_from_machine(w, from);
	slirp_pollfds_poll(w->slirp, polled.count == 0, fd_events, NULL);
	run_timers();
}
