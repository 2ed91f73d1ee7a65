/* Classic BPF that is a conjunction: programs as `tcpdump -dd 'tcp dst port 80 and dst host 10.0.2.15'` prints them, turned into atoms. The one way to an accepting return is followed, with what A and X hold as fields
 * of the packet; a test on the way, one of whose branches cannot accept, is an atom. What is not understood, or would not be exact, ends the attempt. */
#include <kernel/filter/bpf.h>

/* What A holds: a constant, or (field & mask) >> down. */
struct value {
	bool field, known; /* neither: not understood */
	uint8_t base, size;
	uint16_t offset;
	uint32_t mask, down;
	uint32_t constant;
};
struct translation {
	const struct aegis_bpf *program;
	struct value a;
	bool indexed, constant_x;           /* X is the header length at header; or it is x */
	uint32_t x, header;
	bool shifted;                       /* there is a shift: by the header length at shift */
	uint32_t shift;
	struct aegis_atom at[2][NET_ATOMS_MAX]; /* comparisons before and behind it */
	uint32_t n[2];
	struct aegis_atom unequal[2][NET_ATOMS_MAX]; /* comparisons that must fail: that follows from one of the others, or it is no conjunction */
	uint32_t unequals[2];
	uint32_t read[2], compared[2];      /* bytes that were read there, and bytes that a comparison is sure to read */
	uint32_t accepts[(NET_BPF_MAX + 31) / 32]; /* bit: an accepting return can be reached from that instruction */
};

static bool may_accept(const struct translation *t, uint32_t pc) { return t->accepts[pc / 32] >> pc % 32 & 1; }

static void find_accepting(struct translation *t, uint32_t n)
{
	for (uint32_t pc = n; pc-- > 0;) {
		const struct aegis_bpf *i = &t->program[pc];
		bool may;

		if (bpf_class(i) == BPF_RET)
			may = i->code != BPF_RET || i->k;
		else if (bpf_class(i) != BPF_JMP)
			may = may_accept(t, pc + 1);
		else if (bpf_op(i) == BPF_JA)
			may = may_accept(t, pc + 1 + i->k);
		else
			may = may_accept(t, pc + 1 + i->jt) || may_accept(t, pc + 1 + i->jf);
		t->accepts[pc / 32] |= (uint32_t)may << pc % 32;
	}
}

/* All packets that come here are at least so long. */
static bool reads(struct translation *t, unsigned base, uint32_t offset, unsigned size)
{
	if (offset >= NET_OFFSET_MAX)
		return false;
	if (offset + size > t->read[base])
		t->read[base] = offset + size;
	return true;
}

/* A shift is there whether or not something behind it is read. */
static bool set_shift(struct translation *t, uint32_t header)
{
	if (t->shifted && t->shift != header)
		return false;
	t->shifted = true;
	t->shift = header;
	return reads(t, 0, header, 1);
}

static bool load_a(struct translation *t, const struct aegis_bpf *i)
{
	unsigned base = 0, size = bpf_size(i);
	uint32_t offset = i->k;

	t->a = (struct value){0};
	switch (bpf_mode(i)) {
	case BPF_IMM: t->a = (struct value){.known = true, .constant = i->k}; return true;
	case BPF_ABS: break;
	case BPF_IND:
		if (t->constant_x && t->x < NET_OFFSET_MAX && i->k < NET_OFFSET_MAX)
			offset += t->x;
		else if (t->indexed && t->header == t->shift)
			base = 1;
		else
			return false;
		break;
	default: return true; /* its value is not understood */
	}
	t->a = (struct value){.field = true, .base = (uint8_t)base, .size = (uint8_t)size, .offset = (uint16_t)offset, .mask = UINT32_MAX >> (32 - 8 * size)};
	return reads(t, base, offset, size);
}

static bool load_x(struct translation *t, const struct aegis_bpf *i)
{
	t->constant_x = bpf_mode(i) == BPF_IMM;
	t->indexed = bpf_mode(i) == BPF_MSH;
	t->x = t->header = i->k;
	return !t->indexed || set_shift(t, i->k);
}

static void compute(struct translation *t, const struct aegis_bpf *i)
{
	struct value *a = &t->a;

	if (a->field && i->code == (BPF_ALU | BPF_AND)) {
		a->mask &= i->k << a->down;
	} else if (a->field && i->code == (BPF_ALU | BPF_RSH) && a->down + i->k < 32) {
		a->down += i->k;
		a->mask &= UINT32_MAX << a->down;
	} else {
		*a = (struct value){0};
		return;
	}
	if (!a->mask)
		*a = (struct value){.known = true};
}

static bool add(struct aegis_atom *to, uint32_t *n, const struct value *a, uint32_t mask, uint32_t value)
{
	if (*n == NET_ATOMS_MAX)
		return false;
	to[(*n)++] = (struct aegis_atom){.offset = a->offset, .size = a->size, .kind = ATOM_COMPARE, .mask = mask, .value = value};
	return true;
}

static bool add_equal(struct translation *t, uint32_t mask, uint32_t value)
{
	uint8_t base = t->a.base;
	uint32_t end = t->a.offset + t->a.size;

	if (end > t->compared[base])
		t->compared[base] = end;
	return add(t->at[base], &t->n[base], &t->a, mask, value);
}

/* Of one bit, the other. */
static bool add_unequal(struct translation *t, uint32_t mask, uint32_t value)
{
	if (!(mask & (mask - 1)))
		return add_equal(t, mask, value ^ mask);
	return add(t->unequal[t->a.base], &t->unequals[t->a.base], &t->a, mask, value);
}

/* libpcap asks whether it is IPv6 before it asks whether it is IPv4, say. */
static bool unequal_follows(const struct translation *t, unsigned base, const struct aegis_atom *u)
{
	for (uint32_t i = 0; i < t->n[base]; i++) {
		const struct aegis_atom *a = &t->at[base][i];

		if (a->offset == u->offset && a->size == u->size && (a->value ^ u->value) & a->mask & u->mask)
			return true;
	}
	return false;
}

/* The test comes out as `wanted`; is that a comparison? */
static bool test(struct translation *t, const struct aegis_bpf *i, bool wanted)
{
	const struct value *a = &t->a;
	uint32_t mask = a->mask, value = i->k << a->down;
	bool equal = i->code == (BPF_JMP | BPF_JEQ);

	if (!a->field || (!equal && i->code != (BPF_JMP | BPF_JSET)))
		return false;
	if (!equal) /* some bit of them, or none */
		mask &= value;
	if (equal ? value >> a->down != i->k || value & ~mask : !mask) /* bits that the field cannot have */
		return false;
	return equal == wanted ? add_equal(t, mask, equal ? value : 0) : add_unequal(t, mask, equal ? value : 0);
}

static bool constant_holds(const struct aegis_bpf *i, uint32_t a)
{
	switch (bpf_op(i)) {
	case BPF_JEQ: return a == i->k;
	case BPF_JGT: return a > i->k;
	case BPF_JGE: return a >= i->k;
	}
	return a & i->k;
}

/* Where a jump goes on; false: it is no conjunction, or never accepts. */
static bool jump(struct translation *t, const struct aegis_bpf *i, uint32_t *pc)
{
	uint32_t yes = *pc + 1 + i->jt, no = *pc + 1 + i->jf;
	bool take;

	if (i->code == (BPF_JMP | BPF_JA) || yes == no) {
		*pc = i->code == (BPF_JMP | BPF_JA) ? *pc + 1 + i->k : yes;
		return true;
	}
	if (t->a.known && !(i->code & BPF_X)) {
		take = constant_holds(i, t->a.constant);
	} else {
		take = may_accept(t, yes);
		if (take == may_accept(t, no) || !test(t, i, take))
			return false;
	}
	*pc = take ? yes : no;
	return may_accept(t, *pc);
}

static bool translate(struct translation *t)
{
	for (uint32_t pc = 0;;) {
		const struct aegis_bpf *i = &t->program[pc];
		bool fine = true;

		switch (bpf_class(i)) {
		case BPF_LD: fine = load_a(t, i); break;
		case BPF_LDX: fine = load_x(t, i); break;
		case BPF_ST:
		case BPF_STX: break; /* what is loaded from there is not understood */
		case BPF_ALU:
			if (bpf_op(i) == BPF_DIV || bpf_op(i) == BPF_MOD)
				fine = !(i->code & BPF_X); /* else X may be 0, which rejects */
			compute(t, i);
			break;
		case BPF_JMP:
			if (!jump(t, i, &pc))
				return false;
			continue;
		case BPF_RET: return i->code == BPF_RET;
		case BPF_MISC:
			if (i->code & BPF_TXA)
				t->a = (struct value){.known = t->constant_x, .constant = t->x};
			else
				t->indexed = false, t->constant_x = t->a.known, t->x = t->a.constant;
		}
		if (!fine)
			return false;
		pc++;
	}
}

int bpf_to_atoms(const struct aegis_bpf *program, uint32_t n, struct aegis_atom *atoms)
{
	struct translation t = {.program = program, .a.known = true, .constant_x = true};
	uint32_t count = 0;

	find_accepting(&t, n);
	if (!may_accept(&t, 0) || !translate(&t) || t.n[0] + t.n[1] + t.shifted > NET_ATOMS_MAX)
		return -1;
	if (t.shifted && t.compared[0] < t.shift + 1)
		t.compared[0] = t.shift + 1;
	if (t.read[0] > t.compared[0] || t.read[1] > t.compared[1]) /* a packet too short for a read is refused, but no comparison would find it so */
		return -1;
	for (unsigned base = 0; base < 2; base++)
		for (uint32_t i = 0; i < t.unequals[base]; i++)
			if (!unequal_follows(&t, base, &t.unequal[base][i]))
				return -1;
	for (uint32_t i = 0; i < t.n[0]; i++)
		atoms[count++] = t.at[0][i];
	if (t.shifted)
		atoms[count++] = (struct aegis_atom){.offset = (uint16_t)t.shift, .size = 1, .kind = ATOM_SHIFT, .mask = 0xf, .value = 2};
	for (uint32_t i = 0; i < t.n[1]; i++)
		atoms[count++] = t.at[1][i];
	return (int)count;
}
