/* What every part of ExOS may use: types, small helpers, freestanding string functions, the log, panic.
 *
 * ExOS's .data and .bss are shared by every environment of the domain: a global variable here is shared state and
 * is used only with the domain lock held, unless its declaration says otherwise. What is private to one environment lives in `self`. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aegis/types.h>
#include <exos/errno.h>

typedef int64_t ssize; /* a size, or a negative errno */

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ROUND_DOWN(x, n) ((x) & ~((__typeof__(x))(n)-1))
#define ROUND_UP(x, n) ROUND_DOWN((x) + (__typeof__(x))(n)-1, n)
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Formats like printf (%d %u %x %o %c %s %p with l, ll, z, width, 0, -, .precision) into `to`, always terminated if size is not 0;
 * returns the length that the whole would have. */
int format(char *to, size_t size, const char *text, ...) __attribute__((format(printf, 3, 4)));
int format_va(char *to, size_t size, const char *text, va_list arguments);

/* One line to the log (standard error of ./exo, prefixed "exos: "). Never blocks, takes no lock. */
void log_line(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* A bug in ExOS itself: logs, and ends the machine with a failure. */
_Noreturn void panic(const char *text, ...) __attribute__((format(printf, 1, 2)));
#define ASSERT(condition) ((condition) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))

/* Doubly linked lists with a head of the same type; an element off any list points at itself or is never asked. */
struct list {
	struct list *next, *previous;
};
static inline void list_init(struct list *l) { l->next = l->previous = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_append(struct list *head, struct list *l)
{
	l->previous = head->previous;
	l->next = head;
	head->previous->next = l;
	head->previous = l;
}
static inline void list_remove(struct list *l)
{
	l->previous->next = l->next;
	l->next->previous = l->previous;
	list_init(l);
}
#define LIST_FOR_EACH(position, head) for (struct list *position = (head)->next; position != (head); position = position->next)
#define LIST_FOR_EACH_SAFE(position, following, head) \
	for (struct list *position = (head)->next, *following = position->next; position != (head); \
	     position = following, following = position->next)
