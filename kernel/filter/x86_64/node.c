/* Machine code of the trie's nodes. A node's code is called, or jumped to, with
 *
 *   rdi  the packet; rsi its length in bytes, all 64 bits, at least SHORT_PACKET
 *   r8   base after one shift, r9 after two; r10 the packet's end, once there was a shift
 *   eax  key of the best filter so far; 0: none
 *
 * and returns with a key in eax that is as good or better. It changes rcx, rdx, r11 and what belongs to deeper shifts. So a node that has others after it at its place calls what comes behind its own test, and then looks whether
 * these can still win; one that has none jumps there. The code of a root is a C function: it returns the best filter's number. */
#include <kernel/filter/trie.h>
#include <kernel/filter/x86_64/emit.h>

static const uint8_t bases[] = {RDI, R8, R9};

static void load(struct emitter *e, const struct node *n)
{
	emit_memory(e, n->size == 4 ? 0x8b : n->size == 2 ? 0x0fb7 : 0x0fb6, RCX, bases[n->depth], n->offset);
}

static bool whole(const struct node *n) { return n->mask == UINT32_MAX >> (32 - 8 * n->size); }

/* Whether the field ends in the packet, unless it is known on the way here. Null, or a jump to where the field does not match. */
static uint8_t *check_length(struct emitter *e, const struct node *n)
{
	uint32_t end = n->offset + n->size;

	if (end <= n->known)
		return NULL;
	if (n->depth == 0) {
		EMIT(e, 0x81, 0xfe); /* cmp esi, end */
		emit_number(e, end, 4);
		return emit_forward(e, JB);
	}
	emit_memory(e, WIDE | 0x8d, RCX, bases[n->depth], end); /* lea rcx, [base + end] */
	EMIT(e, 0x4c, 0x39, 0xd1);                              /* cmp rcx, r10 */
	return emit_forward(e, JA);
}

/* What is tried when the node itself did not find the best: the next one, if it may win. */
static void go_on(struct emitter *e, const struct code_node *from)
{
	uint8_t *out;

	if (from->next) {
		EMIT(e, 0x3d); /* cmp eax, most */
		emit_number(e, from->next_most, 4);
		out = emit_forward(e, JAE);
		emit_jump(e, from->next);
		emit_here(e, out);
	}
	EMIT(e, 0xc3);
}

/* One value, all of the field: compared in memory; or none of some bits. */
static void compare_memory(struct emitter *e, const struct node *n, uint32_t value)
{
	unsigned base = bases[n->depth];

	if (n->size == 2)
		EMIT(e, 0x66);
	if (whole(n))
		emit_memory(e, n->size == 1 ? 0x80 : 0x81, 7, base, n->offset);
	else
		emit_memory(e, n->size == 1 ? 0xf6 : 0xf7, 0, base, n->offset); /* test */
	emit_number(e, whole(n) ? value : as_loaded(n->mask, n->size), n->size);
}

static void load_masked(struct emitter *e, const struct node *n)
{
	load(e, n);
	if (!whole(n)) {
		EMIT(e, 0x81, 0xe1); /* and ecx, mask */
		emit_number(e, as_loaded(n->mask, n->size), 4);
	}
}

static void compare_register(struct emitter *e, uint32_t value)
{
	EMIT(e, 0x81, 0xf9); /* cmp ecx, value */
	emit_number(e, value, 4);
}

/* On to where the node's test leads, coming back if there is something to try after that. */
static void enter(struct emitter *e, const struct code_node *from, const uint8_t *target)
{
	EMIT(e, from->next ? 0xe8 : 0xe9); /* call, jmp */
	emit_long(e, target);
}

static void compare_one(struct emitter *e, const struct code_node *from)
{
	const struct node *n = from->node;
	uint32_t value = (uint32_t)from->children[0]->key;
	uint8_t *differs;

	if (whole(n) || value == 0) {
		compare_memory(e, n, value);
	} else {
		load_masked(e, n);
		compare_register(e, value);
	}
	if (!from->next) {
		emit_jump_if(e, JE, from->children[0]->code);
		return;
	}
	differs = emit_forward(e, JNE);
	enter(e, from, from->children[0]->code);
	emit_here(e, differs);
}

/* Several values: called, if something is to be tried afterwards, as one call is shorter than one for each. */
static void compare_each(struct emitter *e, const struct code_node *from)
{
	const struct node *n = from->node;

	load_masked(e, n);
	for (uint32_t i = 0; i < n->edges; i++) {
		compare_register(e, (uint32_t)from->children[i]->key);
		emit_jump_if(e, JE, from->children[i]->code);
	}
}

/* The node's number lies behind its code: returns the end of the instruction that is to be told how far. */
static uint8_t *look_up(struct emitter *e, const struct code_node *from, const uint8_t *shared)
{
	uint8_t *number;

	load_masked(e, from->node);
	EMIT(e, 0x48, 0x0b, 0x0d, 0, 0, 0, 0); /* or rcx, [rip + distance] */
	number = e->at;
	enter(e, from, shared);
	return number;
}

static void compare_node(struct emitter *e, const struct code_node *from, const uint8_t *shared)
{
	const struct node *n = from->node;
	uint8_t *missed, *number = NULL, *called = NULL;

	if (from->next && n->edges > 1 && n->edges <= CODE_CHILDREN) {
		EMIT(e, 0xe8, 0, 0, 0, 0);
		called = e->at;
		go_on(e, from);
		called[-4] = (uint8_t)(e->at - called);
	}
	missed = check_length(e, n);
	if (n->edges == 1)
		compare_one(e, from);
	else if (n->edges <= CODE_CHILDREN)
		compare_each(e, from);
	else
		number = look_up(e, from, shared);
	if (missed)
		emit_here(e, missed);
	if (called)
		EMIT(e, 0xc3);
	else
		go_on(e, from);
	if (number) {
		number[-4] = (uint8_t)(e->at - number);
		emit_number(e, (uint64_t)from->number << 32, 8);
	}
}

/* The new base may be behind the end, which length checks find. */
static void shift_node(struct emitter *e, const struct code_node *from)
{
	const struct node *n = from->node;
	uint8_t *missed = check_length(e, n), scale = 0;

	load(e, n);
	if (n->size == 2)
		EMIT(e, 0x66, 0xc1, 0xc1, 0x08); /* rol cx, 8 */
	if (n->size == 4)
		EMIT(e, 0x0f, 0xc9); /* bswap ecx */
	EMIT(e, 0x81, 0xe1);
	emit_number(e, n->mask, 4);
	if (n->shift <= 3)
		scale = (uint8_t)(n->shift << 6);
	else
		EMIT(e, 0xc1, 0xe1, n->shift); /* shl ecx, shift */
	if (n->depth == 0) {
		EMIT(e, 0x4c, 0x8d, 0x04, 0x0f | scale); /* lea r8, [rdi + rcx * 1, 2, 4 or 8] */
		EMIT(e, 0x4c, 0x8d, 0x14, 0x37);         /* lea r10, [rdi + rsi] */
	} else {
		EMIT(e, 0x4d, 0x8d, 0x0c, 0x08 | scale); /* lea r9, [r8 + rcx * ...] */
	}
	enter(e, from, from->children[0]->code);
	if (missed)
		emit_here(e, missed);
	go_on(e, from);
}

/* The key is the best's now, if it is better and the program wants it; the program gets and changes registers as a C function, so what the nodes before this one go on with is kept. */
static void accept_node(struct emitter *e, const struct code_node *from)
{
	uint8_t *worse, *refused = NULL;
	unsigned depth = from->node->depth;

	EMIT(e, 0x3d);
	emit_number(e, from->key, 4);
	worse = emit_forward(e, JAE);
	if (from->program) {
		EMIT(e, 0x50, 0x57, 0x56); /* push rax, rdi, rsi */
		if (depth > 0)
			EMIT(e, 0x41, 0x50, 0x41, 0x52); /* r8, r10 */
		if (depth > 1)
			EMIT(e, 0x41, 0x51); /* r9 */
		EMIT(e, 0x48, 0xb9);
		emit_number(e, (uintptr_t)from->program, 8);
		EMIT(e, 0xff, 0xd1, 0x89, 0xc1); /* call rcx; mov ecx, eax */
		if (depth > 1)
			EMIT(e, 0x41, 0x59);
		if (depth > 0)
			EMIT(e, 0x41, 0x5a, 0x41, 0x58);
		EMIT(e, 0x5e, 0x5f, 0x58, 0x85, 0xc9); /* test ecx, ecx */
		refused = emit_forward(e, JE);
	}
	EMIT(e, 0xb8); /* mov eax, key */
	emit_number(e, from->key, 4);
	emit_here(e, worse);
	if (refused)
		emit_here(e, refused);
	go_on(e, from);
}

static void root_node(struct emitter *e, const struct code_node *from)
{
	EMIT(e, 0x31, 0xc0); /* xor eax, eax */
	if (from->children[0]->code) {
		EMIT(e, 0xe8);
		emit_long(e, from->children[0]->code);
		EMIT(e, 0xf7, 0xd8, 0x25); /* neg eax; and eax, NUMBER_MASK: of the key 0, no filter, it is 0 */
		emit_number(e, NUMBER_MASK, 4);
	}
	EMIT(e, 0xc3);
}

size_t code_write(const struct code_node *from, uint8_t *cell, const uint8_t *run, const uint8_t *shared)
{
	struct emitter e = {.at = cell, .end = cell + CODE_CELL, .run = run};

	switch (from->node->kind) {
	case NODE_COMPARE: compare_node(&e, from, shared); break;
	case NODE_SHIFT: shift_node(&e, from); break;
	case NODE_ACCEPT: accept_node(&e, from); break;
	case NODE_ROOT: root_node(&e, from);
	}
	if (e.full) /* half a node would be run: no node is so long, and tests/host/filter shows it */
		__builtin_trap();
	return (size_t)(e.at - cell);
}

/* rcx: node << 32 | value. Goes to the place behind the edge of that key, or returns. The edge without a node is never equal and has no chain. */
void code_shared(uint8_t *code, uint64_t multiplier, unsigned bits, struct edge *const *table)
{
	struct emitter e = {.at = code, .end = code + CODE_CELL, .run = code};
	uint8_t *loop, *differs;

	EMIT(&e, 0x48, 0xba); /* mov rdx, multiplier */
	emit_number(&e, multiplier, 8);
	EMIT(&e, 0x48, 0x0f, 0xaf, 0xd1);                    /* imul rdx, rcx */
	EMIT(&e, 0x48, 0xc1, 0xea, (uint8_t)(64 - bits));    /* shr rdx */
	EMIT(&e, 0x49, 0xbb);                                /* mov r11, table */
	emit_number(&e, (uintptr_t)table, 8);
	EMIT(&e, 0x49, 0x8b, 0x14, 0xd3);                    /* mov rdx, [r11 + rdx * 8] */
	loop = e.at;
	EMIT(&e, 0x48, 0x39, 0x0a);                          /* cmp [rdx], rcx */
	differs = emit_forward(&e, JNE);
	EMIT(&e, 0xff, 0x62, offsetof(struct edge, code));   /* jmp [rdx + code] */
	emit_here(&e, differs);
	emit_memory(&e, WIDE | 0x8b, RDX, RDX, offsetof(struct edge, chain));
	EMIT(&e, 0x48, 0x85, 0xd2, JNE, (uint8_t)(loop - (e.at + 5))); /* test rdx, rdx; jnz loop */
	EMIT(&e, 0xc3);
	if (e.full)
		__builtin_trap();
}
