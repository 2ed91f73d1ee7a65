/* See output.h. */
#include "output.h"

#include <arpa/inet.h>
#include <stdint.h>

/* The pcap format, with times in nanoseconds; its words are in the byte order of who writes. */
#define PCAP_MAGIC    0xa1b23c4du
#define PCAP_ETHERNET 1

void pcap_start(FILE *to)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, most, link;
	} head = { .magic = PCAP_MAGIC, .major = 2, .minor = 4, .most = NET_PACKET_MAX, .link = PCAP_ETHERNET };

	fwrite(&head, sizeof(head), 1, to);
}

void pcap_packet(FILE *to, const struct aegis_packet *p, struct timespec when)
{
	const uint32_t head[] = { (uint32_t)when.tv_sec, (uint32_t)when.tv_nsec, p->length, p->length };

	fwrite(head, sizeof(head), 1, to);
	fwrite(p->data, p->length, 1, to);
}

static unsigned half(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

static void print_protocol(FILE *to, unsigned protocol)
{
	static const char *const names[256] = { [1] = "icmp", [2] = "igmp", [6] = "tcp", [17] = "udp", [58] = "icmp6" };

	if (names[protocol])
		fputs(names[protocol], to);
	else
		fprintf(to, "protocol %u", protocol);
}

/* ports: two of them are there, or null. */
static void print_internet(FILE *to, int family, const uint8_t *source, const uint8_t *destination, unsigned protocol, const uint8_t *ports)
{
	char from[INET6_ADDRSTRLEN], into[INET6_ADDRSTRLEN];

	inet_ntop(family, source, from, sizeof(from));
	inet_ntop(family, destination, into, sizeof(into));
	if (ports && (protocol == 6 || protocol == 17))
		fprintf(to, family == AF_INET ? "%s:%u > %s:%u " : "[%s]:%u > [%s]:%u ", from, half(ports), into, half(ports + 2));
	else
		fprintf(to, "%s > %s ", from, into);
	print_protocol(to, protocol);
}

static void print_ethernet(FILE *to, const uint8_t *d)
{
	for (int i = 6; i < 12; i++)
		fprintf(to, "%02x%s", d[i], i < 11 ? ":" : " > ");
	for (int i = 0; i < 6; i++)
		fprintf(to, "%02x%s", d[i], i < 5 ? ":" : " ");
	fprintf(to, "0x%04x", half(d + 12));
}

void print_packet(FILE *to, const struct aegis_packet *p, struct timespec when)
{
	const uint8_t *d = p->data;
	unsigned header = 4 * (d[14] & 15u);
	char text[16];
	struct tm tm;

	strftime(text, sizeof(text), "%H:%M:%S", gmtime_r(&when.tv_sec, &tm));
	fprintf(to, "%s.%09ld ", text, when.tv_nsec);
	if (p->length >= 34 && half(d + 12) == 0x0800 && d[14] >> 4 == 4)
		print_internet(to, AF_INET, d + 26, d + 30, d[23], half(d + 20) & 0x1fff || p->length < 14 + header + 4 || header < 20 ? NULL : d + 14 + header); /* a later fragment has none */
	else if (p->length >= 54 && half(d + 12) == 0x86dd)
		print_internet(to, AF_INET6, d + 22, d + 38, d[20], p->length < 58 ? NULL : d + 54);
	else
		print_ethernet(to, d);
	fprintf(to, " %u bytes\n", p->length);
}
