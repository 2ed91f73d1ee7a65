/* Raw sockets, on the loopback interface: who hears what, in which form, what is refused, and what becomes of those whose process dies. */
#include "lib.h"
#include "random.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#define PROTOCOL 253 /* for experiments (RFC 3692) */
#define MARK 30      /* a type of ICMP that nobody answers */

static int raw(int family, int protocol)
{
	int s = socket(family, SOCK_RAW, protocol);
	struct timeval patience = { 10, 0 };

	CHECK(s >= 0);
	CHECK(!setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
	return s;
}

static struct sockaddr_in name4(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	CHECK(inet_pton(AF_INET, text, &a.sin_addr) == 1);
	return a;
}

static uint32_t sum_of(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void send4(int s, const char *to, const void *bytes, size_t n)
{
	struct sockaddr_in a = name4(to);

	IS(sendto(s, bytes, n, 0, (struct sockaddr *)&a, sizeof a), n);
}

static void send_icmp(int s, const char *to, uint8_t type, uint16_t id, uint16_t sequence)
{
	struct icmphdr h = { .type = type, .un.echo = { id, sequence } };

	h.checksum = htons((uint16_t)~sum_of(&h, sizeof h, 0));
	send4(s, to, &h, sizeof h);
}

/* The next ICMP message, behind its header of IP, which must be right. */
static struct icmphdr next(int s)
{
	uint8_t packet[2048];
	struct icmphdr h;
	ssize_t n = recv(s, packet, sizeof packet, 0);
	struct iphdr *ip = (struct iphdr *)packet;

	CHECK(n >= (ssize_t)(sizeof *ip + sizeof h));
	CHECK(ip->version == 4 && ip->ihl == 5 && ip->protocol == IPPROTO_ICMP);
	IS(ntohs(ip->tot_len), n);
	IS(sum_of(ip, sizeof *ip, 0), 0xffff);
	memcpy(&h, packet + sizeof *ip, sizeof h);
	return h;
}

static void the_question_and_the_answer_are_heard(void)
{
	int s = raw(AF_INET, IPPROTO_ICMP);
	struct icmphdr h;

	send_icmp(s, "127.0.0.1", ICMP_ECHO, 7, 8);
	h = next(s);
	IS(h.type, ICMP_ECHO);
	h = next(s);
	IS(h.type, ICMP_ECHOREPLY);
	CHECK(h.un.echo.id == 7 && h.un.echo.sequence == 8);
}

static void two_sockets_hear_the_same(void)
{
	int a = raw(AF_INET, IPPROTO_ICMP), b = raw(AF_INET, IPPROTO_ICMP), other = raw(AF_INET, PROTOCOL);
	char byte;

	send_icmp(a, "127.0.0.1", ICMP_ECHO, 9, 1);
	for (int i = 0; i < 2; i++)
		CHECK(next(a).type == next(b).type);
	FAILS(recv(other, &byte, 1, MSG_DONTWAIT), EAGAIN);
	close(a);
	send_icmp(b, "127.0.0.1", MARK, 9, 2);
	IS(next(b).un.echo.sequence, 2);
}

static void only_those_who_run_as_root_have_them(void)
{
	FAILS(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	FAILS(socket(AF_INET, SOCK_RAW, -1), EINVAL);
	CHECK(!setuid(65534));
	FAILS(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	FAILS(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM);
	FAILS(socket(AF_INET, SOCK_RAW, PROTOCOL), EPERM);
	CHECK(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
}

static void sending_is_refused_as_it_should_be(void)
{
	int s = raw(AF_INET, PROTOCOL), six = raw(AF_INET6, PROTOCOL), odd = 3, even = 6;
	struct sockaddr_in everybody = name4("255.255.255.255"), nobody = name4("198.51.100.1");
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	FAILS(send(s, "x", 1, 0), EDESTADDRREQ);
	FAILS(sendto(s, "x", 1, 0, (struct sockaddr *)&everybody, sizeof everybody), EACCES);
	FAILS(bind(s, (struct sockaddr *)&nobody, sizeof nobody), EADDRNOTAVAIL);
	FAILS(setsockopt(six, IPPROTO_IPV6, IPV6_CHECKSUM, &odd, sizeof odd), EINVAL);
	CHECK(!setsockopt(six, IPPROTO_IPV6, IPV6_CHECKSUM, &even, sizeof even));
	FAILS(sendto(six, "seven b", 7, 0, (struct sockaddr *)&own, sizeof own), EINVAL); /* the checksum has no room */
	FAILS(listen(s, 1), EOPNOTSUPP);
}

static void a_filter_takes_types_away(void)
{
	struct random random = { random_seed() };
	int s = raw(AF_INET, IPPROTO_ICMP);

	for (int round = 0; round < 200; round++) {
		uint32_t blocked = (uint32_t)random_next(&random) & ~(1u << MARK), got;
		socklen_t length = sizeof got;
		int expected = 0, heard = 0;

		CHECK(!setsockopt(s, SOL_RAW, 1, &blocked, sizeof blocked));
		CHECK(!getsockopt(s, SOL_RAW, 1, &got, &length));
		IS(got, blocked);
		for (int i = 0; i < 8; i++) {
			uint8_t type = (uint8_t)(19 + random_next(&random) % 11); /* types without meaning */

			send_icmp(s, "127.0.0.1", type, 1, (uint16_t)i);
			expected += !(blocked >> type & 1);
		}
		send_icmp(s, "127.0.0.1", MARK, 2, 0);
		for (struct icmphdr h = next(s); h.type != MARK; h = next(s), heard++)
			CHECK(!(blocked >> h.type & 1));
		IS(heard, expected);
	}
}

static void an_address_narrows_what_is_heard(void)
{
	int bound = raw(AF_INET, IPPROTO_ICMP), connected = raw(AF_INET, IPPROTO_ICMP), s = raw(AF_INET, IPPROTO_ICMP);
	struct sockaddr_in one = name4("127.0.0.1"), two = name4("127.0.0.2");

	CHECK(!bind(bound, (struct sockaddr *)&two, sizeof two));
	CHECK(!connect(connected, (struct sockaddr *)&two, sizeof two));
	CHECK(!bind(s, (struct sockaddr *)&one, sizeof one));
	send_icmp(s, "127.0.0.1", ICMP_ECHO, 3, 1);
	send_icmp(s, "127.0.0.2", ICMP_ECHO, 3, 2);
	IS(next(bound).un.echo.sequence, 2);
	struct icmphdr h = next(connected);
	CHECK(h.type == ICMP_ECHOREPLY && h.un.echo.sequence == 2);
	for (int expected = 1; expected <= 2; expected++) { /* 1 came as a question too */
		h = next(s);
		if (h.type == ICMP_ECHO)
			h = next(s);
		CHECK(h.type == ICMP_ECHOREPLY && h.un.echo.sequence == expected);
	}
}

static void bytes_of_any_protocol_come_as_they_went(void)
{
	struct random random = { random_seed() };
	int s = raw(AF_INET, PROTOCOL);
	static uint8_t out[2048], in[2048];

	for (int round = 0; round < 100; round++) {
		size_t n = random_next(&random) % 1800; /* also more than goes into one packet */
		struct iphdr *ip = (struct iphdr *)in;

		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)random_next(&random);
		send4(s, "127.0.0.1", out, n);
		IS(recv(s, in, sizeof in, 0), sizeof *ip + n);
		CHECK(ip->version == 4 && ip->protocol == PROTOCOL && ip->saddr == htonl(INADDR_LOOPBACK) && ip->daddr == ip->saddr);
		IS(ntohs(ip->tot_len), sizeof *ip + n);
		IS(sum_of(in, sizeof *ip, 0), 0xffff);
		CHECK(memcmp(in + sizeof *ip, out, n) == 0);
	}
}

static void datagrams_are_heard_by_both(void)
{
	int hears = raw(AF_INET, IPPROTO_UDP), from = socket(AF_INET, SOCK_DGRAM, 0), to = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name4("127.0.0.1");
	socklen_t length = sizeof a;
	char packet[256];

	CHECK(!bind(to, (struct sockaddr *)&a, sizeof a) && !getsockname(to, (struct sockaddr *)&a, &length));
	IS(sendto(from, "hello", 5, 0, (struct sockaddr *)&a, sizeof a), 5);
	IS(recv(to, packet, sizeof packet, 0), 5);
	IS(recv(hears, packet, sizeof packet, 0), 20 + 8 + 5);
	CHECK(memcmp(packet + 28, "hello", 5) == 0);
}

/* A message with how many hops it had left, and where it was sent. */
static ssize_t receive6(int s, void *bytes, size_t n, int *hops, struct in6_pktinfo *where)
{
	char control[256];
	struct iovec iov = { bytes, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(s, &m, 0);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		CHECK(c->cmsg_level == IPPROTO_IPV6);
		if (c->cmsg_type == IPV6_HOPLIMIT)
			memcpy(hops, CMSG_DATA(c), sizeof *hops);
		if (c->cmsg_type == 50)
			memcpy(where, CMSG_DATA(c), sizeof *where);
	}
	CHECK(!(m.msg_flags & MSG_CTRUNC));
	return got;
}

static void version_six_has_no_header(void)
{
	int s = raw(AF_INET6, IPPROTO_ICMPV6), on = 1, limit = 33, hops = -1;
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct icmp6_filter filter;
	struct icmp6_hdr h = { .icmp6_type = ICMP6_ECHO_REQUEST, .icmp6_dataun.icmp6_un_data16 = { 5, 6 } }, got = { 0 };
	struct in6_pktinfo where = { 0 };

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &filter);
	CHECK(!setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter));
	CHECK(!setsockopt(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on));
	CHECK(!setsockopt(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on));
	CHECK(!setsockopt(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &limit, sizeof limit));
	IS(sendto(s, &h, sizeof h, 0, (struct sockaddr *)&own, sizeof own), sizeof h);
	IS(receive6(s, &got, sizeof got, &hops, &where), sizeof got);
	CHECK(got.icmp6_type == ICMP6_ECHO_REQUEST && got.icmp6_cksum && got.icmp6_dataun.icmp6_un_data16[0] == 5);
	IS(hops, limit);
	CHECK(memcmp(&where.ipi6_addr, &own.sin6_addr, 16) == 0 && where.ipi6_ifindex == 1);
	FAILS(recv(s, &got, sizeof got, MSG_DONTWAIT), EAGAIN); /* the answer is filtered */
	ICMP6_FILTER_SETPASSALL(&filter);
	CHECK(!setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter));
	IS(sendto(s, &h, sizeof h, 0, (struct sockaddr *)&own, sizeof own), sizeof h);
	IS(recv(s, &got, sizeof got, 0), sizeof got);
	IS(recv(s, &got, sizeof got, 0), sizeof got);
	IS(got.icmp6_type, ICMP6_ECHO_REPLY);
}

static void checksums_are_filled_in_and_looked_at(void)
{
	struct random random = { random_seed() };
	int sums = raw(AF_INET6, PROTOCOL), plain = raw(AF_INET6, PROTOCOL), at = 4;
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	uint8_t out[300], in[300];

	CHECK(!setsockopt(sums, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof at));
	for (int round = 0; round < 100; round++) {
		size_t n = 6 + random_next(&random) % 200;
		uint8_t last[8] = { 0, 0, 0, (uint8_t)n, 0, 0, 0, PROTOCOL };

		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)random_next(&random);
		IS(sendto(sums, out, n, 0, (struct sockaddr *)&own, sizeof own), n);
		IS(recv(plain, in, sizeof in, 0), n);
		IS(recv(sums, in, sizeof in, 0), n);
		IS(sum_of(in, n, sum_of(last, 8, sum_of(&own.sin6_addr, 16, sum_of(&own.sin6_addr, 16, 0)))), 0xffff);
		in[n - 1] ^= 1; /* wrong now */
		IS(sendto(plain, in, n, 0, (struct sockaddr *)&own, sizeof own), n);
		IS(recv(plain, out, sizeof out, 0), n);
		FAILS(recv(sums, out, sizeof out, MSG_DONTWAIT), EAGAIN);
	}
}

static void hops_and_place_of_version_four(void)
{
	int s = raw(AF_INET, PROTOCOL), on = 1, hops = 0, seen = 0;
	char bytes[64], control[128];
	struct iovec iov = { bytes, sizeof bytes };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

	CHECK(!setsockopt(s, IPPROTO_IP, IP_RECVTTL, &on, sizeof on) && !setsockopt(s, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
	send4(s, "127.0.0.3", "x", 1);
	IS(recvmsg(s, &m, 0), 21);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct { uint32_t index, local, destination; } place;

		seen++;
		if (c->cmsg_type == IP_TTL)
			memcpy(&hops, CMSG_DATA(c), sizeof hops);
		if (c->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&place, CMSG_DATA(c), sizeof place);
		CHECK(place.index == 1 && place.destination == name4("127.0.0.3").sin_addr.s_addr);
	}
	IS(seen, 2);
	IS(hops, (uint8_t)bytes[8]);
}

static int lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	int lines = 0;

	CHECK(f);
	for (int c = getc(f); c != EOF; c = getc(f))
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Some with packets that nobody took, some asleep while they wait. */
static void who_dies_leaves_nothing(void)
{
	int before = lines_of("/proc/net/raw"), ready[2];
	char byte;

	CHECK(!pipe(ready));
	for (int round = 0; round < 40; round++) {
		pid_t pid = fork();

		if (!pid) {
			int s = raw(AF_INET, round % 2 ? PROTOCOL : IPPROTO_ICMP);

			for (int i = 0; i < round; i++)
				send4(s, "127.0.0.1", "12345678", 8);
			CHECK(write(ready[1], "r", 1) == 1);
			while (recv(s, &byte, 1, 0) >= 0)
				;
			_exit(1);
		}
		CHECK(pid > 0 && read(ready[0], &byte, 1) == 1);
		CHECK(!kill(pid, SIGKILL));
		ENDS(pid, SIGKILL);
	}
	IS(lines_of("/proc/net/raw"), before);
	int s = raw(AF_INET, IPPROTO_ICMP);
	IS(lines_of("/proc/net/raw"), before + 1);
	send_icmp(s, "127.0.0.1", MARK, 1, 1);
	IS(next(s).type, MARK);
}

static void who_does_not_read_costs_only_himself(void)
{
	int lazy = raw(AF_INET, PROTOCOL), busy = raw(AF_INET, PROTOCOL), heard = 0;
	static char bytes[1400], in[2048];

	for (int i = 0; i < 1000; i++) {
		send4(busy, "127.0.0.1", bytes, sizeof bytes);
		IS(recv(busy, in, sizeof in, 0), 20 + sizeof bytes);
	}
	while (recv(lazy, in, sizeof in, MSG_DONTWAIT) > 0)
		heard++;
	CHECK(heard > 10 && heard < 1000);
}

TESTS(T(the_question_and_the_answer_are_heard), T(two_sockets_hear_the_same), T(only_those_who_run_as_root_have_them), T(sending_is_refused_as_it_should_be), T(a_filter_takes_types_away),
	T(an_address_narrows_what_is_heard), T(bytes_of_any_protocol_come_as_they_went), T(datagrams_are_heard_by_both), T(version_six_has_no_header),
	T(checksums_are_filled_in_and_looked_at), T(hops_and_place_of_version_four), T(who_dies_leaves_nothing), T(who_does_not_read_costs_only_himself))
