/* Sorts lists by merging: blocks go to the disk in its order. */
#include <exos/ext2/store_internal.h>

static struct list *merge(struct list *a, struct list *b, bool (*before)(const struct list *, const struct list *))
{
	struct list first, *last = &first;

	while (a && b) {
		struct list **from = before(b, a) ? &b : &a;

		last->next = *from;
		last = *from;
		*from = last->next;
	}
	last->next = a ? a : b;
	return first.next;
}

/* runs[i]: a sorted chain of 2^i elements, or null. 32 of them are for more elements than there is memory. */
void list_sort(struct list *head, bool (*before)(const struct list *a, const struct list *b))
{
	struct list *runs[32] = { NULL }, *all = NULL, *l = head->next, *next;
	uint32_t i;

	for (; l != head; l = next) {
		struct list *run = l;

		next = l->next;
		l->next = NULL;
		for (i = 0; runs[i]; runs[i++] = NULL)
			run = merge(runs[i], run, before);
		runs[i] = run;
	}
	for (i = 0; i < ARRAY_LENGTH(runs); i++)
		if (runs[i])
			all = merge(runs[i], all, before);
	list_init(head);
	for (; all; all = next) {
		next = all->next;
		list_append(head, all);
	}
}
