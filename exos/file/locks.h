/* Advisory locks on files: ranges held by a process (fcntl) and whole files held by an open file description (flock).
 * Domain lock held. */
#pragma once

#include <exos/file/file.h>

struct file_locks;
struct file_lock {
	uint64_t start, end; /* inclusive */
	bool exclusive;
	int pid;	   /* whose range it is; 0: a whole-file lock. The two kinds know nothing of each other */
	const void *owner; /* a descriptor table for ranges, an open file for whole files */
};

/* Sets a lock (or with `unlock` removes the owner's locks in that range). -EAGAIN when another's is in the way and
 * `wait` is not set; -ERESTART when a signal came; -ENOLCK when memory is exhausted. The caller holds references to
 * inode and owner. Deadlocks are not looked for: a signal ends the wait. */
int locks_set(struct inode *i, const struct file_lock *lock, bool unlock, bool wait);
/* The first lock in the way of this one; false when there is none. */
bool locks_conflict(struct inode *i, const struct file_lock *lock, struct file_lock *out);
void locks_drop(struct inode *i, const void *owner); /* all of an owner's */
void locks_free(struct inode *i);		     /* with the inode: none is held any more */
