/* Random programs: such as are to be accepted, such with some bits changed, and plain bytes. What inspection accepts runs compiled and interpreted on random
 * packets, and must do the same without touching anything but its own. fuzz SEED ROUNDS: each round is a program, and depends on nothing but the seed and its
 * number; `fuzz SEED ROUNDS ROUND` runs that one alone and prints its program. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assemble.h"
#include "generate.h"
#include "world.h"

static uint64_t seed, rounds;
static struct aegis_ebpf program[GENERATED_MAX];
static struct outcome out;
static uint64_t runs, results[3], code_bytes, instructions;

static uint32_t any_packet(uint8_t *packet)
{
	uint32_t length = random_below(4) ? 100 + random_below(random_below(10) ? 100 : 1415) : random_below(110);

	for (uint32_t i = 0; i < length; i += 8) {
		uint64_t word = random_64();

		memcpy(packet + i, &word, 8);
	}
	return length;
}

/* Runs what was accepted: null, or what was wrong. */
static const char *run(uint32_t n)
{
	static uint8_t packet[2048], memory[WORLD_MEMORY_MOST];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < 64; i++)
		memory[i] = (uint8_t)random_64();
	for (uint32_t i = 0; i < 2 && !wrong; i++) {
		struct input in = {.packet = packet, .memory = memory};

		in.tag = random_below(2) ? random_below(600) : random_64();
		in.steps = random_below(4) ? 600 : ASH_STEPS;
		in.length = any_packet(packet);
		wrong = world_compare(program, n, &in, &out);
		runs++;
		if (!wrong)
			results[out.result]++;
	}
	code_bytes += world_code_size();
	instructions += n;
	return wrong;
}

static void mutate(uint32_t n)
{
	for (uint32_t changes = 1 + random_below(4) / 3; changes; changes--) {
		struct aegis_ebpf *i = &program[random_below(n)];

		switch (random_below(7)) {
		case 0:
			i->code = (uint8_t)random_64();
			break;
		case 1:
			i->code ^= 1 << random_below(8);
			break;
		case 2:
			i->registers = (uint8_t)(random_below(11) | random_below(11) << 4);
			break;
		case 3:
			i->offset = (int16_t)(random_below(2) ? random_below(64) - 32 : random_64());
			break;
		case 4:
			i->immediate = (int32_t)random_64();
			break;
		case 5:
			*i = program[random_below(n)];
			break;
		default:
			i->registers ^= 1 << random_below(8);
		}
	}
}

/* Bytes, or instructions that are well-formed each by itself. */
static uint32_t garbage(void)
{
	uint32_t n = 1 + random_below(20);
	bool formed = random_below(4);

	for (uint32_t i = 0; i < n; i++) {
		do {
			uint64_t word = random_64();

			memcpy(&program[i], &word, 8);
			if (random_below(2))
				program[i].immediate = (int32_t)random_below(16);
			if (formed) {
				program[i].registers &= random_below(2) ? 0x77 : 0x07;
				program[i].offset = random_below(2) ? 0 : (int16_t)random_below(9) - 2;
				program[i].immediate = random_below(2) ? 0 : program[i].immediate;
			}
		} while (formed && ebpf_check(&program[i], NULL));
	}
	if (formed) {
		program[0] = (struct aegis_ebpf)MOV_K(0, 0);
		program[n > 1 ? n - 1 : 1] = (struct aegis_ebpf)EXIT;
		n = n > 1 ? n : 2;
	}
	return n;
}

enum { MADE, MUTATED, GARBAGE, KINDS };

/* One round of a kind: null or what was wrong. *accepted: it was. */
static const char *round_of(uint32_t kind, uint64_t round, bool show, bool *accepted)
{
	const char *refused;
	uint32_t n;

	random_seed(seed * 3 + kind + round * 0x10001);
	n = kind == GARBAGE ? garbage() : generate(program);
	if (kind == MUTATED)
		mutate(n);
	if (show)
		world_print(program, n);
	world_memory = (1 + random_below(WORLD_MEMORY_MOST / FRAME_SIZE)) * FRAME_SIZE;
	refused = world_compile(program, n);
	*accepted = !refused;
	if (show && refused)
		printf("# refused: %s\n", refused);
	if (refused)
		return kind == MADE ? refused : refused[0] ? NULL : "refused without a reason";
	return run(n);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"programs made to be accepted", "programs with some bits changed", "garbage"};
	static const uint32_t shares[] = {50, 40, 10}; /* of 100 rounds */
	uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 0) : UINT64_MAX, accepted[KINDS] = {0}, tried[KINDS] = {0};
	const char *wrong[KINDS] = {0};
	char text[400];

	if (argc < 3)
		return 2;
	seed = strtoull(argv[1], NULL, 0);
	rounds = strtoull(argv[2], NULL, 0);
	world_make();
	alarm(600);
	printf("# SEED=%" PRIu64 " ROUNDS=%" PRIu64 "\n", seed, rounds);
	fflush(stdout);
	for (uint64_t round = only == UINT64_MAX ? 0 : only; round < (only == UINT64_MAX ? rounds : only + 1); round++) {
		uint32_t kind = round % 100 < shares[MADE] ? MADE : round % 100 < shares[MADE] + shares[MUTATED] ? MUTATED : GARBAGE;
		bool good;

		if (wrong[kind])
			continue;
		snprintf(world_doing, sizeof(world_doing), "SEED=%" PRIu64 ", round %" PRIu64, seed, round);
		wrong[kind] = round_of(kind, round, only != UINT64_MAX, &good);
		tried[kind]++;
		accepted[kind] += good;
		if (wrong[kind]) {
			printf("# SEED=%" PRIu64 ", round %" PRIu64 ": %s\n", seed, round, wrong[kind]);
			world_print(program, 40);
		}
	}
	for (uint32_t kind = 0; kind < KINDS; kind++) {
		snprintf(text, sizeof(text), "%s: %" PRIu64 " of %" PRIu64 " were accepted, and do compiled what they do interpreted", names[kind], accepted[kind],
			tried[kind]);
		point(!wrong[kind], text, wrong[kind]);
	}
	printf("# %" PRIu64 " runs: %" PRIu64 " done, %" PRIu64 " to the ring, %" PRIu64 " told; %" PRIu64 " instructions became %" PRIu64 " bytes\n", runs,
		results[0], results[1], results[2], instructions, code_bytes);
	if (only == UINT64_MAX && rounds >= 10000) {
		point(accepted[MUTATED] * 20 > tried[MUTATED] && accepted[GARBAGE], "enough of the others were accepted to mean something", "too few");
		point(results[0] * 10 > runs && results[1] * 10 > runs && results[2] * 20 > runs, "runs ended in every way", "they did not");
	}
	return points_end();
}
