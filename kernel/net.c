/* The network calls: who may receive what, and send what. */
#include <kernel/call.h>

#define NO_DEVICE(name) \
	int64_t call_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) \
	{ \
		(void)a, (void)b, (void)c, (void)d, (void)e; \
		return -E_DENIED; \
	}
NO_DEVICE(ring_create)
NO_DEVICE(ring_destroy)
NO_DEVICE(filter_install)
NO_DEVICE(filter_change)
NO_DEVICE(filter_remove)
NO_DEVICE(guard_add)
NO_DEVICE(net_send)
NO_DEVICE(handler_attach)
