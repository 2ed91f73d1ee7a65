/* Handlers by an interpreter, as the measure of the compiled ones in tests. It shares with inspection what the instructions are, and nothing else: which
 * values are addresses it notes as it runs. */
#include <kernel/filter/ebpf.h>
#include <kernel/filter/handler.h>

/* What a value is; stack slots that hold a part of an address are SPOILT. */
enum tag { NOTHING, NUMBER, CONTEXT, PACKET, MEMORY, STACK, SPOILT };

struct value {
	uint64_t bits;
	enum tag tag;
};

struct machine {
	struct handler_run *run;
	uint32_t n;
	struct value registers[EBPF_FRAME_POINTER + 1];
	uint8_t slots[ASH_STACK / 8]; /* tags */
	bool over;
	uint64_t result; /* when it is over */
};

static void end(struct machine *m, uint64_t result)
{
	if (m->over)
		return;
	m->over = true;
	m->result = result;
}

static struct value number(uint64_t bits) { return (struct value){.bits = bits, .tag = NUMBER}; }
static bool is_address(struct value v) { return v.tag != NUMBER && v.tag != NOTHING; }

static const uint8_t *region_start(const struct machine *m, enum tag tag)
{
	return tag == PACKET ? m->run->context.packet : tag == MEMORY ? m->run->context.memory : m->run->stack;
}
static uint64_t region_length(const struct machine *m, enum tag tag)
{
	const struct ash_context *c = &m->run->context;

	return tag == PACKET ? (uint64_t)(c->packet_end - c->packet) : tag == MEMORY ? (uint64_t)(c->memory_end - c->memory) : ASH_STACK;
}
static bool movable(struct value v) { return v.tag == PACKET || v.tag == MEMORY || v.tag == STACK; }
static uint64_t distance(const struct machine *m, struct value v) { return v.bits - (uintptr_t)region_start(m, v.tag); }

static struct value read_register(struct machine *m, uint32_t r)
{
	if (m->registers[r].tag == NOTHING)
		end(m, HANDLER_UNSAFE);
	return m->registers[r];
}

/* ---- Memory ---- */

/* Where an access goes, or null: it ends the run. */
static uint8_t *access(struct machine *m, struct value pointer, int32_t offset, uint32_t size)
{
	uint64_t first;

	if (!movable(pointer)) {
		end(m, HANDLER_UNSAFE);
		return NULL;
	}
	first = distance(m, pointer) + (int64_t)offset;
	if (first > region_length(m, pointer.tag) || region_length(m, pointer.tag) - first < size) {
		end(m, ASH_RING);
		return NULL;
	}
	return (uint8_t *)region_start(m, pointer.tag) + first;
}

static uint64_t read_bytes(const uint8_t *from, uint32_t size)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)from[i] << i * 8;
	return value;
}

static void load_context(struct machine *m, const struct aegis_ebpf *i, uint32_t size)
{
	static const uint8_t tags[] = {PACKET, PACKET, MEMORY, MEMORY, NUMBER, NUMBER};

	if (size != 8 || i->offset < 0 || i->offset % 8 || i->offset / 8 > 5)
		end(m, HANDLER_UNSAFE);
	else
		m->registers[ebpf_to(i)] = (struct value){.bits = read_bytes((const uint8_t *)&m->run->context + i->offset, 8), .tag = tags[i->offset / 8]};
}

static void load(struct machine *m, const struct aegis_ebpf *i)
{
	struct value pointer = read_register(m, ebpf_from(i)), got;
	uint32_t size = ebpf_size(i), slot;
	uint8_t *from;

	if (pointer.tag == CONTEXT) {
		load_context(m, i, size);
		return;
	}
	from = access(m, pointer, i->offset, size);
	if (!from)
		return;
	got = number(read_bytes(from, size));
	if (EBPF_MODE(i->code) == EBPF_MEMORY_SIGNED)
		got.bits = (uint64_t)((int64_t)(got.bits << (64 - size * 8)) >> (64 - size * 8));
	if (pointer.tag == STACK) {
		slot = (from - m->run->stack) / 8;
		if (m->slots[slot] != NUMBER && m->slots[slot] != SPOILT && size == 8 && (from - m->run->stack) % 8 == 0)
			got.tag = m->slots[slot];
		else
			for (; slot * 8 < from - m->run->stack + size; slot++)
				if (m->slots[slot] != NUMBER)
					end(m, HANDLER_UNSAFE);
	}
	m->registers[ebpf_to(i)] = got;
}

static void store(struct machine *m, const struct aegis_ebpf *i)
{
	struct value pointer = read_register(m, ebpf_to(i)), value = EBPF_CLASS(i->code) == EBPF_ST ? number(i->immediate) : read_register(m, ebpf_from(i));
	uint32_t size = ebpf_size(i);
	uint8_t *to = access(m, pointer, i->offset, size);
	uint32_t first;

	if (!to)
		return;
	if (is_address(value) && (pointer.tag != STACK || size != 8 || (to - m->run->stack) % 8)) {
		end(m, HANDLER_UNSAFE);
		return;
	}
	for (uint32_t byte = 0; byte < size; byte++)
		to[byte] = value.bits >> byte * 8;
	if (pointer.tag != STACK)
		return;
	first = to - m->run->stack;
	for (uint32_t slot = first / 8; slot * 8 < first + size; slot++) {
		if (first <= slot * 8 && first + size >= slot * 8 + 8)
			m->slots[slot] = value.tag;
		else if (m->slots[slot] != NUMBER)
			m->slots[slot] = SPOILT;
	}
}

/* ---- Arithmetic ---- */

static uint64_t divide(uint64_t a, uint64_t b, bool rest) { return b ? rest ? a % b : a / b : rest ? a : 0; }
static uint64_t divide_signed(int64_t a, int64_t b, bool rest)
{
	if (b == -1)
		return rest ? 0 : 0 - (uint64_t)a;
	return b ? rest ? a % b : a / b : rest ? a : 0;
}

static uint64_t swap(const struct aegis_ebpf *i, uint64_t a)
{
	if (i->code == EBPF_LITTLE)
		return i->immediate == 16 ? (uint16_t)a : i->immediate == 32 ? (uint32_t)a : a;
	return i->immediate == 16 ? __builtin_bswap16(a) : i->immediate == 32 ? __builtin_bswap32(a) : __builtin_bswap64(a);
}

static uint64_t calculate_64(const struct aegis_ebpf *i, uint64_t a, uint64_t b)
{
	switch (EBPF_OPERATION(i->code)) {
	case EBPF_ADD:
		return a + b;
	case EBPF_SUB:
		return a - b;
	case EBPF_MUL:
		return a * b;
	case EBPF_DIV:
	case EBPF_MOD:
		return i->offset ? divide_signed(a, b, EBPF_OPERATION(i->code) == EBPF_MOD) : divide(a, b, EBPF_OPERATION(i->code) == EBPF_MOD);
	case EBPF_OR:
		return a | b;
	case EBPF_AND:
		return a & b;
	case EBPF_LSH:
		return a << (b & 63);
	case EBPF_RSH:
		return a >> (b & 63);
	case EBPF_NEG:
		return 0 - a;
	case EBPF_XOR:
		return a ^ b;
	case EBPF_MOV:
		return i->offset == 8 ? (uint64_t)(int8_t)b : i->offset == 16 ? (uint64_t)(int16_t)b : i->offset == 32 ? (uint64_t)(int32_t)b : b;
	case EBPF_ARSH:
		return (int64_t)a >> (b & 63);
	default:
		return swap(i, a);
	}
}

static uint64_t calculate_32(const struct aegis_ebpf *i, uint32_t a, uint32_t b)
{
	switch (EBPF_OPERATION(i->code)) {
	case EBPF_DIV:
	case EBPF_MOD:
		if (i->offset)
			return (uint32_t)divide_signed((int32_t)a, (int32_t)b, EBPF_OPERATION(i->code) == EBPF_MOD);
		return (uint32_t)divide(a, b, EBPF_OPERATION(i->code) == EBPF_MOD);
	case EBPF_LSH:
		return a << (b & 31);
	case EBPF_RSH:
		return a >> (b & 31);
	case EBPF_ARSH:
		return (uint32_t)((int32_t)a >> (b & 31));
	default:
		return (uint32_t)calculate_64(i, a, b);
	}
}

static void arithmetic(struct machine *m, const struct aegis_ebpf *i)
{
	uint32_t operation = EBPF_OPERATION(i->code);
	bool wide = EBPF_CLASS(i->code) == EBPF_ALU64, register_too = (i->code & EBPF_X) && operation != EBPF_END;
	struct value a = operation == EBPF_MOV ? number(0) : read_register(m, ebpf_to(i)), b = register_too ? read_register(m, ebpf_from(i)) : number(i->immediate), result;

	/* The long swap of 64 bits is of a class, the short one of the other; neither is cut to 32. */
	result = number(wide || operation == EBPF_END ? calculate_64(i, a.bits, b.bits) : calculate_32(i, a.bits, b.bits));
	if (is_address(a) || is_address(b)) {
		if (operation == EBPF_MOV && wide && !i->offset)
			result.tag = b.tag;
		else if (wide && (operation == EBPF_ADD || operation == EBPF_SUB) && movable(a) && b.tag == NUMBER)
			result.tag = a.tag;
		else if (wide && operation == EBPF_ADD && a.tag == NUMBER && movable(b))
			result.tag = b.tag;
		else if (!wide || operation != EBPF_SUB || !movable(a) || a.tag != b.tag)
			end(m, HANDLER_UNSAFE);
	}
	m->registers[ebpf_to(i)] = result;
}

/* ---- Jumps and calls ---- */

static bool compare(uint32_t operation, uint64_t a, uint64_t b, int64_t as, int64_t bs)
{
	switch (operation) {
	case EBPF_JEQ:
		return a == b;
	case EBPF_JGT:
		return a > b;
	case EBPF_JGE:
		return a >= b;
	case EBPF_JSET:
		return a & b;
	case EBPF_JNE:
		return a != b;
	case EBPF_JSGT:
		return as > bs;
	case EBPF_JSGE:
		return as >= bs;
	case EBPF_JLT:
		return a < b;
	case EBPF_JLE:
		return a <= b;
	case EBPF_JSLT:
		return as < bs;
	default:
		return as <= bs;
	}
}

static bool taken(struct machine *m, const struct aegis_ebpf *i)
{
	uint32_t operation = EBPF_OPERATION(i->code);
	bool wide = EBPF_CLASS(i->code) == EBPF_JMP;
	struct value a, b;

	if (operation == EBPF_JA)
		return true;
	a = read_register(m, ebpf_to(i));
	b = i->code & EBPF_X ? read_register(m, ebpf_from(i)) : number(i->immediate);
	if (is_address(a) || is_address(b)) {
		if (!wide || !movable(a) || a.tag != b.tag || operation == EBPF_JSET)
			end(m, HANDLER_UNSAFE);
		/* By their distances from the region's beginning, which may be negative, so that nothing can be learnt of where that is. */
		a.bits = distance(m, a) + (1ull << 63);
		b.bits = distance(m, b) + (1ull << 63);
		if (operation == EBPF_JSGT || operation == EBPF_JSGE || operation == EBPF_JSLT || operation == EBPF_JSLE)
			a.bits -= 1ull << 63, b.bits -= 1ull << 63;
	}
	if (!wide)
		return compare(operation, (uint32_t)a.bits, (uint32_t)b.bits, (int32_t)a.bits, (int32_t)b.bits);
	return compare(operation, a.bits, b.bits, a.bits, b.bits);
}

static void call(struct machine *m, const struct aegis_ebpf *i)
{
	struct handler_run *run = m->run;
	uint32_t p = ebpf_call_pointer(i->immediate);
	struct value pointer = number(0), length = number(0), offset = number(0);
	uint8_t *from = NULL;
	int64_t got;

	if (p) {
		pointer = read_register(m, p);
		length = read_register(m, p + 1);
		if (p == 2)
			offset = read_register(m, 1);
		if (is_address(length) || is_address(offset) || !movable(pointer))
			end(m, HANDLER_UNSAFE);
		if (m->over)
			return;
		if (length.bits > UINT32_MAX) {
			end(m, ASH_RING);
			return;
		}
		from = access(m, pointer, 0, length.bits);
		if (!from)
			return;
		for (uint64_t byte = 0; pointer.tag == STACK && byte < length.bits; byte++)
			if (m->slots[(from - run->stack + byte) / 8] != NUMBER)
				end(m, HANDLER_UNSAFE);
		run->steps -= ASH_STEPS_CALL + length.bits / 8;
		if (run->steps < 0)
			end(m, ASH_RING);
		if (m->over)
			return;
	}
	switch (i->immediate) {
	case ASH_CALL_SEND:
		got = run->send(run->owner, from, length.bits);
		break;
	case ASH_CALL_COPY:
		got = run->copy(run->owner, offset.bits, from, length.bits);
		break;
	case ASH_CALL_SUM:
		got = run->sum(run->owner, from, length.bits);
		break;
	default:
		got = run->time(run->owner);
	}
	for (uint32_t r = 1; r <= 5; r++)
		m->registers[r].tag = NOTHING;
	m->registers[0] = number(got);
}

static void jump(struct machine *m, const struct aegis_ebpf *i, uint32_t *at)
{
	int64_t target = ebpf_target(i, *at);

	if (!taken(m, i))
		return;
	if (target <= *at) {
		m->run->steps -= m->n;
		if (m->run->steps < 0)
			end(m, ASH_RING);
	}
	*at = (uint32_t)target - 1; /* the next one is gone to */
}

uint64_t handler_interpret(const struct aegis_ebpf *program, uint32_t n, struct handler_run *run)
{
	struct machine m = {.run = run, .n = n};

	if (run->context.packet_end - run->context.packet < HANDLER_PACKET_MIN)
		return ASH_RING;
	for (uint32_t i = 0; i < ASH_STACK; i++)
		run->stack[i] = 0;
	for (uint32_t i = 0; i < ASH_STACK / 8; i++)
		m.slots[i] = NUMBER;
	m.registers[1] = (struct value){.bits = (uintptr_t)&run->context, .tag = CONTEXT};
	m.registers[EBPF_FRAME_POINTER] = (struct value){.bits = (uintptr_t)run->stack + ASH_STACK, .tag = STACK};
	for (uint32_t at = 0; !m.over; at++) {
		const struct aegis_ebpf *i = &program[at];

		if (at >= n || ebpf_check(i, at + 1 < n ? i + 1 : NULL))
			return HANDLER_UNSAFE;
		if (ebpf_is_load(i)) {
			load(&m, i);
		} else if (ebpf_is_arithmetic(i)) {
			arithmetic(&m, i);
		} else if (ebpf_is_call(i)) {
			call(&m, i);
		} else if (ebpf_is_exit(i)) {
			struct value result = read_register(&m, 0);

			if (!m.over)
				end(&m, is_address(result) ? HANDLER_UNSAFE : result.bits > ASH_TELL ? ASH_RING : result.bits);
		} else if (ebpf_is_jump(i)) {
			jump(&m, i, &at);
		} else if (EBPF_CLASS(i->code) == EBPF_LD) {
			m.registers[ebpf_to(i)] = number((uint32_t)i->immediate | (uint64_t)(uint32_t)i[1].immediate << 32);
			at++;
		} else {
			store(&m, i);
		}
	}
	return m.result;
}
