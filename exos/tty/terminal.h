/* A terminal from inside: what the files of this folder share. Domain lock held for all of it.
 *
 * Input goes host -> tty_input -> discipline_input -> `input`, a ring, -> read. Output goes write or echo ->
 * output_* -> `output` -> link. Who waits for either waits on `changed`. */
#pragma once

#include <exos/tty/termios.h>
#include <exos/tty/tty.h>

#define TTY_INPUT 4096          /* positions in the ring; also the longest line, with its end */
#define TTY_OUTPUT 2048         /* bytes */
#define TTY_EXPANSION 8         /* bytes that one byte can become on its way out */

/* A position of the ring is a byte, or with one of these marks the end of a line: the byte is its last, or the line
 * ends without one. */
enum { MARK_LINE = 0x100, MARK_END = 0x200 };

struct tty {
	struct termios settings;
	struct window_size size;
	int session, foreground;    /* 0: none */
	uint32_t hangups;           /* files opened before the last one are dead */
	bool no_keyboard;           /* the host has no terminal to read from (any more) */
	bool stopped;               /* output waits for VSTART or TCOON */
	struct wait_queue changed;
	uint16_t input[TTY_INPUT];
	uint32_t head, tail;        /* where the next byte goes, where the next read begins; they only grow */
	uint32_t line;              /* canonical mode: the end of the last whole line */
	bool literal;               /* VLNEXT came: the next byte is only itself */
	uint32_t column;            /* of the cursor, as far as output processing knows */
	uint32_t line_column;       /* where it was when the line being typed began */
	uint8_t output[TTY_OUTPUT]; /* processed, not yet sent: for an instant, or as long as output is stopped */
	uint32_t output_length;
};

struct tty_open { /* data of an open file */
	struct tty *tty;
	uint32_t hangups;           /* the terminal's, when it was opened */
};
int tty_open(struct tty *t, struct file *file);
static inline struct tty *tty_of(const struct file *f) { return ((struct tty_open *)f->data)->tty; }
static inline bool tty_hung_up(const struct file *f)
{
	return ((struct tty_open *)f->data)->hangups != tty_of(f)->hangups;
}

/* tty.c: credit. Something was taken out of what tty_input fills. */
void tty_input_taken(void);

/* discipline.c */
void discipline_start(struct tty *t);                      /* settings as new */
void discipline_input(struct tty *t, const uint8_t *bytes, size_t n);
void discipline_set(struct tty *t, const struct termios *settings);
void discipline_flush(struct tty *t);                      /* forgets what was typed and not read */
size_t discipline_room(const struct tty *t);
size_t discipline_readable(const struct tty *t);           /* bytes that a read would find now */
ssize discipline_read(struct tty *t, void *program, size_t n); /* without waiting; count, 0 at an end, or -EFAULT */

/* output.c. Nothing here waits, save output_send. */
void output_put(struct tty *t, uint8_t c);                 /* processed as the settings say; no room: dropped */
void output_echo(struct tty *t, uint8_t c);                /* control characters as ^X where the settings say so */
void output_raw(struct tty *t, uint8_t c);                 /* moves the cursor, else as it is */
void output_send(struct tty *t);                           /* hands on all, unless stopped; may release the lock */
void output_stop(struct tty *t);
void output_restart(struct tty *t);

/* job.c */
/* May the current process do to its terminal what background processes are stopped for? 0, -EIO or -ERESTART (it was
 * sent `number`). */
int job_check(struct tty *t, int number);
void job_signal(struct tty *t, int number);                /* to the foreground group */
/* The control commands that deal with sessions and groups. */
int64_t job_control(struct tty *t, uint64_t command, uint64_t argument);
void job_hang_up(struct tty *t);

/* control.c */
int64_t tty_control(struct file *f, uint64_t command, uint64_t argument);

/* stream.c: standard streams that are no terminal. */
int stream_start(int number);
struct file *stream_file(int number);
void stream_input(const uint8_t *bytes, size_t n);
void stream_input_end(void);
void stream_output_closed(int number);
size_t stream_room(void);
