/* What a volume should be: a tree in this program's memory, changed by the same operations, with the errors that they should have. Contents of a file are a function of its seed and the place, or zero, so that a copy of the mirror is small and what a
 * crash left can be compared too. */
#pragma once

#include "files.h"

#define MIRROR_UNIT 1024u /* contents are there or not in units of that */

struct mirror_name {
	struct mirror_name *next;
	char *name;
	struct mirror_file *file;
};
struct mirror_file {
	uint32_t mode, links, number; /* number: of the inode, once known; 0 */
	uint64_t size, device;
	uint32_t seed;
	uint8_t *there;               /* of a file: units that have contents */
	uint32_t units;
	char *target;
	struct mirror_name *names;     /* of a directory */
	struct mirror_file *parent;    /* of a directory */
	struct mirror_file *copy;      /* while the mirror is copied */
};
struct mirror {
	struct mirror_file *root;
	struct mirror_file **directories; /* all that there are */
	uint32_t directory_count;
};

struct mirror *mirror_new(void);
struct mirror *mirror_copy(const struct mirror *m); /* names, not what is open */
void mirror_end(struct mirror *m);
struct mirror_file *mirror_find(const struct mirror_file *dir, const char *name);
void mirror_path(const struct mirror_file *dir, const char *name, char *to);

/* Each does it in the mirror and on the volume, and ends the test if these are not of one mind. false: nothing was changed. */
bool both_make(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, uint32_t mode);
bool both_unlink(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, bool directory);
bool both_link(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, struct mirror_file *to, const char *new_name);
bool both_rename(struct mirror *m, struct volume *v, struct mirror_file *dir, const char *name, struct mirror_file *to, const char *new_name, bool exchange);
void both_write(struct volume *v, struct mirror_file *f, struct ext2_node *n, uint64_t unit, uint32_t count);
void both_truncate(struct volume *v, struct mirror_file *f, struct ext2_node *n, uint64_t units);
/* Something of all of that, at random. full: -ENOSPC is no surprise. */
void both_random(struct mirror *m, struct volume *v);
/* What was held is put: nobody has a file without a name open. */
void both_let_go(void);
extern bool mirror_loose; /* after a crash: contents that were not there may be there all the same, as they are not written with the journal */
extern bool mirror_full; /* -ENOSPC and -ENOMEM are no surprises: nothing must have changed then */

/* Is the volume what the mirror says? what: the first difference. */
bool mirror_same(const struct mirror *m, struct volume *v, char *what);
/* The same of a tree on this host, as debugfs's rdump wrote it: files, directories and links. */
bool mirror_same_host(const struct mirror *m, const char *path, char *what);
