/* The domain lock. */
#include <exos/events.h>
#include <exos/lock.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/x86_64/entry.h>

#define SPINS 100

env_id domain_holder;

/* A holder that the kernel has stopped will never release. What it was changing may be half changed; going on is the better half of two evils. */
static bool holder_stopped(env_id env)
{
	const struct aegis_env_info *info = &env_table[env_slot_of(machine_info, env)];

	return info->id != env || info->state == ENV_STOPPED;
}

/* The holder runs on another CPU, or so it was a moment ago. The lock is held for a few thousand instructions at most, mostly. */
static void wait_for_other_cpu(env_id holder)
{
	for (int i = 0; i < SPINS && __atomic_load_n(&domain_holder, __ATOMIC_RELAXED) == holder; i++)
		cpu_relax();
}

void domain_lock_contended(void)
{
	for (;;) {
		env_id expected = 0;

		if (__atomic_compare_exchange_n(&domain_holder, &expected, self->env, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		if (holder_stopped(expected)) {
			if (__atomic_compare_exchange_n(&domain_holder, &expected, self->env, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
				log_line("environment %x was stopped while it held the domain lock", expected);
				return;
			}
		} else if (claim_table[env_slot_of(machine_info, expected)] == ((uint64_t)CLAIM_READY << 32 | expected)) {
			exos_yield(expected); /* it was interrupted inside */
		} else {
			wait_for_other_cpu(expected);
		}
	}
}

void domain_unlock_events(void) { events_take(); }

bool domain_locked(void) { return self->lock_depth && domain_holder == self->env; }
