/* Capabilities: SipHash-2-4 (Aumasson and Bernstein, 2012) of the name under a key that never leaves the kernel. */
#include <kernel/bind.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/disk/disk.h>
#include <kernel/frame.h>
#include <kernel/net/net.h>
#include <kernel/slice.h>

uint64_t cap_key[2];

void cap_start(const uint64_t boot_key[2])
{
	cap_key[0] = boot_key[0];
	cap_key[1] = boot_key[1];
}

_Static_assert(offsetof(struct aegis_cap, seal) == 24, "a name is three words");
static uint64_t seal_of(const struct aegis_cap *cap)
{
	const uint64_t *name = (const uint64_t *)cap;

	return siphash_2_4(cap_key, name[0], name[1], name[2]);
}

void cap_seal(struct aegis_cap *cap) { cap->seal = seal_of(cap); }

/* One comparison of whole words: its time does not depend on how many bytes of a forged seal are right. */
bool cap_valid(const struct aegis_cap *cap) { return seal_of(cap) == cap->seal; }

int64_t cap_fetch(struct aegis_cap *out, uint64_t user, uint32_t kind, uint32_t rights)
{
	int64_t error = copy_from_user(out, user, sizeof(*out));

	if (error)
		return error;
	return out->kind == kind && (out->rights & rights) == rights && cap_valid(out) ? 0 : -E_DENIED;
}

/* May the current environment hand out capabilities for this? Fills in the epoch, of which one capability has one. */
static int64_t check_mint(struct aegis_cap *cap)
{
	const struct env *account = this_cpu()->current->account;
	struct env *e;

	switch (cap->kind) {
	case CAP_FRAMES:
		if (cap->count - 1 >= AEGIS_BATCH_MAX || cap->first >= frame_count || cap->count > frame_count - cap->first)
			return -E_INVALID;
		cap->epoch = frame_table[cap->first].epoch;
		if (cap->epoch == EPOCH_ANY)
			return -E_DENIED;
		for (uint64_t f = cap->first; f < cap->first + cap->count; f++)
			if (!frame_owned((frame_t)f, account) || frame_table[f].epoch != cap->epoch)
				return -E_DENIED;
		return 0;
	case CAP_SLICES:
		return slice_check_range(account, cap->first, cap->count, &cap->epoch);
	case CAP_ENV:
		e = cap->count == 1 && cap->first && cap->first <= UINT32_MAX ? env_find((env_id)cap->first) : NULL;
		if (!e)
			return cap->count == 1 ? -E_NOENV : -E_INVALID;
		cap->epoch = e->info->cap_epoch;
		return env_mine(e) && cap->epoch != EPOCH_ANY ? 0 : -E_DENIED;
	case CAP_FILTER:
		return filter_check_mint(cap);
	default: /* those for devices and extents come from the first environment's by narrowing */
		return -E_INVALID;
	}
}

int64_t call_cap_mint(uint64_t out, uint64_t kind, uint64_t rights, uint64_t first, uint64_t count)
{
	struct aegis_cap cap = { .kind = (uint16_t)kind, .rights = (uint16_t)rights, .first = first, .count = count };
	int64_t error;

	if (kind > UINT16_MAX || rights & ~(uint64_t)(RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC | RIGHT_GRANT))
		return -E_INVALID;
	if ((error = check_mint(&cap)))
		return error;
	cap_seal(&cap);
	return copy_to_user(out, &cap, sizeof(cap));
}

/* A root capability's narrowed ones get the epoch of what they name, so that they can be ended. */
static int64_t narrow_epoch(struct aegis_cap *cap)
{
	struct env *e;

	if (cap->epoch != EPOCH_ANY)
		return 0;
	switch (cap->kind) {
	case CAP_FRAMES:
		cap->epoch = frame_table[cap->first].epoch;
		for (uint64_t f = cap->first; f < cap->first + cap->count; f++)
			if (cap->count > AEGIS_BATCH_MAX || frame_table[f].epoch != cap->epoch)
				return -E_INVALID;
		break;
	case CAP_SLICES:
		return slice_epoch(cap->first, cap->count, &cap->epoch);
	case CAP_DEVICE:
		cap->epoch = device_epoch((uint32_t)cap->first);
		break;
	case CAP_EXTENT:
		cap->epoch = extent_epoch(cap->first);
		break;
	default: /* those for filters always have one */
		e = env_find((env_id)cap->first);
		if (!e)
			return -E_NOENV;
		cap->epoch = e->info->cap_epoch;
	}
	return cap->epoch == EPOCH_ANY ? -E_DENIED : 0;
}

int64_t call_cap_narrow(uint64_t in, uint64_t out, uint64_t rights, uint64_t first, uint64_t count)
{
	struct aegis_cap cap;
	int64_t error = copy_from_user(&cap, in, sizeof(cap));

	if (error)
		return error;
	if (!cap_valid(&cap) || !(cap.rights & RIGHT_GRANT))
		return -E_DENIED;
	if (rights & ~(uint64_t)cap.rights || first < cap.first || first - cap.first >= cap.count ||
		count > cap.count - (first - cap.first) || count == 0)
		return -E_DENIED;
	cap.rights = (uint16_t)rights;
	cap.first = first;
	cap.count = count;
	if ((error = narrow_epoch(&cap)))
		return error;
	cap_seal(&cap);
	return copy_to_user(out, &cap, sizeof(cap));
}

static int64_t end_env(const struct aegis_cap *cap)
{
	struct env *e = env_find((env_id)cap->first);

	if (!e || !epoch_valid(cap->epoch, e->info->cap_epoch))
		return -E_DENIED;
	epoch_bump(&e->info->cap_epoch);
	e->commander = 0;
	return 0;
}

static int64_t end_slices(const struct aegis_cap *cap)
{
	uint32_t epoch;
	int64_t error = slice_check_range(current_env()->account, cap->first, cap->count, &epoch);

	if (error)
		return error;
	if (!epoch_valid(cap->epoch, epoch))
		return -E_DENIED;
	slice_end_epoch(cap->first, cap->count);
	return 0;
}

/* The epoch is bumped, and with it go the bindings that were made by such capabilities: an environment's commander, a device's owner. A slice that
 * changed hands is its new holder's for good: what is taken back from him is asked back. So are the filters that were installed within one: who is above
 * removes them. */
int64_t call_cap_end(uint64_t capability, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_cap cap;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&cap, capability, sizeof(cap))))
		return error;
	if (!cap_valid(&cap) || !(cap.rights & RIGHT_GRANT))
		return -E_DENIED;
	switch (cap.kind) {
	case CAP_ENV:
		return end_env(&cap);
	case CAP_SLICES:
		return end_slices(&cap);
	case CAP_DEVICE:
		return device_end_epoch(&cap);
	case CAP_FILTER:
		return filter_end_epoch(&cap);
	case CAP_EXTENT:
		return extent_end(&cap);
	default:
		return -E_INVALID;
	}
}
