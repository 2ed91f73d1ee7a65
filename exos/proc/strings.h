/* Packing the arguments and the environment of a program to be run. Domain lock held. */
#pragma once

#include <exos/proc/proc.h>

#define EXEC_STRINGS_MAX (2ul << 20) /* bytes, with their ends */

/* Where the next bytes go: *room of them, at least one. Null: -E2BIG or -ENOMEM is in *error. */
char *exec_strings_room(struct exec_strings *strings, size_t *room, int *error);
void exec_strings_used(struct exec_strings *strings, size_t n);
/* Appends one string, with its end, from library memory. 0, -E2BIG or -ENOMEM. */
int exec_strings_add(struct exec_strings *strings, const char *text);
void exec_strings_free(struct exec_strings *strings);
