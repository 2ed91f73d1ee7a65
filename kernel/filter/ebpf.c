/* What eBPF instructions are well-formed (RFC 9669). What is not needed is refused, so that nothing is accepted whose meaning could change. */
#include <kernel/filter/ebpf.h>

static const char *check_arithmetic(const struct aegis_ebpf *i)
{
	bool wide = EBPF_CLASS(i->code) == EBPF_ALU64;
	uint32_t operation = EBPF_OPERATION(i->code);

	if (operation >= EBPF_ARITHMETIC_COUNT)
		return "unknown instruction";
	if (ebpf_to(i) >= EBPF_FRAME_POINTER)
		return "the frame pointer cannot be written";
	if (operation == EBPF_END) {
		if (wide && (i->code & EBPF_X))
			return "unknown instruction";
		if (i->immediate != 16 && i->immediate != 32 && i->immediate != 64)
			return "bytes are swapped in 16, 32 or 64 bits";
		return ebpf_from(i) || i->offset ? "a reserved field is not zero" : NULL;
	}
	if (operation == EBPF_NEG)
		return i->code & EBPF_X ? "unknown instruction" : ebpf_from(i) || i->offset || i->immediate ? "a reserved field is not zero" : NULL;
	if (i->code & EBPF_X ? i->immediate : (int32_t)ebpf_from(i))
		return "a reserved field is not zero";
	switch (operation) {
	case EBPF_DIV:
	case EBPF_MOD: /* 1: signed */
		return i->offset == 0 || i->offset == 1 ? NULL : "a reserved field is not zero";
	case EBPF_MOV: /* 8, 16, 32: sign extension */
		if (!i->offset || ((i->code & EBPF_X) && (i->offset == 8 || i->offset == 16 || (i->offset == 32 && wide))))
			return NULL;
		return "a reserved field is not zero";
	default:
		return i->offset ? "a reserved field is not zero" : NULL;
	}
}

static const char *check_jump(const struct aegis_ebpf *i)
{
	bool wide = EBPF_CLASS(i->code) == EBPF_JMP;
	uint32_t operation = EBPF_OPERATION(i->code);

	if (operation >= EBPF_JUMP_COUNT)
		return "unknown instruction";
	switch (operation) {
	case EBPF_CALL:
	case EBPF_EXIT:
		if (!wide || (i->code & EBPF_X))
			return "unknown instruction";
		if (i->registers || i->offset || (operation == EBPF_EXIT && i->immediate))
			return "a reserved field is not zero";
		if (operation == EBPF_CALL && (i->immediate < ASH_CALL_SEND || i->immediate > ASH_CALL_TIME))
			return "no such function";
		return NULL;
	case EBPF_JA:
		if (i->code & EBPF_X)
			return "unknown instruction";
		return i->registers || (wide ? i->immediate : i->offset) ? "a reserved field is not zero" : NULL;
	default:
		return (i->code & EBPF_X ? i->immediate : (int32_t)ebpf_from(i)) ? "a reserved field is not zero" : NULL;
	}
}

static const char *check_access(const struct aegis_ebpf *i)
{
	uint32_t mode = EBPF_MODE(i->code), class = EBPF_CLASS(i->code);

	if (mode == EBPF_MEMORY_SIGNED ? class != EBPF_LDX || EBPF_SIZE_CODE(i->code) == EBPF_DOUBLE : mode != EBPF_MEMORY)
		return "unknown instruction";
	if (class == EBPF_LDX && ebpf_to(i) >= EBPF_FRAME_POINTER)
		return "the frame pointer cannot be written";
	return (class == EBPF_ST ? (int32_t)ebpf_from(i) : i->immediate) ? "a reserved field is not zero" : NULL;
}

const char *ebpf_check(const struct aegis_ebpf *i, const struct aegis_ebpf *next)
{
	if (ebpf_to(i) > EBPF_FRAME_POINTER || ebpf_from(i) > EBPF_FRAME_POINTER)
		return "no such register";
	switch (EBPF_CLASS(i->code)) {
	case EBPF_ALU:
	case EBPF_ALU64:
		return check_arithmetic(i);
	case EBPF_JMP:
	case EBPF_JMP32:
		return check_jump(i);
	case EBPF_LD:
		if (i->code != EBPF_LOAD_64)
			return "unknown instruction";
		if (ebpf_to(i) >= EBPF_FRAME_POINTER)
			return "the frame pointer cannot be written";
		if (!next)
			return "half a constant";
		return ebpf_from(i) || i->offset || next->code || next->registers || next->offset ? "a reserved field is not zero" : NULL;
	default:
		return check_access(i);
	}
}

const char *ebpf_check_program(const struct aegis_ebpf *program, uint32_t n, uint8_t *inside, uint32_t *at)
{
	const char *wrong;

	for (uint32_t i = 0; i < n; i++) {
		*at = i;
		inside[i] = 0;
		wrong = ebpf_check(&program[i], i + 1 < n ? &program[i + 1] : NULL);
		if (wrong)
			return wrong;
		if (program[i].code == EBPF_LOAD_64)
			inside[++i] = 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		int64_t target = ebpf_target(&program[i], i);

		*at = i;
		if (!inside[i] && ebpf_has_target(&program[i]) && (target < 0 || target >= n || inside[target]))
			return "it jumps where no instruction is";
	}
	*at = n - 1;
	return !inside[n - 1] && (ebpf_is_exit(&program[n - 1]) || ebpf_is_always(&program[n - 1])) ? NULL : "it runs past the end";
}
