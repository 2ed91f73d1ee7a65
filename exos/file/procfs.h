/* /proc from the inside: tables of entries, and who writes them. */
#pragma once

#include <exos/file/file.h>
#include <exos/file/text.h>

struct proc;

struct procfs_entry {
	const char *name;
	uint32_t mode; /* type and permissions */
	const struct procfs_entry
		*entries; /* of directories: fixed names, ended by an entry without one; may be null */
	const struct procfs_entry
		*numbered; /* of directories whose other names are numbers: what each of those is; and */
	int (*next)(struct proc *p, int from);	       /* the lowest number there is, not below `from`; -1: none */
	void (*write)(struct text *t, struct proc *p); /* of files; p: null outside of processes' directories */
	ssize (*readlink)(struct proc *p, int number, char *to, size_t size);
	int (*follow)(struct proc *p, int number, struct inode **out); /* of links that lead to an inode itself */
};

extern const struct procfs_entry procfs_system_entries[]; /* procfs_system.c: the machine */
extern const struct procfs_entry procfs_net_entries[]; /* interface/procfs_net.c */
extern const struct procfs_entry procfs_process;	  /* procfs_process.c: one process, as a numbered entry */
int procfs_next_process(struct proc *p, int from);
extern const struct procfs_entry procfs_fd_link; /* procfs_fd.c: an open file of it, as a numbered entry */
int procfs_next_fd(struct proc *p, int from);
void procfs_write_mountinfo(struct text *t, struct proc *p);
void procfs_write_mounts(struct text *t, struct proc *p); /* procfs_system.c */
void procfs_write_partitions(struct text *t, struct proc *p); /* procfs_disk.c, with the next */
void procfs_write_diskstats(struct text *t, struct proc *p);
void procfs_write_maps(struct text *t, struct proc *p);	  /* procfs_memory.c, with the two below */
void procfs_write_smaps(struct text *t, struct proc *p);
void procfs_write_smaps_rollup(struct text *t, struct proc *p);

#define USER_HZ 100			   /* in which times are told */
uint64_t procfs_user_time(uint64_t ticks); /* of the time-stamp counter, in 1/USER_HZ s */
