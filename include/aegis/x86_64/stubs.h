/* User-mode stubs of the kernel calls. A stub is a syscall instruction and returns what the kernel returns.
 *
 * Calls that give the CPU away (yield, sleep, transfer) lose every register: they are the library's business, because it alone
 * knows what is worth saving; see exos/x86_64 for ExOS's way. */
#pragma once

#include <aegis/ash.h>
#include <aegis/bind.h>
#include <aegis/calls.h>
#include <aegis/cap.h>
#include <aegis/disk.h>
#include <aegis/env.h>
#include <aegis/net.h>
#include <aegis/upcall.h>

#define AEGIS_STUB_ASM(result, call) \
	__asm__ volatile("syscall" \
			 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) \
			 : "0"((int64_t)AEGIS_CALL((int64_t)(call))) \
			 : "rcx", "r11", "r9", "memory", "cc")

static inline int64_t aegis_call(uint32_t call, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	int64_t result;
	AEGIS_STUB_ASM(result, call);
	return result;
}

static inline int64_t aegis_null(void) { return aegis_call(CALL_null, 0, 0, 0, 0, 0); }
static inline int64_t aegis_frame_alloc(frame_t *frames, uint64_t n)
{
	return aegis_call(CALL_frame_alloc, (uintptr_t)frames, n, 0, 0, 0);
}
static inline int64_t aegis_frame_free(const frame_t *frames, uint64_t n)
{
	return aegis_call(CALL_frame_free, (uintptr_t)frames, n, 0, 0, 0);
}
static inline int64_t aegis_frame_break(const frame_t *frames, uint64_t n)
{
	return aegis_call(CALL_frame_break, (uintptr_t)frames, n, 0, 0, 0);
}
static inline int64_t aegis_bind(env_id env, const struct aegis_binding *list, uint64_t n, const struct aegis_cap *cap)
{
	return aegis_call(CALL_bind, env, (uintptr_t)list, n, (uintptr_t)cap, 0);
}
static inline int64_t aegis_env_create(const struct aegis_env_spec *spec)
{
	return aegis_call(CALL_env_create, (uintptr_t)spec, 0, 0, 0, 0);
}
static inline int64_t aegis_env_destroy(env_id env) { return aegis_call(CALL_env_destroy, env, 0, 0, 0, 0); }
static inline int64_t aegis_env_entries(const struct aegis_entries *entries)
{
	return aegis_call(CALL_env_entries, (uintptr_t)entries, 0, 0, 0, 0);
}
static inline int64_t aegis_env_bind(const struct aegis_cap *cap) { return aegis_call(CALL_env_bind, (uintptr_t)cap, 0, 0, 0, 0); }
static inline int64_t aegis_account_resize(env_id env, const struct aegis_limits *limits)
{
	return aegis_call(CALL_account_resize, env, (uintptr_t)limits, 0, 0, 0);
}
static inline int64_t aegis_slice_alloc(uint32_t cpu, uint32_t position, env_id env, const struct aegis_cap *cap)
{
	return aegis_call(CALL_slice_alloc, cpu, position, env, (uintptr_t)cap, 0);
}
static inline int64_t aegis_slice_free(uint32_t cpu, uint32_t position)
{
	return aegis_call(CALL_slice_free, cpu, position, 0, 0, 0);
}
static inline int64_t aegis_notify(env_id env, uint64_t events) { return aegis_call(CALL_notify, env, events, 0, 0, 0); }
static inline int64_t aegis_cap_mint(struct aegis_cap *out, uint32_t kind, uint32_t rights, uint64_t first, uint64_t count)
{
	return aegis_call(CALL_cap_mint, (uintptr_t)out, kind, rights, first, count);
}
static inline int64_t aegis_cap_narrow(const struct aegis_cap *in, struct aegis_cap *out, uint32_t rights, uint64_t first, uint64_t count)
{
	return aegis_call(CALL_cap_narrow, (uintptr_t)in, (uintptr_t)out, rights, first, count);
}
static inline int64_t aegis_cap_end(const struct aegis_cap *cap) { return aegis_call(CALL_cap_end, (uintptr_t)cap, 0, 0, 0, 0); }
static inline int64_t aegis_revoke(env_id env, const struct aegis_demand *demand)
{
	return aegis_call(CALL_revoke, env, (uintptr_t)demand, 0, 0, 0);
}
static inline int64_t aegis_repossess(env_id env, uint32_t kind, const uint64_t *names, uint64_t n)
{
	return aegis_call(CALL_repossess, env, kind, (uintptr_t)names, n, 0);
}
static inline int64_t aegis_device_bind(const struct aegis_cap *cap, env_id env)
{
	return aegis_call(CALL_device_bind, (uintptr_t)cap, env, 0, 0, 0);
}
static inline int64_t aegis_console_write(uint32_t device, const void *bytes, uint64_t n)
{
	return aegis_call(CALL_console_write, device, (uintptr_t)bytes, n, 0, 0);
}
static inline int64_t aegis_console_read(uint32_t device, void *bytes, uint64_t n)
{
	return aegis_call(CALL_console_read, device, (uintptr_t)bytes, n, 0, 0);
}
static inline int64_t aegis_machine_off(const struct aegis_cap *cap, uint32_t status)
{
	return aegis_call(CALL_machine_off, (uintptr_t)cap, status, 0, 0, 0);
}
static inline int64_t aegis_ring_create(const struct aegis_ring_spec *spec) { return aegis_call(CALL_ring_create, (uintptr_t)spec, 0, 0, 0, 0); }
static inline int64_t aegis_ring_destroy(frame_t ring) { return aegis_call(CALL_ring_destroy, ring, 0, 0, 0, 0); }
static inline int64_t aegis_filter_install(const struct aegis_filter_spec *spec, const struct aegis_cap *cap)
{
	return aegis_call(CALL_filter_install, (uintptr_t)spec, (uintptr_t)cap, 0, 0, 0);
}
static inline int64_t aegis_filter_change(uint32_t filter, env_id env, uint64_t tag) { return aegis_call(CALL_filter_change, filter, env, tag, 0, 0); }
static inline int64_t aegis_filter_remove(uint32_t filter) { return aegis_call(CALL_filter_remove, filter, 0, 0, 0, 0); }
static inline int64_t aegis_guard_add(frame_t ring, const struct aegis_atom *atoms, uint64_t n, const struct aegis_cap *cap)
{
	return aegis_call(CALL_guard_add, ring, (uintptr_t)atoms, n, (uintptr_t)cap, 0);
}
static inline int64_t aegis_net_send(frame_t ring, const struct aegis_send *list, uint64_t n)
{
	return aegis_call(CALL_net_send, ring, (uintptr_t)list, n, 0, 0);
}
static inline int64_t aegis_handler_attach(const struct aegis_handler_spec *spec) { return aegis_call(CALL_handler_attach, (uintptr_t)spec, 0, 0, 0, 0); }
static inline int64_t aegis_queue_create(const struct aegis_queue_spec *spec) { return aegis_call(CALL_queue_create, (uintptr_t)spec, 0, 0, 0, 0); }
static inline int64_t aegis_queue_destroy(frame_t queue) { return aegis_call(CALL_queue_destroy, queue, 0, 0, 0, 0); }
static inline int64_t aegis_extent_bind(frame_t queue, uint64_t slot, const struct aegis_cap *cap)
{
	return aegis_call(CALL_extent_bind, queue, slot, (uintptr_t)cap, 0, 0);
}
static inline int64_t aegis_disk_submit(frame_t queue, const struct aegis_disk_request *list, uint64_t n)
{
	return aegis_call(CALL_disk_submit, queue, (uintptr_t)list, n, 0, 0);
}
static inline int64_t aegis_block_register(frame_t queue, const struct aegis_block *list, uint64_t n)
{
	return aegis_call(CALL_block_register, queue, (uintptr_t)list, n, 0, 0);
}
