/* fcntl's locks; linux/locking.c. `whole`: of the open file description, not of the process. */
#pragma once

#include <exos/linux/files.h>

int64_t linux_lock_get(struct file *f, uint64_t program, bool whole);
int64_t linux_lock_set(struct file *f, uint64_t program, bool whole, bool wait);
