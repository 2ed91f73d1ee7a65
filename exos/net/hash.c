/* Hashes of names: SipHash-2-4 (Aumasson and Bernstein, 2012), for what the outside sees and must not be able to guess. */
#include <exos/net/internal.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t v, int n) { return v << n | v >> (64 - n); }

static inline void sip_round(struct sip *v)
{
	v->v0 += v->v1;
	v->v1 = rotate(v->v1, 13) ^ v->v0;
	v->v0 = rotate(v->v0, 32);
	v->v2 += v->v3;
	v->v3 = rotate(v->v3, 16) ^ v->v2;
	v->v0 += v->v3;
	v->v3 = rotate(v->v3, 21) ^ v->v0;
	v->v2 += v->v1;
	v->v1 = rotate(v->v1, 17) ^ v->v2;
	v->v2 = rotate(v->v2, 32);
}

static void sip_word(struct sip *v, uint64_t word)
{
	v->v3 ^= word;
	sip_round(v);
	sip_round(v);
	v->v0 ^= word;
}

static void sip_address(struct sip *v, const struct net_address *a)
{
	sip_word(v, *(const net_word *)a->bytes);
	sip_word(v, *(const net_word *)(a->bytes + 8));
}

uint64_t net_hash(const struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint64_t more)
{
	struct sip v = { s->secret[0] ^ 0x736f6d6570736575ul, s->secret[1] ^ 0x646f72616e646f6dul, s->secret[0] ^ 0x6c7967656e657261ul, s->secret[1] ^ 0x7465646279746573ul };

	sip_address(&v, &local->address);
	sip_address(&v, &remote->address);
	sip_word(&v, more);
	sip_word(&v, (uint64_t)44 << 56 | (uint64_t)local->port << 16 | remote->port); /* the last word has the length in its last byte */
	v.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&v);
	return v.v0 ^ v.v1 ^ v.v2 ^ v.v3;
}
