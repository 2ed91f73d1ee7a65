/* See squeeze.h. */
#include <string.h>

#include <exos/lib/vm/squeeze.h>

#define HASH_SHIFT 10
#define LEAST 4 /* bytes of a match */
#define MOST_LITERALS 128
#define LONG_MATCH 127 /* and more are told by two bytes */

struct output {
	uint8_t *at, *end; /* at null: it did not fit */
};

static uint32_t word_at(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static unsigned hash(const uint8_t *p) { return word_at(p) * 2654435761u >> (32 - HASH_SHIFT); }

static void put_literals(struct output *o, const uint8_t *from, size_t n)
{
	while (n && o->at) {
		size_t some = n < MOST_LITERALS ? n : MOST_LITERALS;

		if ((size_t)(o->end - o->at) < some + 1) {
			o->at = NULL;
			return;
		}
		*o->at++ = (uint8_t)(some - 1);
		memcpy(o->at, from, some);
		o->at += some;
		from += some;
		n -= some;
	}
}

static void put_match(struct output *o, size_t length, size_t back)
{
	size_t rest = length - LEAST;

	if (!o->at || o->end - o->at < 5) {
		o->at = NULL;
		return;
	}
	*o->at++ = (uint8_t)(0x80 | (rest < LONG_MATCH ? rest : LONG_MATCH));
	if (rest >= LONG_MATCH) {
		*o->at++ = (uint8_t)(rest - LONG_MATCH);
		*o->at++ = (uint8_t)((rest - LONG_MATCH) >> 8);
	}
	*o->at++ = (uint8_t)back;
	*o->at++ = (uint8_t)(back >> 8);
}

/* How many bytes at p are those at q, which is below it. */
static size_t same(const uint8_t *q, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;
	uint64_t a, b;

	for (; end - p >= 8; p += 8, q += 8) {
		memcpy(&a, p, 8);
		memcpy(&b, q, 8);
		if (a != b)
			return (size_t)(p - start) + (size_t)__builtin_ctzl(a ^ b) / 8;
	}
	while (p < end && *p == *q) {
		p++;
		q++;
	}
	return (size_t)(p - start);
}

size_t squeeze(uint8_t *code, size_t room, const uint8_t *bytes, size_t n)
{
	uint16_t last[1 << HASH_SHIFT]; /* where a word of this hash was; may be wrong, is compared */
	const uint8_t *p = bytes, *literals = bytes, *end = bytes + n;
	struct output o = { code, code + room };

	memset(last, 0, sizeof(last));
	while (end - p > LEAST && o.at) {
		uint16_t *slot = &last[hash(p)];
		const uint8_t *q = bytes + *slot;
		size_t length;

		*slot = (uint16_t)(p - bytes);
		if (q >= p || word_at(q) != word_at(p)) {
			p++;
			continue;
		}
		length = same(q, p, end);
		put_literals(&o, literals, (size_t)(p - literals));
		put_match(&o, length, (size_t)(p - q));
		p += length;
		literals = p;
	}
	put_literals(&o, literals, (size_t)(end - literals));
	return o.at ? (size_t)(o.at - code) : 0;
}

struct input {
	const uint8_t *at, *end;
};
static size_t left(const struct input *in) { return (size_t)(in->end - in->at); }

static unsigned two_bytes(struct input *in)
{
	unsigned value = in->at[0] | (unsigned)in->at[1] << 8;

	in->at += 2;
	return value;
}

/* The length of a match and how far back it is; false: the code ends in it. */
static int match(struct input *in, unsigned first, size_t *length, size_t *back)
{
	size_t more = first == 0xff ? 4 : 2;

	if (left(in) < more)
		return 0;
	*length = (first & 0x7f) + LEAST;
	if (first == 0xff)
		*length += two_bytes(in);
	*back = two_bytes(in);
	return 1;
}

/* Forward, as what is copied may be part of what it makes; words where they do not overlap. */
static void copy_back(uint8_t *to, size_t back, size_t length)
{
	const uint8_t *from = to - back;
	uint64_t word;

	if (back == 1) {
		memset(to, *from, length);
		return;
	}
	for (; back >= 8 && length >= 8; length -= 8, to += 8, from += 8) {
		memcpy(&word, from, 8);
		memcpy(to, &word, 8);
	}
	while (length--)
		*to++ = *from++;
}

size_t unsqueeze(uint8_t *bytes, size_t room, const uint8_t *code, size_t n)
{
	struct input in = { code, code + n };
	size_t done = 0, length, back;

	while (left(&in)) {
		unsigned c = *in.at++;

		if (c < 0x80) {
			length = c + 1;
			if (left(&in) < length || room - done < length)
				return SQUEEZE_BAD;
			memcpy(bytes + done, in.at, length);
			in.at += length;
		} else {
			if (!match(&in, c, &length, &back) || !back || back > done || room - done < length)
				return SQUEEZE_BAD;
			copy_back(bytes + done, back, length);
		}
		done += length;
	}
	return done;
}
