/* What a handler runs in, on this host: packet, memory and stack with nothing mapped right before or right behind them, and calls that note what they were
 * asked. A program that is accepted is run twice, compiled and by the interpreter, and each time its regions lie elsewhere: so whatever depends on an address
 * shows as a difference, as does whatever is done differently. */
#pragma once

#include <stdbool.h>

#include <kernel/filter/handler.h>

#define WORLD_MEMORY_MOST (3 * FRAME_SIZE)
#define CALLS_NOTED 600
struct noted_call {
	uint32_t number, region;
	uint64_t at, length, target; /* where in the region; target: the copy's offset */
	uint64_t digest;
};

struct outcome {
	uint64_t result;
	int64_t steps;
	uint32_t calls; /* how many, of which CALLS_NOTED are kept */
	struct noted_call noted[CALLS_NOTED];
	uint8_t packet[2048], memory[WORLD_MEMORY_MOST];
	uint32_t sent_length; /* the last frame that was sent */
	uint8_t sent[2048];
};

/* What both runs begin with. */
struct input {
	uint32_t length;
	const uint8_t *packet; /* of at most 2048 bytes */
	const uint8_t *memory; /* world_memory bytes, or null: zeros */
	uint64_t tag;
	int64_t steps;
};

extern uint32_t world_memory; /* bytes of memory of what is compiled next: whole frames, one at first */
void world_make(void);
/* Compiles; null or the reason why not. The code is then what world_run runs. */
const char *world_compile(const struct aegis_ebpf *program, uint32_t n);
size_t world_code_size(void);
/* How many instructions a run of what was compiled last takes, without those of the calls; 0 if that cannot be found out. Single steps in a process of its
 * own. */
uint64_t world_count(const struct input *in);
/* Runs what was compiled last; or the interpreter. */
void world_run(const struct input *in, struct outcome *out);
void world_interpret(const struct aegis_ebpf *program, uint32_t n, const struct input *in, struct outcome *out);
/* Both: null, or what was wrong. *out: of the compiled one. */
const char *world_compare(const struct aegis_ebpf *program, uint32_t n, const struct input *in, struct outcome *out);
void world_print(const struct aegis_ebpf *program, uint32_t n);
/* Said by the signal handler when a run faults. */
extern char world_doing[256];

/* TAP. */
void point(bool good, const char *name, const char *why);
int points_end(void);
