/* What stands in for the rest of ExOS in the tests of terminals and link: one process, a host at the other end of
 * the serial line, and waiting that the test scripts. */
#pragma once

#include <exos/file/file.h>
#include <exos/proc/proc.h>

/* The current process, leader of session 10; another one, of group 20 of that session. */
extern struct proc stub_proc, stub_other;
void stubs_start(void);

/* Called when the code under test goes to sleep: 0 woken, -EINTR, or -ETIMEDOUT. Null: a sleep is a failed test. */
extern int (*stub_sleep)(uint64_t deadline);
extern bool stub_signal_stops;       /* signal_interrupts: all that is pending is a stop */
extern uint64_t stub_deadline_ns;    /* last asked of time_deadline */
extern int stub_signals[64];         /* sent since stub_forget, by number */
extern int stub_signal_group;        /* the last group that a signal went to */
extern bool stub_orphaned;
extern bool stub_fault;              /* program memory faults */

/* The host's end. */
void stub_host_sends(const void *bytes, size_t n);                /* raw bytes, to be read by the guest */
void stub_host_message(int channel, const void *bytes, size_t n);
/* What the guest has sent since stub_forget: payloads of a channel, one after the other. A line that is no message
 * sequence fails the test. */
size_t stub_sent(int channel, char *to, size_t size);
uint64_t stub_granted(void);         /* total of LINK_ROOM, ever */
extern char stub_logged[4096];       /* on the first line */
extern size_t stub_line_takes;       /* the most that the line takes at once; 0: nothing */
extern size_t stub_line_gives;       /* the most that it hands over at once */
void stub_forget(void);

/* TAP, without numbers and plan. */
void ok(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
#define is(have, want, what) is_at((int64_t)(have), (int64_t)(want), what, __LINE__)
void is_at(int64_t have, int64_t want, const char *what, int line);
#define is_text(have, want, what) is_text_at(have, want, what, __LINE__)
void is_text_at(const char *have, const char *want, const char *what, int line);
int done_testing(void);              /* the exit status */
