/* What the tenants of extents_test.c have, and what they tell of. Part of that test alone. */
#pragma once

#include <tests/hostile/hostile.h>
#include <tests/kernel/disks.h>

#define MINE (4u * STRIPE)   /* the attacker's stripes, */
#define HIS (8u * STRIPE)    /* and the other's */
#define STRIPES 2u
#define HERE(n) ((uint64_t)LOCAL + (1 + (n)) * FRAME_SIZE) /* where tenants bind pages: there are tables */
#define QUEUE HERE(0)
#define PLACE 0x321000000000ul /* the test itself */

static struct child tenant;
static struct disk_port port, its; /* the test's own, and the tenant's that runs */
static frame_t own[4]; /* the test's frames, bound at PLACE */
static struct aegis_cap mine, his, to_read; /* of the stripes above: to read and write, and (his) to read only */
static uint8_t *page(uint32_t i) { return (uint8_t *)(PLACE + i * FRAME_SIZE); }

/* What a tenant found, in order: it has no console. */
static struct {
	int64_t got, expected;
	const char *name;
} notes[128];
static volatile uint32_t noted;
static void note(int64_t got, int64_t expected, const char *name)
{
	if (noted == OF(notes))
		do_ud2(NULL);
	notes[noted].got = got, notes[noted].expected = expected, notes[noted].name = name;
	noted++;
}

static void tell_notes(void)
{
	for (uint32_t i = 0; i < noted; i++)
		is(notes[i].got, notes[i].expected, notes[i].name);
	noted = 0;
}

static struct aegis_cap lend(uint64_t first, uint64_t count, uint32_t rights)
{
	struct aegis_cap cap = { 0 };

	aegis_cap_narrow(&boot->disks[0], &cap, rights, EXTENT(0, first), count);
	return cap;
}

static void lend_all(void)
{
	mine = lend(MINE, STRIPES * STRIPE, RIGHT_READ | RIGHT_WRITE);
	his = lend(HIS, STRIPES * STRIPE, RIGHT_READ | RIGHT_WRITE);
	to_read = lend(HIS, STRIPES * STRIPE, RIGHT_READ);
}

static void attack_by(void (*run)(void *))
{
	lend_all();
	ok(tenant_run(&tenant, run, NULL), "a_tenant_attacks");
	tell_notes();
	is(tenant_end(&tenant), 0, "and_can_be_ended");
	is(disk_info()->under_way, 0, "with_all_that_it_has_asked_for");
}

/* In a tenant: a queue with its own extent in slot 0, and n frames of its own. */
static frame_t its_frames[16];
static void begin(uint32_t n)
{
	if (disk_open(&its, QUEUE) < 0 || aegis_extent_bind(its.name, 0, &mine) || tenant_frames(its_frames, n) != n)
		do_ud2(NULL);
}

static int64_t hand(uint32_t operation, uint32_t slot, uint64_t sector, uint32_t count, const frame_t *list)
{
	return disk_hand(&its, request_of(operation, slot, sector, count, list));
}

static int64_t enter_as(uint32_t slot, uint64_t sector, frame_t f, uint32_t state)
{
	struct aegis_block b = { .sector = sector, .frame = f, .slot = (uint16_t)slot, .state = (uint16_t)state };
	int64_t result;

	while ((result = aegis_block_register(its.name, &b, 1)) == -E_AGAIN)
		;
	return result;
}
