/* The stub of ExOS's own calls (exos/program.h). The library keeps every register but rcx and r11. */
#pragma once

#include <exos/program.h>

static inline int64_t exos_call(uint64_t number, uint64_t a, uint64_t b)
{
	int64_t result;

	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b) : "rcx", "r11", "memory", "cc");
	return result;
}

static inline bool exos_here(void) { return exos_call(EXOS_CALL_here, 0, 0) == 0; }
static inline int64_t exos_environment(int pid) { return exos_call(EXOS_CALL_environment, (uint64_t)pid, 0); }
static inline int64_t exos_slices(int pid, uint64_t cpus) { return exos_call(EXOS_CALL_slices, (uint64_t)pid, cpus); }
static inline int64_t exos_frames_get(frame_t *list, uint64_t n) { return exos_call(EXOS_CALL_frames_get, (uintptr_t)list, n); }
static inline int64_t exos_frames_put(const frame_t *list, uint64_t n) { return exos_call(EXOS_CALL_frames_put, (uintptr_t)list, n); }
static inline int64_t exos_region(uint64_t start, uint64_t length) { return exos_call(EXOS_CALL_region, start, length); }
static inline int64_t exos_leaf(uint64_t va) { return exos_call(EXOS_CALL_leaf, va, 0); }
static inline int64_t exos_handlers(const struct exos_handlers *h) { return exos_call(EXOS_CALL_handlers, (uintptr_t)h, 0); }
static inline int64_t exos_serve(const struct exos_service *s) { return exos_call(EXOS_CALL_serve, (uintptr_t)s, 0); }
static inline int64_t exos_net(struct exos_net *n) { return exos_call(EXOS_CALL_net, (uintptr_t)n, 0); }
static inline int64_t exos_net_wait(uint32_t seen, uint64_t deadline) { return exos_call(EXOS_CALL_net_wait, seen, deadline); }
static inline int64_t exos_cache(int fd, const struct exos_cache *c) { return exos_call(EXOS_CALL_cache, (uint64_t)fd, (uintptr_t)c); }
static inline int64_t exos_info(uint64_t what) { return exos_call(EXOS_CALL_info, what, 0); }
