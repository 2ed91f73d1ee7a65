/* What the handlers of file calls share: names and directories as Linux calls give them, descriptors, special numbers.
 */
#pragma once

#include <exos/file/file.h>
#include <exos/linux/linux.h>

enum {
	AT_FDCWD = -100,
	AT_SYMLINK_NOFOLLOW = 0x100,
	AT_EACCESS = 0x200,
	AT_REMOVEDIR = 0x200,
	AT_SYMLINK_FOLLOW = 0x400,
	AT_NO_AUTOMOUNT = 0x800,
	AT_EMPTY_PATH = 0x1000
};

#define IO_MAX 0x7ffff000ul /* bytes that one call moves at most */

static inline struct file *linux_file(uint64_t number) { return file_at(self->proc->files, (uint32_t)number); }
/* May this file be read (written)? See OPEN_ACCESS and OPEN_PATH in file.h. */
static inline bool linux_readable(const struct file *f) { return !(f->flags & 1); }
static inline bool linux_writable(const struct file *f) { return (f->flags + 1) & OPEN_RDWR; }

/* A path from the program, in a frame: 0 or -errno. To be given back by linux_path_done. */
int linux_path_in(uint64_t program, char **path);
void linux_path_done(char *path);
/* The inode where a path starts that is relative to a descriptor (null: the current directory), with no reference. */
int linux_base(uint64_t descriptor, const char *path, struct inode **base);
/* The inode that descriptor, path and AT_ flags name; a reference. With AT_EMPTY_PATH it may be the descriptor's own.
 */
int linux_inode_at(uint64_t descriptor, uint64_t path, uint32_t flags, struct inode **out);
/* Installs a file, or drops it: the number or -errno. */
int64_t linux_install(struct file *f, bool close_on_exec);
