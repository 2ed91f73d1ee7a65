/* Linux calls made straight into their handlers: program addresses are the test's own. */
#pragma once

#include <exos/linux/linux.h>

#define CALL_1(x) ((uint64_t)(uintptr_t)(x))
static inline int64_t call(
	int64_t (*handler)(struct regs *r), uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct regs r = {.rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e};

	return handler(&r);
}
#define CALL_PICK(_1, _2, _3, _4, _5, name, ...) name
/* CALL(read, fd, buffer, n): missing arguments are 0. */
#define CALL(name, ...)		   CALL_PICK(__VA_ARGS__, CALL5, CALL4, CALL3, CALL2, CALL1)(name, __VA_ARGS__)
#define CALL1(name, a)		   call(linux_##name, CALL_1(a), 0, 0, 0, 0)
#define CALL2(name, a, b)	   call(linux_##name, CALL_1(a), CALL_1(b), 0, 0, 0)
#define CALL3(name, a, b, c)	   call(linux_##name, CALL_1(a), CALL_1(b), CALL_1(c), 0, 0)
#define CALL4(name, a, b, c, d)	   call(linux_##name, CALL_1(a), CALL_1(b), CALL_1(c), CALL_1(d), 0)
#define CALL5(name, a, b, c, d, e) call(linux_##name, CALL_1(a), CALL_1(b), CALL_1(c), CALL_1(d), CALL_1(e))
