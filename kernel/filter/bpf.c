/* Classic BPF: which programs are safe, and an interpreter. */
#include <kernel/filter/bpf.h>

static bool load_valid(const struct aegis_bpf *i)
{
	switch (i->code) {
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
	case BPF_LD | BPF_H | BPF_IND:
	case BPF_LD | BPF_B | BPF_IND:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_B | BPF_MSH: return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX: return i->k < BPF_WORDS;
	}
	return false;
}

static bool arithmetic_valid(const struct aegis_bpf *i)
{
	bool constant = !(i->code & BPF_X);

	switch (bpf_op(i)) {
	case BPF_DIV:
	case BPF_MOD: return !constant || i->k;
	case BPF_LSH:
	case BPF_RSH: return !constant || i->k < 32;
	case BPF_NEG: return constant;
	}
	return bpf_op(i) <= BPF_XOR;
}

/* rest: instructions behind this one. */
static bool jump_valid(const struct aegis_bpf *i, uint32_t rest)
{
	if (i->code == (BPF_JMP | BPF_JA))
		return i->k < rest;
	return bpf_op(i) >= BPF_JEQ && bpf_op(i) <= BPF_JSET && i->jt < rest && i->jf < rest;
}

int64_t bpf_check(const struct aegis_bpf *program, uint32_t n)
{
	if (!n || n > NET_BPF_MAX || bpf_class(&program[n - 1]) != BPF_RET)
		return -E_INVALID;
	for (uint32_t pc = 0; pc < n; pc++) {
		const struct aegis_bpf *i = &program[pc];
		bool valid;

		switch (bpf_class(i)) {
		case BPF_ALU: valid = i->code <= 0xff && arithmetic_valid(i); break;
		case BPF_JMP: valid = i->code <= 0xff && jump_valid(i, n - pc - 1); break;
		case BPF_RET: valid = i->code == BPF_RET || i->code == (BPF_RET | BPF_RET_A); break;
		case BPF_MISC: valid = i->code == BPF_MISC || i->code == (BPF_MISC | BPF_TXA); break;
		default: valid = load_valid(i);
		}
		if (!valid)
			return -E_INVALID;
	}
	return 0;
}

struct machine {
	uint32_t a, x, words[BPF_WORDS];
	const uint8_t *packet;
	uint64_t length;
};

/* Big-endian, of `size` bytes; false: it does not lie in the packet. */
static bool fetch(const struct machine *m, uint64_t at, unsigned size, uint32_t *to)
{
	if (at + size > m->length)
		return false;
	*to = 0;
	for (unsigned i = 0; i < size; i++)
		*to = *to << 8 | m->packet[at + i];
	return true;
}

static bool load(struct machine *m, const struct aegis_bpf *i)
{
	uint32_t *to = bpf_class(i) == BPF_LD ? &m->a : &m->x;

	switch (bpf_mode(i)) {
	case BPF_IMM: *to = i->k; return true;
	case BPF_MEM: *to = m->words[i->k]; return true;
	case BPF_LEN: *to = (uint32_t)m->length; return true;
	case BPF_ABS: return fetch(m, i->k, bpf_size(i), to);
	case BPF_IND: return fetch(m, (uint64_t)m->x + i->k, bpf_size(i), to);
	}
	if (!fetch(m, i->k, 1, to)) /* MSH: the length of an IP header */
		return false;
	*to = (*to & 0xf) << 2;
	return true;
}

static bool compute(struct machine *m, const struct aegis_bpf *i)
{
	uint32_t by = i->code & BPF_X ? m->x : i->k;

	switch (bpf_op(i)) {
	case BPF_ADD: m->a += by; break;
	case BPF_SUB: m->a -= by; break;
	case BPF_MUL: m->a *= by; break;
	case BPF_OR: m->a |= by; break;
	case BPF_AND: m->a &= by; break;
	case BPF_XOR: m->a ^= by; break;
	case BPF_NEG: m->a = -m->a; break;
	case BPF_LSH: m->a = by < 32 ? m->a << by : 0; break;
	case BPF_RSH: m->a = by < 32 ? m->a >> by : 0; break;
	case BPF_DIV:
	case BPF_MOD:
		if (!by)
			return false;
		m->a = bpf_op(i) == BPF_DIV ? m->a / by : m->a % by;
	}
	return true;
}

static bool holds(const struct machine *m, const struct aegis_bpf *i)
{
	uint32_t with = i->code & BPF_X ? m->x : i->k;

	switch (bpf_op(i)) {
	case BPF_JEQ: return m->a == with;
	case BPF_JGT: return m->a > with;
	case BPF_JGE: return m->a >= with;
	}
	return m->a & with;
}

uint32_t bpf_interpret(const struct aegis_bpf *program, uint32_t n, const uint8_t *packet, uint32_t length)
{
	struct machine m = {.packet = packet, .length = length};

	for (uint32_t pc = 0; pc < n; pc++) {
		const struct aegis_bpf *i = &program[pc];
		bool fine = true;

		switch (bpf_class(i)) {
		case BPF_LD:
		case BPF_LDX: fine = load(&m, i); break;
		case BPF_ST: m.words[i->k] = m.a; break;
		case BPF_STX: m.words[i->k] = m.x; break;
		case BPF_ALU: fine = compute(&m, i); break;
		case BPF_JMP: pc += bpf_op(i) == BPF_JA ? i->k : holds(&m, i) ? i->jt : i->jf; break;
		case BPF_RET: return i->code & BPF_RET_A ? m.a : i->k;
		case BPF_MISC: *(i->code & BPF_TXA ? &m.a : &m.x) = i->code & BPF_TXA ? m.x : m.a;
		}
		if (!fine)
			return 0;
	}
	return 0;
}
