/* Calls from the library into the program, and its sleep between transfers (handler.S). */
#pragma once

#include <aegis/types.h>
#include <exos/base.h>

/* Calls function(a, b) of the program's on `stack` (its end, 64-aligned), the library's stack being what lies below the caller's from now until it returns. Vector
 * registers are kept there too unless the handlers' flags say that they need not be. Returns what it returns. */
uint64_t exos_handler_call(uint64_t function, uint64_t a, uint64_t b, uint64_t stack);
/* The kernel's sleep, with the library's stack being what lies below, and upcalls enabled. Called with them disabled; returns with them enabled. Vector registers are lost. */
int64_t exos_sleep_serving(uint64_t events);
/* exos_sleep, of a process that serves a transfer meanwhile. Upcalls are disabled. */
int64_t exos_sleep_in_service(uint64_t events, uint64_t deadline, env_id to);
/* Does the program run inside that sleep, because a transfer came? (Not in a handler: that has its own part of the stack.) Then it can go back to sleep
 * there, leaving the library's stack as it is. No lock held. */
bool exos_serving(void);
_Noreturn void exos_sleep_serving_again(void);
/* The end of an environment that may owe somebody a transfer back: the kernel stops it, and tells him. No lock held. */
_Noreturn void exos_final_stop(void);
