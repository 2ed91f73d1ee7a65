/* The kernel's user.h with the test's user memory (machine.c) in place of the machine's. */
#pragma once

#define user_open real_user_open
#define user_close real_user_close
#define user_load real_user_load
#define user_load32 real_user_load32
#include_next <kernel/x86_64/user.h>
#undef user_open
#undef user_close
#undef user_load
#undef user_load32

void user_open(void);
void user_close(void);
bool user_load(uint64_t at, uint64_t *v);
bool user_load32(uint64_t at, uint32_t *v);
