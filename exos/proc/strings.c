/* Arguments and environment of a program to be run, packed into frames: they must outlive the address space that they come from.
 *
 * spawn.c fills them from library memory, the personality from the program's. */
#include <exos/heap.h>
#include <exos/proc/strings.h>

#define FRAMES_MAX (EXEC_STRINGS_MAX / FRAME_SIZE)
_Static_assert(FRAMES_MAX * sizeof(frame_t) <= HEAP_MAX, "the list of frames is a heap object");
#define FRAMES_FIRST 8

/* One more frame, in a list that doubles as it grows. */
static int add_frame(struct exec_strings *s)
{
	bool full = s->frame_count >= FRAMES_FIRST && !(s->frame_count & (s->frame_count - 1));

	if (s->frame_count == FRAMES_MAX)
		return -E2BIG;
	if (!s->frames || full) {
		frame_t *list = heap_alloc(MAX(FRAMES_FIRST, 2 * s->frame_count) * sizeof(*list));

		if (!list)
			return -ENOMEM;
		if (s->frames)
			memcpy(list, s->frames, s->frame_count * sizeof(*list));
		heap_free(s->frames);
		s->frames = list;
	}
	s->frames[s->frame_count] = frame_get();
	if (s->frames[s->frame_count] == NO_FRAME)
		return -ENOMEM;
	s->frame_count++;
	return 0;
}

char *exec_strings_room(struct exec_strings *s, size_t *room, int *error)
{
	uint32_t offset = s->length % FRAME_SIZE;

	if (s->length == s->frame_count * FRAME_SIZE) {
		*error = add_frame(s);
		if (*error)
			return NULL;
	}
	*room = FRAME_SIZE - offset;
	return (char *)frame_address(s->frames[s->frame_count - 1]) + offset;
}

void exec_strings_used(struct exec_strings *s, size_t n) { s->length += (uint32_t)n; }

int exec_strings_add(struct exec_strings *s, const char *text)
{
	size_t left = strlen(text) + 1;

	while (left) {
		int error;
		size_t room;
		char *to = exec_strings_room(s, &room, &error);

		if (!to)
			return error;
		room = MIN(room, left);
		memcpy(to, text, room);
		exec_strings_used(s, room);
		text += room;
		left -= room;
	}
	return 0;
}

void exec_strings_free(struct exec_strings *s)
{
	for (uint32_t n = 0; n < s->frame_count; n++)
		frame_put(s->frames[n]);
	heap_free(s->frames);
	*s = (struct exec_strings){0};
}
