/* Inspection of downloaded handlers (paper 6.3). It follows every way through the program and knows of each register and each 8 bytes of the stack of what
 * kind they are: a number, or a pointer into one of the regions, and where into it if that is certain. Where ways meet, only what holds on all of them is
 * kept; this goes on until nothing changes.
 *
 * What it guarantees: an address of the kernel's never becomes a number, never leaves the registers and the handler's stack, and is used for nothing but
 * accesses that are shown to lie inside the region, or are marked to be checked by the compiled code. */
#include <aegis/error.h>

#include <kernel/filter/handler_kinds.h>

#define PASSES_MAX 8 /* over the program until nothing changes: programs written by people and compilers take two or three, one more for each loop in another */
#define PACKET_KNOWN_MAX 0x8000 /* more is not remembered */

/* ---- One step ---- */

struct inspection {
	const struct aegis_ebpf *program;
	uint32_t n, at; /* instructions; the one that is looked at */
	uint32_t memory; /* bytes of it */
	struct handler_work *work;
	struct handler_state now;
	bool again; /* a state has changed before an instruction that this pass has gone past */
};

static uint16_t get(const struct inspection *in, uint32_t r) { return r == EBPF_FRAME_POINTER ? value_of(KIND_STACK, ASH_STACK) : in->now.registers[r]; }
static void set(struct inspection *in, uint32_t r, uint16_t value) { in->now.registers[r] = value; }

static const uint16_t number = KIND_SCALAR << 13 | VALUE_UNKNOWN;

/* Bytes of the stack are read as numbers, as part of what may be a larger read. */
static const char *read_stack(struct inspection *in, uint32_t first, uint32_t size)
{
	for (uint32_t slot = first / 8; slot * 8 < first + size; slot++) {
		if (slot_get(&in->now, slot) == SLOT_UNWRITTEN)
			in->work->zero |= 1ull << slot;
		else if (slot_get(&in->now, slot) != SLOT_NUMBER)
			return "a pointer on the stack would be read as a number";
	}
	return NULL;
}

/* Numbers are written to a part of the stack. */
static void write_stack(struct inspection *in, uint32_t first, uint32_t size)
{
	for (uint32_t slot = first / 8; slot * 8 < first + size; slot++) {
		uint32_t what = slot_get(&in->now, slot);

		if (first <= slot * 8 && first + size >= slot * 8 + 8) {
			slot_set(&in->now, slot, SLOT_NUMBER);
		} else if (what == SLOT_UNWRITTEN) {
			in->work->zero |= 1ull << slot;
			slot_set(&in->now, slot, SLOT_NUMBER);
		} else if (what != SLOT_NUMBER) {
			slot_set(&in->now, slot, SLOT_SPOILT);
		}
	}
}

/* An access by a pointer into packet, memory or stack: 0, or why not. Says what is to be checked when it runs. */
static const char *check_access(struct inspection *in, uint16_t pointer, int32_t offset, uint32_t size)
{
	int32_t first = offset_of(pointer) + offset;
	uint32_t limit = kind_of(pointer) == KIND_PACKET ? in->now.packet : kind_of(pointer) == KIND_MEMORY ? in->memory : 0;

	in->work->check[in->at] = region_of(pointer);
	switch (region_of(pointer)) {
	case KIND_PACKET:
	case KIND_MEMORY:
		if (certain(pointer) && first >= 0 && first + size <= limit)
			in->work->check[in->at] = 0;
		return NULL;
	case KIND_STACK:
		if (!certain(pointer)) /* it may be anywhere */
			return read_stack(in, 0, ASH_STACK);
		in->work->check[in->at] = 0;
		return first >= 0 && first + size <= ASH_STACK ? NULL : "outside the stack";
	default:
		return "not by a pointer into packet, memory or stack";
	}
}

static const char *load_context(struct inspection *in, const struct aegis_ebpf *i)
{
	const uint16_t fields[] = {KIND_PACKET << 13, KIND_PACKET_END << 13, KIND_MEMORY << 13, value_of(KIND_MEMORY, in->memory), number, number};

	in->work->check[in->at] = 0;
	if (ebpf_size(i) != 8 || i->offset < 0 || i->offset % 8 || i->offset >= (int32_t)sizeof(struct ash_context))
		return "the context is read by whole fields";
	set(in, ebpf_to(i), fields[i->offset / 8]);
	return NULL;
}

static const char *step_load(struct inspection *in, const struct aegis_ebpf *i)
{
	uint16_t pointer = get(in, ebpf_from(i));
	uint32_t first, size = ebpf_size(i);
	const char *wrong;

	if (kind_of(pointer) == KIND_CONTEXT)
		return load_context(in, i);
	wrong = check_access(in, pointer, i->offset, size);
	if (wrong)
		return wrong;
	if (kind_of(pointer) == KIND_STACK && certain(pointer)) {
		first = offset_of(pointer) + i->offset;
		if (size == 8 && first % 8 == 0 && slot_get(&in->now, first / 8) > SLOT_SPOILT) {
			set(in, ebpf_to(i), slot_values[slot_get(&in->now, first / 8)]);
			return NULL;
		}
		wrong = read_stack(in, first, size);
	}
	set(in, ebpf_to(i), number);
	return wrong;
}

static const char *step_store(struct inspection *in, const struct aegis_ebpf *i)
{
	uint16_t pointer = get(in, ebpf_to(i)), value = EBPF_CLASS(i->code) == EBPF_ST ? number : get(in, ebpf_from(i));
	uint32_t first, size = ebpf_size(i);
	const char *wrong = check_access(in, pointer, i->offset, size);

	if (wrong)
		return wrong;
	if (kind_of(value) == KIND_UNUSABLE)
		return "a register is read that holds nothing certain";
	first = offset_of(pointer) + i->offset;
	if (is_pointer(value)) {
		if (kind_of(pointer) != KIND_STACK || !certain(pointer) || size != 8 || first % 8)
			return "a pointer is stored elsewhere than in 8 aligned bytes of the stack";
		slot_set(&in->now, first / 8, slot_of(value));
	} else if (kind_of(pointer) == KIND_STACK && certain(pointer)) {
		write_stack(in, first, size);
	}
	return NULL;
}

/* The sum or difference of a pointer and a number, or the distance of two pointers; KIND_UNUSABLE if it may not be. */
static uint16_t move_pointer(const struct inspection *in, bool add, uint16_t to, uint16_t by, int32_t immediate, bool is_immediate)
{
	uint16_t pointer = add && is_number(to) ? by : to, other = pointer == to ? by : to;
	int64_t distance = is_immediate ? immediate : offset_of(other);

	if (region_of(pointer) == KIND_UNUSABLE)
		return KIND_UNUSABLE;
	if (is_number(other)) {
		if (kind_of(pointer) == KIND_PACKET_END || !certain(pointer) || (!is_immediate && (kind_of(other) != KIND_SCALAR || !certain(other))))
			return value_of(region_of(pointer), VALUE_UNKNOWN);
		return value_of(kind_of(pointer), offset_of(pointer) + (add ? distance : -distance));
	}
	if (add || region_of(to) != region_of(by))
		return KIND_UNUSABLE;
	if (kind_of(to) == KIND_PACKET_END && kind_of(by) == KIND_PACKET && certain(by) && offset_of(by) <= in->now.packet)
		return value_of(KIND_LENGTH, offset_of(by));
	return number;
}

static const char *step_arithmetic(struct inspection *in, const struct aegis_ebpf *i)
{
	uint32_t operation = EBPF_OPERATION(i->code);
	bool wide = EBPF_CLASS(i->code) == EBPF_ALU64, immediate = !(i->code & EBPF_X) || operation == EBPF_END;
	uint16_t to = get(in, ebpf_to(i)), by = immediate ? value_of(KIND_SCALAR, i->immediate) : get(in, ebpf_from(i)), result = number;

	if (kind_of(by) == KIND_UNUSABLE || (operation != EBPF_MOV && kind_of(to) == KIND_UNUSABLE))
		return "a register is read that holds nothing certain";
	if (operation == EBPF_MOV && (immediate || (wide && !i->offset))) {
		result = by;
	} else if (is_pointer(by) || (operation != EBPF_MOV && is_pointer(to))) {
		if (wide && (operation == EBPF_ADD || operation == EBPF_SUB))
			result = move_pointer(in, operation == EBPF_ADD, to, by, i->immediate, immediate);
		else
			result = KIND_UNUSABLE;
		if (result == KIND_UNUSABLE)
			return "this cannot be done with a pointer";
	}
	set(in, ebpf_to(i), result);
	return NULL;
}

static const char *step_call(struct inspection *in, const struct aegis_ebpf *i)
{
	uint32_t p = ebpf_call_pointer(i->immediate);
	uint16_t pointer = p ? get(in, p) : 0, length = p ? get(in, p + 1) : 0;
	const char *wrong = NULL;

	if (p) {
		if (region_of(pointer) == KIND_UNUSABLE)
			return "a call's address is no pointer into packet, memory or stack";
		if (!is_number(length) || (p == 2 && !is_number(get(in, 1))))
			return "a call's argument is no number";
		if (kind_of(pointer) == KIND_STACK) {
			if (!certain(pointer) || kind_of(length) != KIND_SCALAR || !certain(length))
				wrong = read_stack(in, 0, ASH_STACK);
			else if (offset_of(pointer) + offset_of(length) > ASH_STACK)
				wrong = "outside the stack";
			else
				wrong = read_stack(in, offset_of(pointer), offset_of(length));
		}
		in->work->check[in->at] = region_of(pointer);
	}
	for (uint32_t r = 1; r <= 5; r++)
		set(in, r, KIND_UNUSABLE);
	set(in, 0, number);
	return wrong;
}

/* ---- Jumps ---- */

/* On this way the packet has at least so many bytes. */
static void learn(struct handler_state *s, int64_t bytes)
{
	if (bytes > s->packet)
		s->packet = bytes < PACKET_KNOWN_MAX ? bytes : PACKET_KNOWN_MAX;
}

/* The packet's end has been compared with its beginning plus `than`, and stood on the left or on the right. Numbers that are lengths count as such
 * comparisons too: neither side is negative then, so that the signs make no difference. */
static void learn_from(uint32_t operation, bool end_is_left, int64_t than, struct handler_state *taken, struct handler_state *passed)
{
	switch (operation) {
	case EBPF_JEQ:
		learn(taken, than);
		break;
	case EBPF_JNE:
		learn(passed, than);
		break;
	case EBPF_JGT:
	case EBPF_JSGT:
		learn(end_is_left ? taken : passed, than + end_is_left);
		break;
	case EBPF_JGE:
	case EBPF_JSGE:
		learn(end_is_left ? taken : passed, than + !end_is_left);
		break;
	case EBPF_JLT:
	case EBPF_JSLT:
		learn(end_is_left ? passed : taken, than + !end_is_left);
		break;
	case EBPF_JLE:
	case EBPF_JSLE:
		learn(end_is_left ? passed : taken, than + end_is_left);
		break;
	}
}

/* A conditional jump: `taken` is the state at its target, in->now the one behind it. */
static const char *step_compare(struct inspection *in, const struct aegis_ebpf *i, struct handler_state *taken)
{
	uint32_t operation = EBPF_OPERATION(i->code);
	bool wide = EBPF_CLASS(i->code) == EBPF_JMP, immediate = !(i->code & EBPF_X);
	uint16_t to = get(in, ebpf_to(i)), by = immediate ? value_of(KIND_SCALAR, VALUE_UNKNOWN) : get(in, ebpf_from(i));

	in->work->check[in->at] = 0;
	if (kind_of(to) == KIND_UNUSABLE || kind_of(by) == KIND_UNUSABLE)
		return "a register is read that holds nothing certain";
	if (is_number(to) && is_number(by)) {
		if (kind_of(to) == KIND_LENGTH && wide && immediate && i->immediate >= 0)
			learn_from(operation, true, (int64_t)i->immediate + offset_of(to), taken, &in->now);
		return NULL;
	}
	if (!wide || operation == EBPF_JSET || region_of(to) == KIND_UNUSABLE || region_of(to) != region_of(by))
		return "this cannot be done with a pointer";
	/* A pointer that may be anywhere could be moved until it wraps around, and the answers would tell the kernel's address: distances from the region are
	 * compared then. */
	if (!certain(to) || !certain(by))
		in->work->check[in->at] = region_of(to);
	else if (kind_of(to) == KIND_PACKET_END && kind_of(by) == KIND_PACKET)
		learn_from(operation, true, offset_of(by), taken, &in->now);
	else if (kind_of(to) == KIND_PACKET && kind_of(by) == KIND_PACKET_END)
		learn_from(operation, false, offset_of(to), taken, &in->now);
	return NULL;
}

/* ---- The whole program ---- */

/* A way with this state leads to an instruction. */
static void merge(struct inspection *in, const struct handler_state *s, uint32_t at)
{
	struct handler_state *known = &in->work->states[at];
	bool changed = !known->seen;
	uint32_t what;

	if (changed) {
		*known = *s;
		known->seen = 1;
	} else {
		for (uint32_t r = 0; r < EBPF_FRAME_POINTER; r++) {
			uint16_t joined = join(known->registers[r], s->registers[r]);

			changed |= joined != known->registers[r];
			known->registers[r] = joined;
		}
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			if (known->slots[slot / 16] == s->slots[slot / 16]) {
				slot |= 15; /* most are as they were */
				continue;
			}
			what = slot_join(slot_get(known, slot), slot_get(s, slot));
			changed |= what != slot_get(known, slot);
			slot_set(known, slot, what);
		}
		if (s->packet < known->packet) {
			known->packet = s->packet;
			changed = true;
		}
	}
	if (!changed)
		return;
	in->work->flags[at] |= HANDLER_PENDING;
	in->again |= at <= in->at;
}

/* The instruction at in->at: null or why it is refused. *on: the way goes on to the next one. */
static const char *step(struct inspection *in, bool *on)
{
	const struct aegis_ebpf *i = &in->program[in->at];
	struct handler_state taken;
	const char *wrong;

	*on = true;
	switch (EBPF_CLASS(i->code)) {
	case EBPF_LD:
		set(in, ebpf_to(i), number);
		in->at++;
		return NULL;
	case EBPF_LDX:
		return step_load(in, i);
	case EBPF_ST:
	case EBPF_STX:
		return step_store(in, i);
	case EBPF_ALU:
	case EBPF_ALU64:
		return step_arithmetic(in, i);
	}
	if (ebpf_is_call(i))
		return step_call(in, i);
	if (ebpf_is_exit(i)) {
		*on = false;
		return is_number(get(in, 0)) ? NULL : "it does not return a number";
	}
	if (ebpf_is_always(i)) {
		*on = false;
		merge(in, &in->now, ebpf_target(i, in->at));
		return NULL;
	}
	taken = in->now;
	wrong = step_compare(in, i, &taken);
	if (!wrong)
		merge(in, &taken, ebpf_target(i, in->at));
	return wrong;
}

/* From a target of jumps to the next one, or to the end of the way. */
static const char *follow(struct inspection *in)
{
	const char *wrong;
	bool on;

	in->now = in->work->states[in->at];
	do {
		in->work->flags[in->at] |= HANDLER_REACHED;
		wrong = step(in, &on);
		if (wrong || !on)
			return wrong;
		in->at++;
	} while (!(in->work->flags[in->at] & HANDLER_TARGET));
	in->at--; /* merge() compares with where the way comes from */
	merge(in, &in->now, in->at + 1);
	return NULL;
}

static const char *inspect(struct inspection *in)
{
	uint8_t *flags = in->work->flags;
	struct handler_state start = {.packet = HANDLER_PACKET_MIN, .registers = {[1] = KIND_CONTEXT << 13}};
	const char *wrong = ebpf_check_program(in->program, in->n, flags, &in->at);

	if (wrong)
		return wrong;
	flags[0] |= HANDLER_TARGET;
	for (uint32_t i = 0; i < in->n; i++) {
		in->work->states[i].seen = 0;
		in->work->check[i] = 0;
		if (!(flags[i] & HANDLER_INSIDE) && ebpf_has_target(&in->program[i]))
			flags[ebpf_target(&in->program[i], i)] |= HANDLER_TARGET;
	}
	in->at = 0;
	merge(in, &start, 0);
	for (uint32_t pass = 0; pass < PASSES_MAX; pass++) {
		in->again = false;
		for (uint32_t i = 0; i < in->n; i++) {
			if (!(flags[i] & HANDLER_PENDING))
				continue;
			flags[i] &= ~HANDLER_PENDING;
			in->at = i;
			wrong = follow(in);
			if (wrong)
				return wrong;
		}
		if (!in->again)
			return NULL;
	}
	in->at = 0;
	return "its ways meet too often to be followed";
}

/* "instruction 12: why" */
static void explain(struct handler_work *work, uint32_t at, const char *why)
{
	static const char before[] = "instruction ";
	char digits[10], *out = work->text, *end = work->text + sizeof(work->text) - 1;
	uint32_t n = 0;

	do
		digits[n++] = '0' + at % 10;
	while (at /= 10);
	for (const char *c = before; *c; c++)
		*out++ = *c;
	while (n)
		*out++ = digits[--n];
	*out++ = ':';
	*out++ = ' ';
	while (*why && out < end)
		*out++ = *why++;
	*out = 0;
}

int64_t handler_inspect(const struct aegis_ebpf *program, uint32_t n, uint32_t memory, struct handler_work *work)
{
	struct inspection in = {.program = program, .n = n, .memory = memory, .work = work};
	const char *wrong;

	work->zero = 0;
	wrong = n && n <= ASH_LENGTH_MAX ? inspect(&in) : "a program has 1 to 1024 instructions";
	if (!wrong)
		return 0;
	explain(work, in.at, wrong);
	return -E_INVALID;
}
