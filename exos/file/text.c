/* Text made piece by piece into frames. See text.h; called by procfs. */
#include <exos/file/text.h>
#include <exos/heap.h>
#include <exos/vm/copy.h>

#define TEXT_FRAMES_MAX ((uint32_t)(HEAP_MAX / sizeof(frame_t)))

static bool text_grow(struct text *t)
{
	frame_t f;

	if (!t->frames)
		t->frames = heap_alloc(HEAP_MAX);
	if (!t->frames || t->count == TEXT_FRAMES_MAX || (f = frame_get()) == NO_FRAME) {
		t->failed = true;
		return false;
	}
	t->frames[t->count++] = f;
	return true;
}

void text_add(struct text *t, const void *bytes, size_t n)
{
	while (n) {
		size_t in_page = t->length % FRAME_SIZE, part = MIN(n, FRAME_SIZE - in_page);

		if (t->length / FRAME_SIZE == t->count && !text_grow(t))
			return;
		memcpy((char *)frame_address(t->frames[t->length / FRAME_SIZE]) + in_page, bytes, part);
		t->length += part;
		bytes = (const char *)bytes + part;
		n -= part;
	}
}

/* What one call adds is a line or less: strings of any length go by text_add. */
void text_print(struct text *t, const char *words, ...)
{
	char line[256];
	va_list arguments;
	int n;

	va_start(arguments, words);
	n = format_va(line, sizeof(line), words, arguments);
	va_end(arguments);
	text_add(t, line, MIN((size_t)n, sizeof(line) - 1));
}

void text_free(struct text *t)
{
	for (uint32_t n = 0; n < t->count; n++)
		frame_put(t->frames[n]);
	heap_free(t->frames);
}

ssize text_read(const struct text *t, void *program, size_t n, uint64_t *offset)
{
	size_t done = 0;

	if (*offset >= t->length)
		return 0;
	n = MIN(n, t->length - *offset);
	while (done < n) {
		size_t in_page = *offset % FRAME_SIZE, part = MIN(n - done, FRAME_SIZE - in_page);

		if (copy_out((char *)program + done, (char *)frame_address(t->frames[*offset / FRAME_SIZE]) + in_page,
			    part))
			return done ? (ssize)done : -EFAULT;
		done += part;
		*offset += part;
	}
	return (ssize)done;
}
