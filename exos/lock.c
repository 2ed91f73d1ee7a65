/* The domain lock. */
#include <exos/events.h>
#include <exos/lock.h>
#include <exos/self.h>
#include <exos/start.h>
#include <exos/x86_64/entry.h>

static env_id holder; /* 0: free. Itself the lock */

/* A holder that the kernel has stopped will never release. What it was changing may be half changed; going on is the better half of two evils. */
static bool holder_stopped(env_id env)
{
	const struct aegis_env_info *info = &env_table[env_slot(env)];

	return info->id != env || info->state == ENV_STOPPED;
}

static void lock(void)
{
	for (;;) {
		env_id expected = 0;

		if (__atomic_compare_exchange_n(&holder, &expected, self->env, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		if (holder_stopped(expected)) {
			if (__atomic_compare_exchange_n(&holder, &expected, self->env, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
				log_line("environment %x was stopped while it held the domain lock", expected);
				return;
			}
		} else {
			exos_yield(expected);
		}
	}
}

void domain_lock(void)
{
	if (self->lock_depth++ == 0) /* first, so that an event in between does not yield with the lock just taken */
		lock();
}

void domain_unlock(void)
{
	if (self->lock_depth > 1) {
		self->lock_depth--;
		return;
	}
	__atomic_store_n(&holder, 0, __ATOMIC_RELEASE);
	self->lock_depth = 0;
	if (self->upcall.pending)
		events_take();
}

uint32_t domain_unlock_all(void)
{
	uint32_t depth = self->lock_depth;

	__atomic_store_n(&holder, 0, __ATOMIC_RELEASE);
	self->lock_depth = 0;
	return depth;
}

void domain_relock(uint32_t depth)
{
	domain_lock();
	self->lock_depth = depth;
}

bool domain_locked(void) { return self->lock_depth && holder == self->env; }
