/* Revocation, answered: idle frames go first, and then what files on disks have in memory and need not (exos/volume). Then the programs are
 * asked that have a handler for it (exos/program.h): what they give goes on at once. If the account still holds more than it may when half of the
 * time is over, that much is taken from those who were asked, and from them alone: at the deadline whoever asks may take blindly, and hit everybody
 * who stands on this library.
 *
 * Repossession, survived: a frame that is gone is never used again. A process that had it mapped has lost data and is killed; a file that had it
 * gives EIO there; a program whose own it was finds out by its fault handler. A frame that the library itself stands on (its heap, its page
 * tables) cannot be borne: the next touch ends the domain with a message. What the domain needs at least is for whoever sizes its account to
 * leave. */
#include <aegis/x86_64/stubs.h>
#include <exos/frames.h>
#include <exos/proc/proc.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/revoke.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/vm/vm.h>
#include <exos/volume/volume.h>

static uint64_t losses_read; /* of the vector */
static uint32_t owed;	     /* frames that were demanded, and were not idle when they were. Domain lock */
static uint64_t force_at;    /* ticks, when programs that were asked for them have had their time; 0: none was. Domain lock */

static void give_frames(uint32_t count)
{
	uint64_t deadline = self->upcall.demands[REVOKE_FRAMES].deadline, now = ticks_now();
	uint32_t given = frames_give(count);

	if (given < count && volumes_shrink(count - given))
		given += frames_give(count - given);

	owed = count - MIN(given, count); /* of pairs both go */
	force_at = 0;
	if (!owed)
		return;
	if (handlers_demand(owed, deadline))
		force_at = deadline > now ? deadline - (deadline - now) / 2 : now;
	else
		log_line("%u frames are demanded back and %u are idle", count, given);
	volumes_name_dirty();
}

void revoke_returned(void)
{
	if (owed)
		owed -= MIN(frames_give(owed), owed);
	if (!owed)
		force_at = 0;
}

uint64_t revoke_time(void) { return force_at; }

/* Frames that are owed and that the account may not keep either. */
static uint32_t overdue(void)
{
	const volatile struct aegis_env_info *account = &env_table[env_slot_of(machine_info, domain_account)];
	uint32_t held = account->held.frames, limit = account->limits.frames;

	return held > limit ? MIN(owed, held - limit) : 0;
}

/* Returns how many frames it loses, now or, if it cannot bear that, with its end. */
static uint32_t force(struct proc *p, uint32_t count)
{
	uint32_t taken = (uint32_t)MIN(p->own_frames, count);

	if (!p->bears_losses) {
		log_line("process %d (%s) is killed: it has not given back %u frames in time", p->pid, p->name, count);
		signal_send(p, SIGKILL, NULL);
		return taken;
	}
	taken = program_frames_force(p, count);
	log_line("process %d (%s) has not given back %u frames in time: taken from it by force", p->pid, p->name, taken);
	return taken;
}

/* What has become idle meanwhile goes before anybody is robbed, and nobody is for a demand that was withdrawn. */
void revoke_check(void)
{
	uint32_t count;

	if (!force_at || ticks_now() < force_at)
		return;
	force_at = 0;
	owed = MIN(owed, self->upcall.demands[REVOKE_FRAMES].count);
	revoke_returned();
	count = overdue();
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		if (count && p->reclaims && p->own_frames)
			count -= force(p, count);
	}
	revoke_returned();
}

static void give_slices(uint32_t count)
{
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);

		while (count && cpus_give_one(p))
			count--;
	}
}

void revoke_answer(void)
{
	const volatile struct aegis_demand *demands = self->upcall.demands;

	if (demands[REVOKE_FRAMES].count)
		give_frames(demands[REVOKE_FRAMES].count);
	if (demands[REVOKE_SLICES].count)
		give_slices(demands[REVOKE_SLICES].count);
}

/* Which frames are gone the frame table says, whether or not the ring has room for all their names. */
static void lose_frames(void)
{
	uint32_t idle = frames_lose_idle();

	volumes_lose();
	if (idle)
		log_line("%u idle frames were repossessed", idle);
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);
		uint32_t lost = p->vm && !p->vfork_parent ? vm_lose(p->vm) : 0;

		if (lost) {
			log_line("process %d (%s) is killed: %u frames of its memory were repossessed", p->pid, p->name, lost);
			signal_send(p, SIGKILL, NULL);
		}
	}
}

static void lose_slice(uint64_t name)
{
	LIST_FOR_EACH (l, &proc_list) {
		struct proc *p = CONTAINER_OF(l, struct proc, link);
		uint32_t cpu = (uint32_t)(name >> 32);

		if (cpu < CPUS_MOST && p->slices.held >> cpu & 1 && p->slices.positions[cpu] == (uint32_t)name)
			p->slices.held &= ~(1ul << cpu);
	}
}

void revoke_losses(void)
{
	const struct aegis_repossessed *vector = (const void *)((const uint8_t *)self + REPOSSESSED_OFFSET);
	uint64_t count = vector->count;
	bool frames = count - losses_read > REPOSSESSED_ENTRIES;

	if (frames)
		losses_read = count - REPOSSESSED_ENTRIES; /* slices whose names are overwritten are found free when they are given back */
	for (; losses_read < count; losses_read++) {
		struct aegis_loss loss = vector->entries[losses_read % REPOSSESSED_ENTRIES];

		frames |= loss.kind == REVOKE_FRAMES;
		if (loss.kind == REVOKE_SLICES)
			lose_slice(loss.first);
	}
	if (frames)
		lose_frames();
}
