/* Dispatch of kernel calls, from the one table; and the way to user memory. */
#include <kernel/call.h>

_Static_assert(CALL_COUNT == 20, "entry.S bounds the number");

int64_t copy_guarded(void *to, const void *from, size_t words, size_t bytes);
extern char entry_call_null[], entry_call_full[], entry_call_transfer[], entry_call_transfer_back[];

/* The first instruction of each call. Those written in C share one entry; a call that is a few instructions has its own. */
#define ENTRY(number, name, arity, arguments, text) [number] = entry_call_full,
#define HANDLER(number, name, arity, arguments, text) [number] = call_##name,
extern char *const call_entries[CALL_COUNT];
extern int64_t (*const call_handlers[CALL_COUNT])(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
char *const call_entries[CALL_COUNT] = {
	AEGIS_CALLS(ENTRY) /* then the exceptions */
	[CALL_null] = entry_call_null, [CALL_transfer] = entry_call_transfer, [CALL_transfer_back] = entry_call_transfer_back,
};
#pragma GCC diagnostic pop
int64_t (*const call_handlers[CALL_COUNT])(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) = { AEGIS_CALLS(HANDLER) };

/* Those that entry.S does whole have no handler; the table wants one. */
int64_t call_null(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	(void)a, (void)b, (void)c, (void)d, (void)e;
	return 0;
}
int64_t call_transfer(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return call_null(a, b, c, d, e); }
int64_t call_transfer_back(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return call_null(a, b, c, d, e); }

static bool user_range(uint64_t address, size_t n) { return address < AEGIS_USER_TOP && n <= AEGIS_USER_TOP - address; }

int64_t copy_from_user(void *to, uint64_t from, size_t n)
{
	if (!user_range(from, n))
		return -E_FAULT;
	return copy_guarded(to, (const void *)from, n / 8, n % 8);
}

int64_t copy_to_user(uint64_t to, const void *from, size_t n)
{
	if (!user_range(to, n))
		return -E_FAULT;
	return copy_guarded((void *)to, from, n / 8, n % 8);
}
