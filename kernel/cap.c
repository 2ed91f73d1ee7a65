/* Capabilities: SipHash-2-4 (Aumasson and Bernstein, 2012) of the name under a key that never leaves the kernel. */
#include <kernel/bind.h>
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/device.h>
#include <kernel/frame.h>
#include <kernel/slice.h>

static uint8_t key[16]; /* written once at start */

static inline uint64_t rotate(uint64_t v, int n) { return v << n | v >> (64 - n); }

static void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
	v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

uint64_t siphash_2_4(const uint8_t k[16], const void *bytes, size_t n)
{
	const uint8_t *in = bytes;
	uint64_t k0, k1, word, last = (uint64_t)n << 56;
	uint64_t v[4];

	memcpy(&k0, k, 8);
	memcpy(&k1, k + 8, 8);
	v[0] = k0 ^ 0x736f6d6570736575;
	v[1] = k1 ^ 0x646f72616e646f6d;
	v[2] = k0 ^ 0x6c7967656e657261;
	v[3] = k1 ^ 0x7465646279746573;
	for (; n >= 8; n -= 8, in += 8) {
		memcpy(&word, in, 8);
		v[3] ^= word;
		sip_round(v), sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)in[i] << 8 * i;
	v[3] ^= last;
	sip_round(v), sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v), sip_round(v), sip_round(v), sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void cap_start(const uint8_t boot_key[16]) { memcpy(key, boot_key, sizeof(key)); }

void cap_seal(struct aegis_cap *cap) { cap->seal = siphash_2_4(key, cap, offsetof(struct aegis_cap, seal)); }

bool cap_valid(const struct aegis_cap *cap)
{
	/* One comparison of whole words: its time does not depend on how many bytes of a forged seal are right. */
	return siphash_2_4(key, cap, offsetof(struct aegis_cap, seal)) == cap->seal;
}

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
		cap->epoch = e->cap_epoch;
		return env_mine(e) ? 0 : -E_DENIED;
	default: /* those for devices come from the first environment's by narrowing */
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
	cap_seal(&cap);
	return copy_to_user(out, &cap, sizeof(cap));
}

/* The epoch is bumped, and with it go the bindings that were made by such capabilities: an environment's commander, a device's owner. A slice that
 * changed hands is its new holder's for good: what is taken back from him is asked back. */
int64_t call_cap_end(uint64_t capability, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct aegis_cap cap;
	struct env *e;
	uint32_t epoch;
	int64_t error;

	(void)b, (void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&cap, capability, sizeof(cap))))
		return error;
	if (!cap_valid(&cap) || !(cap.rights & RIGHT_GRANT))
		return -E_DENIED;
	switch (cap.kind) {
	case CAP_ENV:
		e = env_find((env_id)cap.first);
		if (!e || cap.epoch != e->cap_epoch)
			return -E_DENIED;
		e->cap_epoch++;
		e->commander = 0;
		return 0;
	case CAP_SLICES:
		if ((error = slice_check_range(this_cpu()->current->account, cap.first, cap.count, &epoch)))
			return error;
		if (epoch != cap.epoch)
			return -E_DENIED;
		slice_end_epoch(cap.first, cap.count);
		return 0;
	case CAP_DEVICE:
		return device_end_epoch(&cap);
	default:
		return -E_INVALID;
	}
}
