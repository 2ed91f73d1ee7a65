/* Packets of a filter's: a ring of the program's own (exos/program.h). From one thread. */
#pragma once

#include <aegis/net.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Makes the ring. 0 or a negative errno: the net call's, or ENOSYS: this is not ExOS. */
int ring_start(void);
/* Packets go there that the program accepts: what filter_program returns (exos/lib/net/program.h). */
int ring_filter(const struct aegis_bpf *program, uint32_t n, bool *compiled);
/* The oldest packet, or null; it is valid until ring_done gives its slot back. */
const struct aegis_packet *ring_first(void);
void ring_done(void);
/* Sleeps until there is a packet, or a signal was handled. It may return without a reason. */
void ring_wait(void);
uint64_t ring_dropped(void); /* packets for which there was no slot */
struct timespec ring_time(const struct aegis_packet *); /* when it came: wall-clock time */
