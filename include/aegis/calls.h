/* The one table of kernel calls: numbers, user stubs, the kernel's dispatch and the reference chapter all come from it.
 *
 * A call is `syscall` with rax = AEGIS_CALL(number), arguments in rdi, rsi, rdx, r10, r8; the result or a negative
 * error (error.h) comes back in rax. rcx and r11 are lost; all but null, yield to an environment and the transfers lose rdi, rsi, rdx, r8, r9, r10 as well
 * (they come back as zero). Any other number is a foreign system call and is bounced to the environment's foreign entry.
 *
 * X(number, name, arguments, what it does; errors; cost) */
#pragma once

#include <aegis/error.h>
#include <aegis/types.h>

/* Calls are numbered downwards from here, as 64-bit negative numbers: one comparison tells them from every number that a foreign system
 * has (the small negative ones, which foreign programs use to be refused, stay foreign). */
#define AEGIS_CALL_LAST (-256)
#define AEGIS_CALL(number) (AEGIS_CALL_LAST - (number))

#define AEGIS_CALLS(X) \
	X(0, null, 0, "()", "does nothing; for measuring. A handful of instructions.") \
	X(1, frame_alloc, 2, "(frame_t *frames, uint64_t n)", \
	  "takes n free frames (n <= AEGIS_BATCH_MAX), each the one named in the list or, for FRAME_ANY, whichever is free; the list receives their " \
	  "numbers. Charged to the account. Returns how many were taken, in order, or why not even the first could be. NOFRAME LIMIT FAULT INVALID") \
	X(2, frame_free, 2, "(const frame_t *frames, uint64_t n)", \
	  "gives back n frames of the account, bound nowhere but by extents (disk.h), which lose them. Returns how many; AGAIN: such bindings were broken, more are left. BUSY AGAIN DENIED FAULT INVALID") \
	X(3, frame_break, 2, "(const frame_t *frames, uint64_t n)", \
	  "breaks every binding of n frames of the account, wherever they are bound, and ends every capability for them. Whoever loses a binding by it " \
	  "finds that in his repossession vector. Returns how many frames; AGAIN: bindings were broken and more are left. Cost: proportional to the bindings. AGAIN BUSY DENIED FAULT INVALID") \
	X(4, bind, 4, "(env_id env, const struct aegis_binding *list, uint64_t n, const struct aegis_cap *cap)", \
	  "makes, changes or breaks n bindings (n <= AEGIS_BATCH_MAX) in env's address space (0: one's own), in order; returns how many were done, or why not " \
	  "even the first could be. Frames of another account than the caller's need cap (else null). DENIED NOTABLE INVALID BUSY NOENV FAULT") \
	X(5, env_create, 1, "(const struct aegis_env_spec *spec)", \
	  "makes an environment from four frames of the account; it does not run before it has a slice or who commands it yields to it. Returns its env_id. DENIED INVALID LIMIT FULL BUSY FAULT") \
	X(6, env_destroy, 1, "(env_id env)", \
	  "stops an environment that one commands, and destroys it in bounded steps: AGAIN until done; BUSY while it is an account's own and the account " \
	  "holds something. Its page tables are taken apart, its frames (donated ones too) stay with the account, which frees them. NOENV DENIED BUSY AGAIN STATE") \
	X(7, env_entries, 1, "(const struct aegis_entries *entries)", "sets one's own entries. INVALID FAULT") \
	X(8, env_bind, 1, "(const struct aegis_cap *cap)", \
	  "binds an environment by capability (RIGHT_WRITE): the caller's account commands it from then on, alone beside its makers. NOENV DENIED FAULT") \
	X(9, account_resize, 2, "(env_id env, const struct aegis_limits *limits)", \
	  "sets what an account that one made may hold. More is taken from what one may hold oneself, less comes back; " \
	  "less than is held already stops further taking, no more. NOENV DENIED LIMIT FAULT") \
	X(10, slice_alloc, 4, "(uint32_t cpu, uint32_t position, env_id env, const struct aegis_cap *cap)", \
	  "takes a position (UINT32_MAX: any free one) of a CPU's vector for env, charged to env's account: a free one, or with cap (else null) one that another " \
	  "account holds. Returns the position. INVALID FULL BUSY LIMIT NOENV DENIED FAULT") \
	X(11, slice_free, 2, "(uint32_t cpu, uint32_t position)", "gives a position back. INVALID DENIED") \
	X(12, yield, 1, "(env_id to)", \
	  "gives the rest of the slice to an environment, or (0) ends it: the next slice in the vector begins. Returns 0 when run again; the library " \
	  "saves its own registers. With `to` they are not cleared either: `to` may see them. NOENV STATE") \
	X(13, sleep, 3, "(uint64_t events, uint64_t deadline, env_id to)", \
	  "passes the CPU on (to: as for yield) until one of the events is pending or the time-stamp counter reaches deadline (0: none). " \
	  "Returns the pending events, which stay pending; at once if there are some, or the deadline is past. A `to` that cannot run counts as 0. No error.") \
	X(14, notify, 2, "(env_id env, uint64_t events)", "raises NOTIFY events in an environment that one commands, waking it. NOENV DENIED INVALID") \
	X(15, transfer, 1, "(env_id to)", \
	  "synchronous protected control transfer: the CPU and all of the caller's slices go to `to`, which is entered at its transfer entry with the caller's " \
	  "env_id in rax; no other register is touched, so they carry the message. `to` must sleep, in a call of sleep or waiting for transfers. Returns (in rax) 0 when transferred back. NOENV STATE") \
	X(16, transfer_async, 1, "(env_id to)", \
	  "asynchronous protected control transfer: the rest of the slice goes to `to`, which is entered at its asynchronous entry, registers as for transfer. " \
	  "The caller goes on with 0 in its next slice; nobody waits for an answer. NOENV STATE") \
	X(17, transfer_back, 0, "()", \
	  "transfers back to the caller that is being served; registers carry the reply. The callee then sleeps as it did before. STATE") \
	X(18, cap_mint, 5, "(struct aegis_cap *out, uint32_t kind, uint32_t rights, uint64_t first, uint64_t count)", \
	  "seals a capability for frames or slices of the account, or an environment that one commands. DENIED INVALID NOENV FAULT") \
	X(19, cap_narrow, 5, "(const struct aegis_cap *in, struct aegis_cap *out, uint32_t rights, uint64_t first, uint64_t count)", \
	  "seals a capability for fewer rights or a sub-range of one that has RIGHT_GRANT. DENIED INVALID FAULT") \
	X(20, cap_end, 1, "(const struct aegis_cap *cap)", \
	  "ends every capability for a device, an environment or slices, by epoch, this one too (which must have RIGHT_GRANT) but for the first environment's root " \
	  "capabilities, and what was bound by them. For frames: frame_break. For extents: of whole stripes, and blocks registered there are not any more; returns how many requests and bindings are still " \
	  "left there, 0 being the end of it: call again. DENIED INVALID FAULT") \
	X(21, revoke, 2, "(env_id env, const struct aegis_demand *demand)", \
	  "visible revocation: asks the account of env, which one made or is above of, to give back so much by then; it gets EVENT_REVOKE and the demand in its upcall page. " \
	  "A new demand for the same kind replaces the old one; count 0 withdraws it. EVENT_RETURNED tells the caller that all has come. NOENV DENIED INVALID FAULT") \
	X(22, repossess, 4, "(env_id env, uint32_t kind, const uint64_t *names, uint64_t n)", \
	  "the abort protocol: past the deadline of a demand takes by force the n frames or slices named, never more than is still owed; each loss is recorded in the " \
	  "repossession vector of the account's environment, which goes on. Returns how many were taken; AGAIN: of the first only a part of its bindings is broken, or its contents are being written to the block that it was registered for, dirty. STATE NOENV DENIED BUSY AGAIN INVALID FAULT") \
	X(23, device_bind, 2, "(const struct aegis_cap *cap, env_id env)", "makes env, which one commands, the owner of a device: it gets the device's events, its account may use it. DENIED NOENV FAULT") \
	X(24, console_write, 3, "(uint32_t device, const void *bytes, uint64_t n)", \
	  "hands bytes to a serial line; returns how many it took, perhaps 0. DENIED INVALID FAULT") \
	X(25, console_read, 3, "(uint32_t device, void *bytes, uint64_t n)", "takes bytes that have come in; returns how many, perhaps 0. DENIED INVALID FAULT") \
	X(26, machine_off, 2, "(const struct aegis_cap *cap, uint32_t status)", "ends the machine; an emulator that listens is told the status (0..127). DENIED FAULT") \
	X(27, ring_create, 1, "(const struct aegis_ring_spec *spec)", \
	  "makes a ring of the caller's account, owned by the caller, which gets EVENT_NET when net_send, refused with FULL before, has room again. Its frames stay the account's but cannot be " \
	  "freed while it lasts. Returns its name, the object's frame. DENIED INVALID BUSY FAULT") \
	X(28, ring_destroy, 1, "(frame_t ring)", \
	  "destroys a ring of the caller's account or of one below it: its filters are removed (AGAIN until all are, in bounded steps), what is being sent is waited for (AGAIN). DENIED AGAIN") \
	X(29, filter_install, 2, "(const struct aegis_filter_spec *spec, const struct aegis_cap *cap)", \
	  "installs a filter, charged to the ring's account (without ring: the caller's). cap: CAP_DEVICE or CAP_FILTER with RIGHT_WRITE, the scope. Returns its number. " \
	  "BUSY: another filter has some of the packets. FULL: or more filters of the scope than there may be would have to be tried for one packet. DENIED INVALID BUSY LIMIT FULL NOENV FAULT") \
	X(30, filter_change, 3, "(uint32_t filter, env_id env, uint64_t tag)", "whom a filter of the caller's account tells, and its tag. DENIED NOENV") \
	X(31, filter_remove, 1, "(uint32_t filter)", "removes a filter of the caller's account or of one below it, its handler with it; capabilities for it end. DENIED") \
	X(32, guard_add, 4, "(frame_t ring, const struct aegis_atom *atoms, uint64_t n, const struct aegis_cap *cap)", \
	  "from now on frames of these (n >= 0) atoms may be sent from the ring, which is of the caller's account or of one below it, too. cap: CAP_DEVICE with RIGHT_WRITE. DENIED INVALID FULL FAULT") \
	X(33, net_send, 3, "(frame_t ring, const struct aegis_send *list, uint64_t n)", \
	  "hands n frames (n <= NET_SEND_MAX) to the device, in order. Returns how many, or why not even the first: DENIED: no guard lets it pass, or a frame is not the account's. FULL: " \
	  "the ring's share of the device's queue is in use; EVENT_NET comes when there is room. DENIED INVALID FULL FAULT") \
	X(34, handler_attach, 1, "(const struct aegis_handler_spec *spec)", \
	  "gives a filter of the caller's account a handler (ash.h), or takes it away. INVALID: the program is not safe, or not understood. DENIED INVALID BUSY LIMIT FULL FAULT") \
	X(35, queue_create, 1, "(const struct aegis_queue_spec *spec)", \
	  "makes a disk queue of the caller's account. Its frames stay the account's but cannot be freed while it lasts. Returns its name, the object's frame. DENIED INVALID BUSY FAULT") \
	X(36, queue_destroy, 1, "(frame_t queue)", \
	  "destroys a queue of the caller's account or of one below it; what is under way is waited for (AGAIN). DENIED AGAIN") \
	X(37, extent_bind, 3, "(frame_t queue, uint64_t slot, const struct aegis_cap *cap)", \
	  "binds an extent in a slot of a queue of the caller's account, in place of what was there; null: nothing is there any more. FULL: as many accounts as the device takes requests have extents of it bound. DENIED INVALID FULL FAULT") \
	X(38, disk_submit, 3, "(frame_t queue, const struct aegis_disk_request *list, uint64_t n)", \
	  "hands n requests (n <= DISK_SUBMIT_MAX) to the device, in order; they may complete in any. Returns how many, or why not even the first. FULL: completions are not consumed, or the device's queue, or the caller's " \
	  "share of it, is in use; EVENT_DISK comes when there is room. STATE: the extent was revoked. AGAIN: frames that are to be registered were for other blocks, whose bindings by extent are not all broken yet. DENIED INVALID FULL STATE AGAIN NOENV FAULT") \
	X(39, block_register, 3, "(frame_t queue, const struct aegis_block *list, uint64_t n)", \
	  "enters n frames (n <= AEGIS_BATCH_MAX) in the block table, or takes them out, in order; the slot's extent must have RIGHT_WRITE. Another account's frame for the same block is taken out only if it is not dirty (BUSY). " \
	  "Returns how many, or why not even the first. AGAIN: bindings by extent were broken, more are left. FULL: too many blocks of the same hash. DENIED INVALID BUSY AGAIN FULL STATE FAULT")

#define X(number, name, arity, arguments, text) CALL_##name = number,
enum aegis_call { AEGIS_CALLS(X) CALL_COUNT };
#undef X
