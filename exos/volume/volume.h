/* Volumes: ext2 and ext3 file systems on disks, mounted. Domain lock held; mounting and all operations of the inodes may wait, and give up the lock meanwhile, but those that file.h says never do.
 *
 * Who uses it: linux/mount.c, start.c (a root on a disk), frames.c (when memory is short), revoke.c, exit.c. What it promises: what fsync, sync or a clean end have returned for is on the medium; after a crash the volume is as after
 * some operation that was done, everything that was promised included; contents that were never written are never seen. A volume whose device fails goes on being read as far as it can, and is written no more. */
#pragma once

#include <exos/file/mount.h>

struct volume;

/* Mounts what is on a block device over a directory (null: as the root of all). flags: MOUNT_. type: what /proc/mounts is to say ("ext2", "ext3", "ext4"). -EINVAL (no such file system; the log says more), -ENXIO, -EBUSY (mounted already), -EROFS, -EIO, -ENOMEM. */
int volume_mount(uint64_t device, struct inode *covered, const char *type, uint32_t flags, const char *source);
/* Gives back up to so many frames that hold clean contents or buffers: how many. Never waits. */
uint32_t volumes_shrink(uint32_t count);
/* For who has found no memory, and may wait: what files have in address spaces is taken out of them, and what is not written is written, so that some of it can be given back. False: there is nothing more. */
bool volumes_find_memory(void);
/* Frames that files' contents take; of them those not written yet. */
uint64_t volumes_pages(void);
uint64_t volumes_dirty(void);
/* Somebody was stopped by force: was it while he held a volume, that fails. */
void volumes_forget(env_id env);
/* Frames were repossessed: contents that they had are gone. */
void volumes_lose(void);
/* Memory is asked back, more than can be given: dirty pages that have a place on a disk are named to the kernel, so that it writes what it takes; and the owners begin to write them. How many were named. */
uint32_t volumes_name_dirty(void);
/* At the machine's end, by the keeper: processes end, everything is written, and volumes are marked clean. True: it is done, or there is nothing to do; else the keeper is woken when it is, and calls again, as long as he likes to wait. */
bool volumes_end(void);
