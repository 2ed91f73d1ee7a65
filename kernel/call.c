/* Dispatch of kernel calls, from the one table; and the way to user memory. */
#include <kernel/call.h>
#include <kernel/x86_64/offsets.h>

_Static_assert(PHYSICAL_MAP == PHYSICAL_MAP_ADDRESS && CALL_COUNT == CALLS && AEGIS_CALL_LAST == CALL_LAST && CALL_bind == NUMBER_BIND && CALL_yield == NUMBER_YIELD && E_NOENV == ERROR_NOENV &&
		       E_STATE == ERROR_STATE,
	"offsets.h");

int64_t copy_guarded(void *to, const void *from, size_t words, size_t bytes);
extern char entry_call_null[], entry_call_full[], entry_call_bind[], entry_call_yield[], entry_call_transfer[], entry_call_transfer_async[], entry_call_transfer_back[],
	entry_foreign[];

/* The first instruction of each call. Those written in C share one entry; a call that is a few instructions has its own. They are in the order of rax: the
 * last call first, behind the first one the numbers that stay foreign. */
#define PLACE(number) (CALL_COUNT - 1 - (number))
#define ENTRY(number, name, arity, arguments, text) [PLACE(number)] = entry_call_full,
#define HANDLER(number, name, arity, arguments, text) [PLACE(number)] = call_##name,
#define FOREIGN (-1 - AEGIS_CALL_LAST)
typedef int64_t (*call_handler)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern char *const call_entries[CALL_COUNT + FOREIGN];
extern const call_handler call_handlers[CALL_COUNT];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
char *const call_entries[CALL_COUNT + FOREIGN] = {
	AEGIS_CALLS(ENTRY) /* then the exceptions */
	[PLACE(CALL_null)] = entry_call_null, [PLACE(CALL_bind)] = entry_call_bind, [PLACE(CALL_yield)] = entry_call_yield, [PLACE(CALL_transfer)] = entry_call_transfer,
	[PLACE(CALL_transfer_async)] = entry_call_transfer_async, [PLACE(CALL_transfer_back)] = entry_call_transfer_back,
	[CALL_COUNT ... CALL_COUNT + FOREIGN - 1] = entry_foreign,
};
#pragma GCC diagnostic pop
const call_handler call_handlers[CALL_COUNT] = { AEGIS_CALLS(HANDLER) };

/* Those that entry.S does whole have no handler; the table wants one. */
int64_t call_null(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	(void)a, (void)b, (void)c, (void)d, (void)e;
	return 0;
}
int64_t call_transfer(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return call_null(a, b, c, d, e); }
int64_t call_transfer_async(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return call_null(a, b, c, d, e); }
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
