/* Entries of the process table: made, found, given back. For the files of proc/ only; domain lock held. */
#pragma once

#include <exos/proc/proc.h>

/* A new entry with a pid, a child of `parent`, which it shares nothing with yet. Null: out of memory, or of pids. */
struct proc *table_add(struct proc *parent);
int table_number(void); /* for a process or thread; 0: none is free */
/* What one that has nobody to inherit from gets: mask, limits. */
void table_first(struct proc *p);
/* What a child gets from its parent besides memory: files, directories, names, signals, limits. 0 or -ENOMEM; what was
 * taken until then is given back by table_remove. */
int table_inherit(struct proc *child, const struct proc *parent);
/* Gives back files, directories and whatever else only the living need. What it has given back already is left alone. */
void table_release(struct proc *p);
/* Takes the entry out of the table and frees it. It owns no environment and no memory any more. */
void table_remove(struct proc *p);
void table_set_parent(struct proc *p, struct proc *parent);
char *table_string(const char *s); /* a copy, from the heap; null: out of memory */
