/* The kernel's log: lines on the first serial line, prefixed "aegis: ". For starts, refusals to start, and bugs; nothing on a fast path logs. */
#pragma once

#include <stdbool.h>

#include <aegis/types.h>

struct trap;
void log_line(const char *text, ...) __attribute__((format(printf, 1, 2))); /* %s %d %u %lu %x %lx %c %p */
_Noreturn void panic(const char *text, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void kernel_fault(struct trap *t);
/* The machine cannot do what is asked (too little memory, no such CPU feature): says so and ends with 125. */
_Noreturn void refuse(const char *text, ...) __attribute__((format(printf, 1, 2)));
#define ASSERT(condition) ((condition) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
