/* A model of the kernel's half of memory for the host tests: frames, their owners' counts, and page tables with the
 * rules of kernel/bind.c. What breaks a rule that ExOS never should break ends the test. */
#pragma once

#include <exos/frames.h>

#define MODEL_FRAMES 8192u
#define MODEL_ENVS   16u

void model_start(void);		    /* environment 1 is the caller of what follows */
env_id model_env_new(void);	    /* with the shared slot and tables for the library's own pages, as a process has */
void model_env_destroy(env_id env); /* takes its page tables apart; its own tables are given back */
extern uint32_t model_free_frames;  /* in the kernel */
extern uint32_t model_withheld;	    /* so many of them are not handed out: memory is exhausted earlier */
extern uint64_t model_binds;	    /* calls of aegis_bind */

/* What the hardware would find: the entry at an address of an environment, or 0. */
uint64_t model_entry(env_id env, uint64_t va);
void model_drop_entry(env_id env, uint64_t va); /* as the kernel may at any time */
/* Calls f for each page bound below PROGRAM_TOP. */
void model_each(env_id env, void (*f)(env_id env, uint64_t va, uint64_t entry));

/* TAP. */
void ok(int good, const char *what, ...) __attribute__((format(printf, 2, 3)));
int done_testing(void);		   /* the exit status */
uint64_t random_below(uint64_t n); /* the same sequence each time */
