/* Terminals: line discipline, job control, and the streams to the host that stand in for one when ./exo's own are
 * not a terminal. Domain lock held. */
#pragma once

#include <exos/file/file.h>

struct tty;
struct proc;
extern struct tty *console_tty; /* the terminal of ./exo, or null */

/* Sets up what the first process's standard input, output and error are. `terminal[i]`: that stream of ./exo is a
 * terminal. */
int tty_start(const bool terminal[3], uint16_t rows, uint16_t columns);
struct file *tty_standard(int number);                    /* 0, 1, 2; a new reference, or null: out of memory */
/* From the host; the keeper calls. tty_input may release the lock; what does not fit is lost. */
void tty_input(const uint8_t *bytes, size_t n);
void tty_input_end(void);                                 /* the host's standard input has ended */
void tty_output_closed(int number);                       /* nobody reads the host's standard output (1) or error (2) */
void tty_resize(uint16_t rows, uint16_t columns);
size_t tty_input_room(void);                              /* how much tty_input can take now */
int tty_open_controlling(struct inode *inode, struct file *file); /* /dev/tty */
int tty_open_console(struct inode *inode, struct file *file);     /* /dev/console */
/* Of a session that has no terminal yet; the leader's group is the foreground. */
void tty_make_controlling(struct tty *t, struct proc *leader);
void tty_hangup_session(int session);                     /* its leader has exited */
int tty_foreground(struct tty *t);                        /* group; 0: none */
uint64_t tty_device_number(struct tty *t);                /* for /proc/PID/stat */
