/* The calls, until the queues are there. */
#include <kernel/call.h>

#define NOT_THERE(name) \
	int64_t call_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t unused) \
	{ \
		(void)a, (void)b, (void)c, (void)d, (void)unused; \
		return -E_DENIED; \
	}
NOT_THERE(queue_create)
NOT_THERE(queue_destroy)
NOT_THERE(extent_bind)
NOT_THERE(disk_submit)
NOT_THERE(block_register)
