/* What all packets have in common that a program accepts (program.h). Jumps lead forward only, so one pass in order sees every instruction after all that lead to it. */
#include <aegis/bpf.h>
#include <errno.h>
#include <exos/lib/net/program.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_OFFSET 12 /* of the Ethernet type, two bytes */

/* Before an instruction, for all packets that get there. */
struct state {
	bool reached, known; /* known: A is field & mask */
	uint16_t offset;
	uint8_t size;
	uint32_t mask;
	struct program_way facts;
};

struct pass {
	const struct aegis_bpf *program;
	uint32_t n;
	bool typed;     /* only packets of this type; else those of none of the types below */
	uint32_t type;
	uint32_t types[NET_BPF_MAX], type_count; /* that are asked for */
	struct state states[NET_BPF_MAX];
	struct program_way accepted;
	bool accepts;
};

static bool has(const struct program_way *way, const struct aegis_atom *atom)
{
	for (uint32_t i = 0; i < way->atom_count; i++)
		if (memcmp(&way->atoms[i], atom, sizeof(*atom)) == 0)
			return true;
	return false;
}

/* Without room a fact is left out: one less that is known. */
static void add_fact(struct program_way *way, const struct state *a, uint32_t mask, uint32_t value)
{
	struct aegis_atom atom = { .offset = a->offset, .size = a->size, .mask = mask, .value = value };

	if (mask && way->atom_count < NET_ATOMS_MAX && !has(way, &atom))
		way->atoms[way->atom_count++] = atom;
}

static void keep_common(struct program_way *way, const struct program_way *other)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < way->atom_count; i++)
		if (has(other, &way->atoms[i]))
			way->atoms[kept++] = way->atoms[i];
	way->atom_count = kept;
}

static void reach(struct pass *p, uint32_t pc, const struct state *from)
{
	struct state *to = &p->states[pc];

	if (!to->reached) {
		*to = *from;
		return;
	}
	to->known = to->known && from->known && to->offset == from->offset && to->size == from->size && to->mask == from->mask;
	keep_common(&to->facts, &from->facts);
}

static bool is_type(const struct state *s) { return s->known && s->offset == TYPE_OFFSET && s->size == 2; }

static void ask_type(struct pass *p, uint32_t type)
{
	for (uint32_t i = 0; i < p->type_count; i++)
		if (p->types[i] == type)
			return;
	p->types[p->type_count++] = type;
}

static bool holds(const struct aegis_bpf *i, uint32_t a)
{
	switch (bpf_op(i)) {
	case BPF_JEQ: return a == i->k;
	case BPF_JGT: return a > i->k;
	case BPF_JGE: return a >= i->k;
	}
	return a & i->k;
}

/* Can a test come out this way, and what is known of the packet then? */
static bool branch(struct pass *p, const struct aegis_bpf *i, bool taken, struct state *s)
{
	if (!s->known || i->code & BPF_X)
		return true;
	if (is_type(s) && p->typed)
		return holds(i, p->type & s->mask) == taken;
	if (bpf_op(i) == BPF_JEQ && taken) {
		if (is_type(s) && s->mask == 0xffff && i->k <= 0xffff) {
			ask_type(p, i->k);
			return false; /* a pass of its own */
		}
		add_fact(&s->facts, s, s->mask, i->k);
		return !(i->k & ~s->mask);
	}
	if (bpf_op(i) == BPF_JSET && !taken)
		add_fact(&s->facts, s, s->mask & i->k, 0);
	return true;
}

static bool jump(struct pass *p, uint32_t pc, const struct state *s)
{
	const struct aegis_bpf *i = &p->program[pc];
	uint32_t rest = p->n - pc - 1;

	if (bpf_op(i) == BPF_JA) {
		if (i->k >= rest)
			return false;
		reach(p, pc + 1 + i->k, s);
		return true;
	}
	if (i->jt >= rest || i->jf >= rest)
		return false;
	for (int taken = 0; taken < 2; taken++) {
		struct state after = *s;

		if (branch(p, i, taken, &after))
			reach(p, pc + 1 + (taken ? i->jt : i->jf), &after);
	}
	return true;
}

static void accept(struct pass *p, const struct state *s)
{
	if (p->accepts)
		keep_common(&p->accepted, &s->facts);
	else
		p->accepted = s->facts;
	p->accepts = true;
}

/* What an instruction leaves in A, where that is a field. */
static void compute(struct state *s, const struct aegis_bpf *i)
{
	switch (bpf_class(i)) {
	case BPF_LD:
		s->known = bpf_mode(i) == BPF_ABS && i->k < NET_OFFSET_MAX;
		s->offset = (uint16_t)i->k;
		s->size = (uint8_t)bpf_size(i);
		s->mask = s->size == 4 ? UINT32_MAX : (1u << 8 * s->size) - 1;
		break;
	case BPF_ALU:
		s->known = s->known && i->code == (BPF_ALU | BPF_AND);
		s->mask &= i->k;
		break;
	case BPF_MISC: s->known = s->known && !(i->code & BPF_TXA); break;
	}
}

static bool pass(struct pass *p)
{
	memset(p->states, 0, p->n * sizeof(p->states[0]));
	p->states[0].reached = true;
	p->accepts = false;
	if (p->typed)
		add_fact(&p->states[0].facts, &(struct state){ .offset = TYPE_OFFSET, .size = 2 }, 0xffff, p->type);
	for (uint32_t pc = 0; pc < p->n; pc++) {
		const struct aegis_bpf *i = &p->program[pc];
		struct state *s = &p->states[pc];

		if (!s->reached)
			continue;
		if (bpf_class(i) == BPF_JMP) {
			if (!jump(p, pc, s))
				return false;
		} else if (bpf_class(i) == BPF_RET) {
			if (i->code != BPF_RET || i->k)
				accept(p, s);
		} else if (pc + 1 == p->n) {
			return false;
		} else {
			compute(s, i);
			reach(p, pc + 1, s);
		}
	}
	return true;
}

/* The first pass leaves out every type that it meets; each has one afterwards. */
static int passes(struct pass *p, int (*found)(void *data, const struct program_way *), void *data)
{
	int ways = 0, error;

	for (uint32_t i = 0; i <= p->type_count; i++) {
		p->typed = i;
		p->type = i ? p->types[i - 1] : 0;
		if (!pass(p))
			return -EINVAL;
		if (!p->accepts)
			continue;
		if ((error = found(data, &p->accepted)))
			return error;
		ways++;
	}
	return ways;
}

int program_ways(const struct aegis_bpf *program, uint32_t n, int (*found)(void *data, const struct program_way *), void *data)
{
	struct pass *p;
	int ways;

	if (!n || n > NET_BPF_MAX)
		return -EINVAL;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->program = program;
	p->n = n;
	p->type_count = 0;
	ways = passes(p, found, data);
	free(p);
	return ways;
}
