/* What these tests share: points, random numbers, memory for filters and packets, and a model of what atoms accept that shares no code with the compiler. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aegis/error.h>
#include <kernel/filter/filter.h>

void ok(bool good, const char *what);
#define MUST(condition) ((condition) ? (void)0 : broken(__FILE__, __LINE__, #condition))
_Noreturn void broken(const char *file, int line, const char *condition); /* prints how to do it again */
int finish(void);                                                       /* prints the plan: exit status */

void random_start(void);              /* from SEED, or the time; prints it */
uint64_t random_below(uint64_t n);
uint64_t rounds_wanted(uint64_t n);   /* ROUNDS, or n */

/* Memory that is written at *write and run at the result. */
const uint8_t *code_memory(size_t size, uint8_t **write);
struct filters *filters_for(uint32_t slots);
void filters_drop(struct filters *fs);
/* A copy that ends where nothing can be read. */
const uint8_t *packet_at_end(const uint8_t *packet, uint32_t length);

bool model_accepts(const struct aegis_atom *atoms, uint32_t n, const uint8_t *packet, uint32_t length);
/* Nobody can say from the atoms that no packet is accepted by both. */
bool model_overlap(const struct aegis_atom *a, uint32_t n, const struct aegis_atom *b, uint32_t m);
uint32_t model_bits(const struct aegis_atom *atoms, uint32_t n);
