/* Visible revocation and the abort protocol (paper 3.3, 3.4). Owner: the kernel lock. */
#pragma once

#include <kernel/env.h>

/* The account gave back n of a kind, by itself: counted off what is asked of it. */
void revoke_given(struct env *account, uint32_t kind, uint32_t n);
/* One `name` of a kind was taken from an account by force: recorded in its repossession vector. */
void revoke_lost(env_id account, uint32_t kind, uint64_t name);
