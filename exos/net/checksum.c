/* The Internet checksum (RFC 1071), of words as they lie in memory: the sum is the same in either byte order, but for a swap. */
#include <exos/net/internal.h>
#include <exos/net/x86_64/add.h>

static inline uint64_t add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

uint32_t net_sum(const void *data, uint32_t length, uint32_t before)
{
	const uint8_t *p = data;
	uint64_t sum = before, word;

	for (; length >= NET_ADD_BLOCK; p += NET_ADD_BLOCK, length -= NET_ADD_BLOCK)
		sum = net_add_block(sum, p);
	for (; length >= 8; p += 8, length -= 8)
		sum = add(sum, *(const net_word *)p);
	if (length & 4) {
		sum = add(sum, *(const net_half *)p);
		p += 4;
	}
	word = 0;
	for (uint32_t i = 0; i < (length & 3); i++)
		word |= (uint64_t)p[i] << 8 * i;
	sum = add(sum, word);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)sum + (uint32_t)(sum >> 32);
}

uint32_t net_piece_sum(const void *data, uint32_t length) { return net_sum_fold(net_sum(data, length, 0)); }

uint32_t net_sum_pseudo(const struct net_address *source, const struct net_address *destination, uint8_t protocol, uint32_t length)
{
	uint8_t last[8] = { 0 };
	uint32_t sum;

	net_put32(last, length);
	last[7] = protocol;
	sum = net_sum(last, 8, 0);
	if (net_is_ipv4(destination))
		return net_sum(source->bytes + 12, 4, net_sum(destination->bytes + 12, 4, sum));
	return net_sum(source->bytes, 16, net_sum(destination->bytes, 16, sum));
}
