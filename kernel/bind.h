/* Bindings: entries of page tables that live in donated frames. */
#pragma once

#include <aegis/bind.h>
#include <aegis/cap.h>
#include <kernel/env.h>

/* Makes, changes or breaks one binding of e, with frames of `account`; cap: verified, for frames that it does not own, or null. 0 or -E_.
 * *forget_all is set when all that the CPU remembers of page tables is then stale. */
int64_t bind_one(struct env *e, const struct env *account, const struct aegis_binding *b, const struct aegis_cap *cap, bool *forget_all);
/* Takes apart a bounded part of e's page tables. False: more is left. */
bool bind_take_apart(struct env *e);
