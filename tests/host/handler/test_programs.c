/* Handlers in C, as gcc compiles them (bench/handlers): accepted, and right on packets of every sort. test_programs ECHO.bin DELIVER.bin */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "world.h"

static struct aegis_ebpf program[ASH_LENGTH_MAX];
static uint32_t length;
static struct outcome out;

/* A UDP packet over IPv4, 42 bytes of headers before the payload. */
#define HEADERS 42
static uint8_t packet[1600], memory[FRAME_SIZE];
static uint32_t packet_length;

static void put_16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

static uint32_t add_up(const uint8_t *from, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 ? from[i] : from[i] << 8;
	return sum;
}
static uint32_t fold(uint32_t sum) { return sum >> 16 ? fold((sum & 0xffff) + (sum >> 16)) : sum; }

static void set_checksum(void)
{
	uint32_t n = packet_length - HEADERS + 8;

	put_16(packet + 40, 0);
	put_16(packet + 40, ~fold(add_up(packet + 34, n, add_up(packet + 26, 8, 17 + n))));
}

static void make_packet(uint32_t port, uint32_t payload)
{
	packet_length = HEADERS + payload;
	for (uint32_t i = 0; i < packet_length; i++)
		packet[i] = (uint8_t)(i * 37 + 11);
	put_16(packet + 12, 0x0800);
	packet[14] = 0x45;
	put_16(packet + 16, packet_length - 14);
	put_16(packet + 20, 0x4000);
	packet[23] = 17;
	put_16(packet + 36, port);
	put_16(packet + 38, payload + 8);
	set_checksum();
}

/* Runs it both ways; what differs is a failure of its own. */
static uint64_t run(void)
{
	struct input in = {.length = packet_length, .packet = packet, .memory = memory, .tag = 5, .steps = ASH_STEPS};
	const char *wrong = world_compare(program, length, &in, &out);

	if (wrong)
		point(false, "compiled and interpreted do the same", wrong);
	return out.result;
}

static bool load(const char *path)
{
	FILE *file = fopen(path, "rb");
	const char *reason;

	if (!file) {
		point(false, path, "cannot be read");
		return false;
	}
	length = (uint32_t)fread(program, sizeof(program[0]), ASH_LENGTH_MAX, file);
	fclose(file);
	snprintf(world_doing, sizeof(world_doing), "%s", path);
	reason = world_compile(program, length);
	point(!reason, strrchr(path, '/') + 1, reason);
	return !reason;
}

static void report(const char *what)
{
	struct input in = {.length = packet_length, .packet = packet, .memory = memory, .steps = ASH_STEPS};

	printf("# %s: %u instructions became %zu bytes; a run takes %lu, without the calls\n", what, length, world_code_size(), (unsigned long)world_count(&in));
}

/* Bytes changed at random: nothing is expected but that both ways agree, and that nothing is touched that is not theirs. */
static void disturb(const char *name, uint32_t port)
{
	for (uint32_t round = 0; round < 4000; round++) {
		make_packet(port, 8 + random_below(60));
		for (uint32_t changes = random_below(4); changes; changes--)
			packet[random_below(2) ? random_below(packet_length) : 12 + random_below(38)] = (uint8_t)random_64();
		if (!random_below(4))
			packet_length = random_below(packet_length + 1);
		if (random_below(2) && packet_length >= HEADERS)
			set_checksum();
		run();
	}
	point(true, name, NULL);
}

static void echo(void)
{
	static const struct {
		const char *name;
		uint32_t at;
		uint8_t value;
	} others[] = {{"ARP", 13, 6}, {"IPv6", 14, 0x65}, {"options", 14, 0x46}, {"a first fragment", 20, 0x20}, {"a later fragment", 21, 1}, {"TCP", 23, 6}, {"another port", 37, 8}};
	uint8_t expected[1600];
	bool good;

	memset(memory, 0, sizeof(memory));
	make_packet(7, 18);
	memcpy(expected, packet, packet_length);
	memcpy(expected, packet + 6, 6);
	memcpy(expected + 6, packet, 6);
	memcpy(expected + 26, packet + 30, 4);
	memcpy(expected + 30, packet + 26, 4);
	memcpy(expected + 34, packet + 36, 2);
	memcpy(expected + 36, packet + 34, 2);
	good = run() == ASH_DONE && out.calls == 1 && out.sent_length == packet_length && !memcmp(out.sent, expected, packet_length) && out.memory[0] == 1;
	point(good, "echo: a packet to port 7 goes back, and is counted", "it does not");
	report("echo");
	for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char name[100];

		make_packet(7, 18);
		packet[others[i].at] = others[i].value;
		snprintf(name, sizeof(name), "echo: %s is left alone", others[i].name);
		point(run() == ASH_RING && !out.calls && !memcmp(out.packet, packet, packet_length) && !out.memory[0], name, "it is not");
	}
	for (packet_length = 0, good = true; packet_length < HEADERS; packet_length++)
		good &= run() == ASH_RING && !out.calls;
	point(good, "echo: frames that end in the headers are left alone", "they are not");
	disturb("echo: disturbed packets", 7);
}

static void put_offset(uint64_t offset)
{
	for (uint32_t i = 0; i < 8; i++)
		packet[HEADERS + i] = (uint8_t)(offset >> (56 - i * 8));
	set_checksum();
}

static void deliver(void)
{
	uint64_t *counters = (uint64_t *)out.memory;
	bool good = true;

	memset(memory, 0, sizeof(memory));
	for (uint32_t payload = 8; payload < 1400 && good; payload += 1 + payload / 8) {
		uint64_t offset = payload * 2 + 9;

		make_packet(9, payload);
		put_offset(offset | (payload & 1ull) << 63);
		good = run() == (payload & 1 ? ASH_TELL : ASH_DONE) && !memcmp(out.memory + offset, packet + HEADERS + 8, payload - 8) && counters[0] == 1 && counters[1] == payload - 8;
	}
	point(good, "deliver: messages lie where they said, and are counted and told of as they said", "they do not");
	make_packet(9, 108);
	put_offset(64);
	report("deliver");
	packet[HEADERS + 50] ^= 1;
	point(run() == ASH_RING && !counters[0] && !counters[1], "deliver: one whose sum is wrong is not counted", "it is");
	make_packet(9, 108);
	put_offset(FRAME_SIZE - 99);
	point(run() == ASH_RING && !counters[0], "deliver: one for where there is no memory is not counted", "it is");
	put_offset(15);
	point(run() == ASH_RING && !out.calls && !counters[0], "deliver: one for the counters is refused", "it is not");
	put_offset(64);
	put_16(packet + 38, 108 + 8 + 1);
	point(run() == ASH_RING && !out.calls, "deliver: a length past the packet's end ends the run", "it does not");
	put_16(packet + 38, 15);
	point(run() == ASH_RING && !out.calls, "deliver: so does one below nothing", "it does not");
	disturb("deliver: disturbed packets", 9);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	random_seed(1);
	world_make();
	if (load(argv[1]))
		echo();
	if (load(argv[2]))
		deliver();
	return points_end();
}
