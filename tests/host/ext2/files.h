/* What the tests of names and contents share: volumes made by mke2fs, judged by e2fsck and read by debugfs, and a caller of ext2.h that keeps files' contents as exos/volume would, writing them straight through. */
#pragma once

#include <exos/ext2/ext2.h>
#include "disk.h"

struct volume {
	struct disk *disk;
	struct ext2 *ext2;
	struct ext2_port port;
	void (*committing)(struct volume *v, bool done); /* is told before and after each commit; may be null */
	void *owner;
	void (*port_change)(struct ext2_port *port); /* before it is opened; may be null */
};

/* A new file system: mke2fs with these arguments, on an image of so many bytes. */
struct disk *image_make(const char *arguments, uint64_t bytes);
uint32_t image_block_size(const uint8_t *image);
bool image_clean(uint8_t *image, size_t bytes, bool replay); /* e2fsck -fn has nothing to say; replay: after it has replayed the journal (e2fsck -p), the image being what that made of it */
/* Opens it; 0 or what ext2_open says. */
int volume_try(struct volume *v, struct disk *d, bool read_only);
void volume_open(struct volume *v, struct disk *d);
int volume_close(struct volume *v);
const char *volume_why(void); /* what ext2_open said last */
int volume_commit(struct volume *v);
void volume_room(struct volume *v); /* commits if it is due, as every caller does before an operation */

/* By path, from the root; 0 or a negative errno. */
int walk(struct volume *v, const char *path, struct ext2_node **out);
int walk_parent(struct volume *v, const char *path, struct ext2_node **out, const char **name);
int make(struct volume *v, const char *path, uint32_t mode, const char *target, struct ext2_node **out); /* out null: not wanted */
int remove_name(struct volume *v, const char *path, bool directory);
int move_name(struct volume *v, const char *from, const char *to, bool exchange);
int link_name(struct volume *v, const char *old, const char *new);
/* Contents. */
int file_write(struct volume *v, struct ext2_node *n, uint64_t offset, const void *data, size_t size);
int file_read(struct volume *v, struct ext2_node *n, uint64_t offset, void *data, size_t size); /* how many bytes, or an errno */
int file_truncate(struct volume *v, struct ext2_node *n, uint64_t size);
