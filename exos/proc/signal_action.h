/* What signals do by default; pending ones taken back. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/signal.h>

#define SET_STOP (signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU))
#define SET_IGNORED (signal_bit(SIGCHLD) | signal_bit(SIGURG) | signal_bit(SIGWINCH) | signal_bit(SIGCONT)) /* SIGCONT acts when it is sent */
#define SET_UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP))

bool signal_ignored(const struct signals *s, int number);
void signal_forget(struct signals *s, signal_set set); /* pending no more, for whoever runs */
void signal_queue_drop(struct signal_queue *q, signal_set set);
