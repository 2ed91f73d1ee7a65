/* Text made piece by piece into frames: what a file of /proc holds while it is open. Domain lock held. */
#pragma once

#include <exos/file/file.h>

struct text {
	frame_t *frames; /* one heap object of frame numbers */
	uint32_t count;
	size_t length;
	bool failed; /* memory was exhausted: the text is cut short, and its file not opened */
};

void text_add(struct text *t, const void *bytes, size_t n);
void text_print(struct text *t, const char *words, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);
ssize text_read(const struct text *t, void *program, size_t n, uint64_t *offset);
