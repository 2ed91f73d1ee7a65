/* library.c, for those linked with it and those that look its names up. */
#pragma once

#define LIBRARY_WORDS 4096 /* several pages of data */
#define LIBRARY_MARK  0x5a17c0de

extern int library_constructed;
extern int library_words[LIBRARY_WORDS];
extern int (*const library_relocated)(int);
int library_twice(int n);
int *library_own_address(void); /* of a variable that each thread has */
