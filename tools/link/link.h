/* The host's end of the machine's two serial lines, from inside: what the files of this folder share.
 *
 * One thread, one poll loop (main.c). Nothing is buffered without bound: when a reader of ours is slow, we stop
 * reading the line, and the machine waits. Nothing blocks but writes to a terminal that its user has stopped. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* emulator.c: QEMU as a child process. */
struct emulator {
	pid_t pid;             /* 0: it has ended */
	int console0, console1; /* our ends of the serial lines; -1 at their end */
	int errors;            /* what it says on its own standard output and error; -1 at the end */
};
bool emulator_start(struct emulator *e, char *const command[]); /* false: said why */
void emulator_read_errors(struct emulator *e);
void emulator_show_errors(struct emulator *e); /* the last of what it said, to standard error */
void emulator_reap(struct emulator *e);

/* terminal.c: ours, if standard input is one. */
extern bool terminal_is_raw;
void terminal_start(void);
void terminal_raw(void);
void terminal_restore(void); /* async-signal-safe */
bool terminal_size(uint16_t *rows, uint16_t *columns); /* of whichever standard stream is a terminal */
int terminal_output(void);   /* the descriptor that writes to it, or -1 */
/* Escapes (Ctrl-A) taken out of what was typed, in place: the new length, at most one more than n. *quit: Ctrl-A x
 * was typed. */
size_t terminal_escapes(uint8_t *bytes, size_t n, bool *quit);

/* guest.c: the messages of exos/tty/link.h. */
struct guest {
	bool exited;           /* LINK_EXIT has come, */
	uint8_t status;        /* with this status */
	bool lost;             /* something came that is no message */
	bool quit;             /* the user wants to end the machine */
};
extern struct guest guest;
void guest_start(void);
bool guest_wants_input(void);           /* standard input should be polled */
void guest_read_input(void);
bool guest_may_receive(void);           /* all that was received is handed on */
int guest_blocked_on(void);             /* the descriptor that what was received must go to next, or -1 */
void guest_receive(int *line);          /* -1 at its end */
void guest_hand_on(void);               /* as much of what was received as its readers take now */
void guest_output_gone(int descriptor); /* nobody reads standard output (1), error (2) */
bool guest_output_is_open(int descriptor);
void guest_resize(void);
bool guest_has_to_send(void);
void guest_send(int line);

/* log.c: text of the first serial line, to standard error or a file. */
#define LOG_PREFIX "aegis: "
bool log_start(const char *file, const char *prefix); /* null: standard error, LOG_PREFIX; false: said why */
bool log_may_receive(void);
bool log_pending(void);
int log_descriptor(void);
void log_receive(int *line);
void log_write(void);
void log_end(void);                     /* a last line without its end */

/* main.c */
void say(const char *text, ...) __attribute__((format(printf, 1, 2))); /* a line to standard error, prefixed "exo: " */
/* As much as goes without blocking (in one piece): bytes written, 0 if none now, -1 with errno when there is no use
 * in trying again. */
ssize_t write_some(int descriptor, const void *bytes, size_t n);
