/* The one table of kernel calls: numbers, user stubs, the kernel's dispatch and the reference chapter all come from it.
 *
 * A call is `syscall` with eax = AEGIS_CALL_BASE | number, arguments in rdi, rsi, rdx, r10, r8; the result or a negative
 * error (error.h) comes back in rax. rcx and r11 are lost; all but null and the transfers lose rdi, rsi, rdx, r8, r9, r10 as well (they come back as zero).
 * Any other number is a foreign system call and is bounced to the environment's foreign entry.
 *
 * X(number, name, arguments, what it does; errors; cost) */
#pragma once

#include <aegis/error.h>
#include <aegis/types.h>

#define AEGIS_CALL_BASE 0x80000000u

#define AEGIS_CALLS(X) \
	X(0, null, 0, "()", "does nothing; for measuring. A handful of instructions.") \
	X(1, frame_alloc, 2, "(frame_t *frames, uint64_t n)", \
	  "takes n free frames (n <= AEGIS_BATCH_MAX), each the one named in the list or, for FRAME_ANY, whichever is free; the list receives their " \
	  "numbers. Charged to the account. Returns how many were taken, in order, or why not even the first could be. NOFRAME LIMIT FAULT INVALID") \
	X(2, frame_free, 2, "(const frame_t *frames, uint64_t n)", \
	  "gives back n frames of the account, bound nowhere. Returns how many. BUSY DENIED FAULT INVALID") \
	X(3, bind, 4, "(env_id env, const struct aegis_binding *list, uint64_t n, const struct aegis_cap *cap)", \
	  "makes, changes or breaks n bindings (n <= AEGIS_BATCH_MAX) in env's address space (0: one's own), in order; returns how many were done, or why not " \
	  "even the first could be. Frames of another account than the caller's need cap (else null). DENIED NOTABLE INVALID BUSY NOENV FAULT") \
	X(4, env_create, 1, "(const struct aegis_env_spec *spec)", \
	  "makes an environment from three frames of the account; it does not run before a slice or a yield is given to it. Returns its env_id. DENIED INVALID FULL FAULT") \
	X(5, env_destroy, 1, "(env_id env)", \
	  "destroys an environment of one's account, or an account that one created, in bounded steps: AGAIN until done. Its page tables are taken " \
	  "apart, its frames (donated ones too) stay with the account, which frees them. NOENV DENIED BUSY AGAIN") \
	X(6, env_entries, 1, "(const struct aegis_entries *entries)", "sets one's own entries. INVALID FAULT") \
	X(7, slice_alloc, 3, "(uint32_t cpu, uint32_t position, env_id env)", \
	  "takes a free position (UINT32_MAX: any) of a CPU's vector for env. Returns the position. INVALID FULL BUSY NOENV DENIED") \
	X(8, slice_free, 2, "(uint32_t cpu, uint32_t position)", "gives a position back. INVALID DENIED") \
	X(9, yield, 1, "(env_id to)", \
	  "gives the rest of the slice to an environment, or (0) ends it: the next slice in the vector begins. Returns 0 when run again; the library " \
	  "saves its own registers. NOENV STATE") \
	X(10, sleep, 3, "(uint64_t events, uint64_t deadline, env_id to)", \
	  "passes the CPU on (to: as for yield) until one of the events is pending or the time-stamp counter reaches deadline (0: none). " \
	  "Returns the pending events, which stay pending; at once if there are some. A `to` that cannot run counts as 0. No error.") \
	X(11, notify, 2, "(env_id env, uint64_t events)", "raises NOTIFY events in an environment of the same account or a child account, waking it. NOENV DENIED INVALID") \
	X(12, transfer, 1, "(env_id to)", \
	  "synchronous protected control transfer: the CPU and all of the caller's slices go to `to`, which is entered at its transfer entry with the caller's " \
	  "env_id in rax; no other register is touched, so they carry the message. `to` must be idle: sleeping, or waiting for transfers. Returns (in rax) 0 when transferred back. NOENV STATE") \
	X(13, transfer_back, 1, "(env_id caller)", \
	  "transfers back to a caller; registers carry the reply. The callee then waits for the next transfer at its transfer entry. NOENV STATE") \
	X(14, cap_mint, 5, "(struct aegis_cap *out, uint32_t kind, uint32_t rights, uint64_t first, uint64_t count)", \
	  "seals a capability for frames that the account owns. DENIED INVALID FAULT") \
	X(15, cap_narrow, 5, "(const struct aegis_cap *in, struct aegis_cap *out, uint32_t rights, uint64_t first, uint64_t count)", \
	  "seals a capability for fewer rights or a sub-range of one that has RIGHT_GRANT. DENIED INVALID FAULT") \
	X(16, device_bind, 2, "(const struct aegis_cap *cap, env_id env)", "makes env the owner of a device: it gets the device's events, its account may use it. DENIED NOENV FAULT") \
	X(17, console_write, 3, "(uint32_t device, const void *bytes, uint64_t n)", \
	  "hands bytes to a serial line; returns how many it took, perhaps 0. DENIED INVALID FAULT") \
	X(18, console_read, 3, "(uint32_t device, void *bytes, uint64_t n)", "takes bytes that have come in; returns how many, perhaps 0. DENIED INVALID FAULT") \
	X(19, machine_off, 2, "(const struct aegis_cap *cap, uint32_t status)", "ends the machine; an emulator that listens is told the status (0..127). DENIED FAULT")

#define X(number, name, arity, arguments, text) CALL_##name = number,
enum aegis_call { AEGIS_CALLS(X) CALL_COUNT };
#undef X
