/* The library that the programs here are linked with, or open while they run. */
#include "library.h"

int library_constructed;
int library_words[LIBRARY_WORDS] = {[0 ... LIBRARY_WORDS - 1] = LIBRARY_MARK};
__thread int library_own = 5;

/* Through a pointer that the dynamic linker fills in and then protects (RELRO). */
int (*const library_relocated)(int) = library_twice;

__attribute__((constructor)) static void construct(void) { library_constructed++; }

int library_twice(int n) { return 2 * n; }

int *library_own_address(void) { return &library_own; }
