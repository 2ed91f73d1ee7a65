/* A root file system in memory, and its form on disk: a cpio archive of the "newc" kind, which Linux and ExOS both unpack.
 *
 * Names are relative to the root, without a leading slash. A member added again replaces the earlier one; folders on the
 * way to it are made; symbolic links among them are followed, so that no unpacker has to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct member {
	char *name;
	uint32_t mode, uid, gid, mtime;
	uint32_t device_major, device_minor; /* of a device node */
	uint64_t size;
	const char *bytes; /* the contents, or null: they are those of the host's file */
	char *host;
	struct member *next_in_bucket;
};

/* The time of what is made here rather than copied: 2026-01-01, so that equal inputs give equal archives. */
#define ARCHIVE_TIME 1767225600u

/* From here on, the root is this folder of the archive (without slashes around it; lasts), "" the archive's own. */
void archive_below(const char *folder);
struct member *archive_find(const char *guest); /* every symbolic link followed; null: none. The root itself is no member */
struct member *archive_add(const char *guest, uint32_t mode, const char *bytes, size_t size);
void archive_add_host(const char *host, const struct stat *st, const char *guest, bool keep_owner);
void archive_add_tree(const char *host, const char *guest, bool keep_owner); /* a file, or a folder with all in it */
void archive_read(const char *file);                                        /* the members of an archive made before */
/* Writes the archive, behind the bytes of `prefix` (padded to a page) if that is not null. */
void archive_write(const char *file, const char *prefix);
