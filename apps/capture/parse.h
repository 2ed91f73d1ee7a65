/* The text of a filter's program: a line an instruction, as `tcpdump -dd` prints them.
 *
 * Who calls it: main.c. What is promised: whatever the text is, either a program whose jumps stay inside it and whose last instruction returns, or what is wrong and in which line. Whether each instruction is one
 * that there is, the kernel says. */
#pragma once

#include <aegis/net.h>
#include <stdbool.h>
#include <stdio.h>

struct program {
	struct aegis_bpf instructions[NET_BPF_MAX];
	uint32_t n;
	unsigned lines[NET_BPF_MAX]; /* where each stands, the first is 1 */
	unsigned line;               /* what is wrong is there, */
	const char *wrong;           /* and is this */
};
/* Reads all of `text`. False: wrong is set; line 0 if it is no line's fault. */
bool program_read(struct program *p, FILE *text);
