/* See generate.h. A program is a row of pieces of one to eight instructions. Between pieces registers keep their parts: r0 to r4 hold numbers, r5 is
 * anything's, r6 the context, r7 points into the packet, r8 is its end, r9 points into memory; the lowest slots of the stack are for pointers. So a jump may
 * lead from any piece to any other. */
#include "assemble.h"
#include "generate.h"

static uint64_t state;

void random_seed(uint64_t seed) { state = seed * 0x9e3779b97f4a7c15 + 0x1234567; }

uint64_t random_64(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t random_below(uint32_t n) { return (uint32_t)((random_64() >> 32) * n >> 32); }

#define POINTER_SLOTS 4 /* the lowest of the stack */

static struct aegis_ebpf *out;
static uint32_t count, starts[GENERATED_MAX], pieces;
static bool jumps_from[GENERATED_MAX]; /* instructions whose target is not set yet */
static bool wild_stack, backward; /* the stack is used anywhere, and then not for pointers; there are loops */

#define PUT(...) (out[count++] = (struct aegis_ebpf)__VA_ARGS__)

static bool chance(uint32_t of_100) { return random_below(100) < of_100; }
static uint32_t any_number(void) { return random_below(5); }
static int32_t any_immediate(void)
{
	static const int32_t special[] = {0, 1, -1, 2, 8, 31, 32, 63, 64, 255, 0x7fffffff, (int32_t)0x80000000, 0xffff, 4096};

	return chance(50) ? special[random_below(sizeof(special) / sizeof(special[0]))] : chance(50) ? (int32_t)random_below(64) : (int32_t)random_64();
}
static uint8_t any_access(uint32_t class, bool may_extend)
{
	uint32_t size = random_below(4);

	return class | size << 3 | (may_extend && size != EBPF_DOUBLE && chance(20) ? EBPF_MEMORY_SIGNED : EBPF_MEMORY) << 5;
}

static void piece_arithmetic(void)
{
	static const uint8_t operations[] = {EBPF_ADD, EBPF_SUB, EBPF_MUL, EBPF_DIV, EBPF_OR, EBPF_AND, EBPF_LSH, EBPF_RSH, EBPF_MOD, EBPF_XOR, EBPF_MOV, EBPF_ARSH};
	uint32_t operation = operations[random_below(sizeof(operations))], class = chance(60) ? EBPF_ALU64 : EBPF_ALU;
	bool by_register = chance(50);
	int16_t offset = 0;

	if ((operation == EBPF_DIV || operation == EBPF_MOD) && chance(50))
		offset = 1;
	if (operation == EBPF_MOV && by_register && chance(60))
		offset = 8 << random_below(class == EBPF_ALU64 ? 3 : 2);
	PUT(INSTRUCTION(class | operation << 4 | (by_register ? EBPF_X : 0), any_number(), by_register ? any_number() : 0, offset, by_register ? 0 : any_immediate()));
}

static void piece_unary(void)
{
	static const uint8_t codes[] = {EBPF_LITTLE, EBPF_BIG, EBPF_SWAP};

	if (chance(30))
		PUT(INSTRUCTION((chance(50) ? EBPF_ALU64 : EBPF_ALU) | EBPF_NEG << 4, any_number(), 0, 0, 0));
	else
		PUT(INSTRUCTION(codes[random_below(3)], any_number(), 0, 0, 16 << random_below(3)));
}

static void piece_constant(void)
{
	uint64_t value = chance(50) ? random_64() : 1ull << random_below(64);

	PUT(INSTRUCTION(EBPF_LOAD_64, any_number(), 0, 0, (int32_t)value));
	out[count] = out[count - 1];
	out[count].code = out[count].registers = 0;
	out[count++].immediate = (int32_t)(value >> 32);
}

static void access_by(uint32_t pointer, int16_t offset)
{
	switch (random_below(3)) {
	case 0:
		PUT(INSTRUCTION(any_access(EBPF_LDX, true), any_number(), pointer, offset, 0));
		break;
	case 1:
		PUT(INSTRUCTION(any_access(EBPF_STX, false), pointer, any_number(), offset, 0));
		break;
	default:
		PUT(INSTRUCTION(any_access(EBPF_ST, false), pointer, 0, offset, any_immediate()));
	}
}

static void piece_access(void)
{
	switch (random_below(4)) {
	case 0:
		access_by(7, random_below(chance(50) ? 20 : 80));
		break;
	case 1:
		access_by(8, (int16_t)-8 - (int16_t)random_below(16) + (chance(20) ? 8 : 0));
		break;
	case 2:
		access_by(9, chance(80) ? random_below(64) : 4080 + random_below(17));
		break;
	default: /* of the stack what is not for pointers */
		access_by(10, -8 - (int16_t)random_below(chance(70) ? 32 : ASH_STACK - 8 - 8 * POINTER_SLOTS + 1));
	}
}

static void piece_context(void) { PUT(INSTRUCTION(EBPF_LDX | EBPF_DOUBLE << 3 | EBPF_MEMORY << 5, any_number(), 6, chance(50) ? TAG : ARRIVED, 0)); }

/* r5 points somewhere. On the stack that is not known beforehand, as it might be outside, and the program refused. */
static void wander(void)
{
	uint32_t from = 7 + random_below(wild_stack ? 4 : 3), by = any_number();

	PUT(MOV_X(5, from));
	if (from == 10)
		PUT(ALU_K(ADD, 5, -(int32_t)random_below(ASH_STACK)));
	if (from != 10 && chance(30)) {
		PUT(ALU_K(ADD, 5, chance(90) ? (int32_t)random_below(64) : any_immediate()));
		return;
	}
	if (from == 10 || chance(90))
		PUT(ALU_K(AND, by, chance(80) ? 15 : 255));
	PUT(INSTRUCTION(EBPF_ALU64 | (chance(70) ? EBPF_ADD : EBPF_SUB) << 4 | EBPF_X, 5, by, 0, 0));
}

static void piece_wander(void)
{
	wander();
	access_by(5, (int16_t)random_below(40) - 8);
	if (chance(50))
		access_by(5, chance(95) ? (int16_t)random_below(8) : (int16_t)random_64());
}

/* A pointer that moves for good. */
static void piece_move(void)
{
	uint32_t pointer = chance(50) ? 7 : 9;

	if (chance(50)) {
		PUT(ALU_K(ADD, pointer, random_below(6)));
	} else {
		uint32_t by = any_number();

		PUT(ALU_K(AND, by, 7));
		PUT(ALU_X(ADD, pointer, by));
	}
}

static void piece_spill(void)
{
	uint32_t part = random_below(POINTER_SLOTS), r = 6 + part;

	/* Each slot is for one register. */
	PUT(STORE(DOUBLE, 10, (int16_t)(part * 8 - ASH_STACK), r));
	if (chance(70))
		PUT(LOAD(DOUBLE, r, 10, (int16_t)(part * 8 - ASH_STACK)));
	if (chance(20))
		PUT(STORE_K(DOUBLE, 10, (int16_t)(part * 8 - ASH_STACK), 0));
}

static void piece_call(void)
{
	uint32_t number = ASH_CALL_SEND + random_below(4), p = ebpf_call_pointer((int32_t)number);

	if (p) {
		wander();
		PUT(MOV_X(p, 5));
		if (chance(80))
			PUT(MOV_K(p + 1, (int32_t)random_below(chance(50) ? 20 : 128)));
		else
			PUT(MOV_X(p + 1, p == 1 ? 3 : 4));
		if (p == 2)
			PUT(INSTRUCTION(EBPF_ALU64 | EBPF_MOV << 4, 1, 0, 0, (int32_t)random_below(5000)));
	}
	PUT(CALL(number));
	for (uint32_t r = 1; r <= 4; r++)
		PUT(INSTRUCTION(EBPF_ALU64 | EBPF_MOV << 4 | (chance(50) ? EBPF_X : 0), r, 0, 0, 0));
}

/* A jump to a piece that is chosen later. */
static void jump_later(struct aegis_ebpf jump)
{
	jumps_from[count] = true;
	out[count++] = jump;
}

static uint8_t any_condition(bool set_too)
{
	static const uint8_t operations[] = {EBPF_JEQ, EBPF_JGT, EBPF_JGE, EBPF_JNE, EBPF_JSGT, EBPF_JSGE, EBPF_JLT, EBPF_JLE, EBPF_JSLT, EBPF_JSLE, EBPF_JSET};

	return operations[random_below(sizeof(operations) - !set_too)] << 4;
}

static void piece_branch(void)
{
	uint32_t class = chance(60) ? EBPF_JMP : EBPF_JMP32;

	if (chance(50))
		jump_later((struct aegis_ebpf)INSTRUCTION(class | any_condition(true), any_number(), 0, 0, any_immediate()));
	else
		jump_later((struct aegis_ebpf)INSTRUCTION(class | any_condition(true) | EBPF_X, any_number(), any_number(), 0, 0));
}

/* Over what comes next, unless that is jumped to. */
static void piece_skip(void) { jump_later((struct aegis_ebpf)INSTRUCTION((chance(50) ? EBPF_JMP : EBPF_JMP32) | EBPF_JA << 4, 0, 0, 0, 0)); }

/* Of pointers, and of what tells of the packet's length. */
static void piece_bounds(void)
{
	uint32_t reach = random_below(90), swap = random_below(2);

	switch (random_below(4)) {
	case 0:
		PUT(MOV_X(5, 7));
		PUT(ALU_K(ADD, 5, (int32_t)reach));
		jump_later((struct aegis_ebpf)INSTRUCTION(EBPF_JMP | any_condition(false) | EBPF_X, swap ? 5 : 8, swap ? 8 : 5, 0, 0));
		access_by(7, (int16_t)(reach > 8 ? reach - 8 + random_below(3) : 0));
		break;
	case 1:
		PUT(MOV_X(5, 8));
		PUT(ALU_X(SUB, 5, 7));
		jump_later((struct aegis_ebpf)INSTRUCTION(EBPF_JMP | any_condition(false), 5, 0, 0, (int32_t)reach));
		access_by(7, (int16_t)(reach > 8 ? reach - 8 + random_below(3) : 0));
		break;
	case 2: {
		uint32_t by = any_number(), pointer = 7 + random_below(3);

		PUT(MOV_X(5, pointer));
		PUT(ALU_X(ADD, 5, by));
		jump_later((struct aegis_ebpf)INSTRUCTION(EBPF_JMP | any_condition(false) | EBPF_X, swap ? 5 : pointer, swap ? pointer : 5, 0, 0));
		break;
	}
	default: /* a distance is a number */
		wander();
		PUT(MOV_K(5, 0));
		PUT(ALU_X(ADD, 5, 9));
		PUT(ALU_X(SUB, 5, 9));
		PUT(ALU_X(ADD, 0, 5));
	}
}

static void piece_exit(void)
{
	piece_branch();
	if (chance(70))
		PUT(ALU_K(AND, 0, chance(80) ? 2 : 3));
	PUT(EXIT);
}

static void (*const all[])(void) = {piece_arithmetic, piece_arithmetic, piece_arithmetic, piece_unary, piece_constant, piece_access,
	piece_access, piece_access, piece_context, piece_wander, piece_wander, piece_move, piece_spill, piece_call, piece_branch, piece_branch, piece_skip, piece_bounds, piece_bounds, piece_exit};

static void begin(void)
{
	PUT(MOV_X(6, 1));
	PUT(LOAD(DOUBLE, 7, 6, PACKET));
	PUT(LOAD(DOUBLE, 8, 6, PACKET_END));
	PUT(LOAD(DOUBLE, 9, 6, MEMORY_FIELD));
	for (uint32_t r = 0; r < 5; r++) {
		if (chance(50))
			PUT(INSTRUCTION(EBPF_ALU64 | EBPF_MOV << 4, r, 0, 0, any_immediate()));
		else
			PUT(INSTRUCTION(any_access(EBPF_LDX, true), r, 7, (int16_t)random_below(7), 0));
	}
}

/* A jump's target is the beginning of a piece; mostly one soon after it. */
static void set_targets(void)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t next = 0, piece;

		if (!jumps_from[i])
			continue;
		while (starts[next] <= i)
			next++;
		piece = next + random_below(pieces - next < 5 ? pieces - next : 5);
		if (backward && chance(40))
			piece = random_below(pieces);
		if (out[i].code == EBPF_JMP32)
			out[i].immediate = (int32_t)(starts[piece] - i - 1);
		else
			out[i].offset = (int16_t)(starts[piece] - i - 1);
	}
}

uint32_t generate(struct aegis_ebpf *program)
{
	uint32_t wanted = 1 + random_below(chance(80) ? 12 : 26);

	out = program;
	count = pieces = 0;
	for (uint32_t i = 0; i < GENERATED_MAX; i++)
		jumps_from[i] = false;
	wild_stack = chance(30);
	backward = chance(12);
	begin();
	for (uint32_t i = 0; i < wanted; i++) {
		void (*piece)(void) = all[random_below(sizeof(all) / sizeof(all[0]))];

		if (piece == piece_spill && wild_stack)
			piece = piece_access;
		starts[pieces++] = count;
		piece();
	}
	starts[pieces++] = count;
	if (chance(80))
		PUT(ALU_K(AND, 0, chance(80) ? 2 : 3));
	PUT(EXIT);
	set_targets();
	return count;
}
