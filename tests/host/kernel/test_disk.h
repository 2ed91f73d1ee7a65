/* The model of test_disk.c: what the kernel should think of extents, blocks and requests. Part of that test alone. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <kernel/cap.h>
#include <kernel/disk/disk.h>
#include <kernel/info.h>
#include <kernel/x86_64/paging.h>

#include "disk.h"
#include "machine.h"

#define ACCOUNTS 3
#define FRAMES 10 /* that each has for this */
#define CAPS 16
#define SLOTS 3
#define STRIPES 4
#define STRIPE (DISK_SECTORS / STRIPES)
#define SOME_BLOCKS 12 /* of each stripe, the first and those before its end, so that they meet */
#define VA 0x200000000000ul
#define AT_LIST USER_BASE
#define AT_CAP (USER_BASE + 0x1000)
#define AT_OUT (USER_BASE + 0x1100)
#define AT_SPEC (USER_BASE + 0x1200)

struct extent {
	uint64_t first, count, made; /* made: when, by the model's clock; narrowed ones as what they are narrowed from. 0: there is none */
	uint32_t rights;
};
struct lent { /* a page that is bound by an extent */
	frame_t frame; /* 0: none */
	uint64_t serial;
};
struct account {
	struct env *env;
	frame_t queue, control, frames[FRAMES];
	struct extent slots[SLOTS];
	struct lent pages[FRAMES];
	uint32_t accepted, produced, under_way;
};
struct registered {
	uint64_t block, since, serial;
	uint32_t state;
};
struct asked { /* under way, by tag */
	int account; /* -1: the kernel */
	uint32_t operation, n, flags;
	uint64_t sector, count, tag, made;
	frame_t frames[4];
};
static struct account accounts[ACCOUNTS];
static struct extent extents[CAPS];
static struct aegis_cap caps[CAPS];
static struct registered registered[MACHINE_FRAMES];
static bool taken[MACHINE_FRAMES]; /* by force, and not free yet */
static struct asked asked[DISK_DEPTH];
static uint64_t revoked[STRIPES], now = 1, serial, tag, step;
static uint8_t contents[DISK_SECTORS]; /* each sector's mark */
static uint64_t seed, done[8];

#define CHECK(condition, ...) ((condition) ? (void)0 : fail(#condition, __LINE__))
static _Noreturn void fail(const char *what, int line)
{
	ok(0, "step %lu of SEED=%lu: %s (line %d)", step, seed, what, line);
	done_testing();
	exit(1);
}

static void run(struct env *e) { this_cpu()->current = e; }

static void put_frames(const frame_t *list, uint32_t n) { memcpy(user(AT_LIST), list, n * sizeof(*list)); }

/* ---- The model ---------------------------------------------------------------------------------------------------------- */

static bool good(uint64_t made, uint64_t first, uint64_t count)
{
	for (uint64_t s = first / STRIPE; s <= (first + count - 1) / STRIPE; s++)
		if (revoked[s] > made)
			return false;
	return true;
}

static bool covers(const struct extent *e, uint64_t first, uint64_t count) { return e->made && first >= e->first && first + count <= e->first + e->count; }

static frame_t frame_of_block(uint64_t block)
{
	for (frame_t f = 1; f < MACHINE_FRAMES; f++)
		if (registered[f].state && registered[f].block == block)
			return f;
	return 0;
}

static bool is_fresh(frame_t f) { return registered[f].since >= revoked[registered[f].block / STRIPE]; }

static int owner_of(frame_t f)
{
	for (int a = 0; a < ACCOUNTS; a++)
		for (int i = 0; i < FRAMES; i++)
			if (accounts[a].frames[i] == f)
				return a;
	return -1;
}

static uint32_t pinned(frame_t f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < DISK_DEPTH; i++)
		for (uint32_t k = 0; asked[i].count && k < asked[i].n; k++)
			n += asked[i].frames[k] == f;
	return n;
}

static void register_model(frame_t f, uint64_t block, uint64_t since, uint32_t state)
{
	registered[f] = (struct registered){ .block = block, .since = since, .serial = ++serial, .state = state };
}
