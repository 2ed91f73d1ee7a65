/* What a volume's cache decides, apart from what it does: an application can change it (exos/program.h: cache). Numbers are pages of 4,096 bytes. Functions are called with the domain lock held, may not wait, and see only what they are given. */
#pragma once

#include <exos/base.h>

struct volume_use { /* of a file, by its readers */
	uint64_t index;     /* the page that is wanted, */
	uint64_t pages;     /* and how many with it: the rest of the call */
	uint64_t next;      /* where a reader in order would go on */
	uint64_t window;    /* what was read ahead last; 0: nothing */
	uint64_t file_pages;
};
struct volume_policy {
	/* How many pages to read at once from `index` on: at least 1. *ahead: at which of them the next is to be asked for; the same number: when they are used up. */
	uint64_t (*read)(const struct volume_policy *p, const struct volume_use *use, uint64_t *window);
	/* Memory is wanted, and the hand has come to a clean page. used: it was read again since the hand was here last. True: it goes. */
	bool (*replace)(const struct volume_policy *p, bool used);
	uint32_t window_first, window_most; /* read-ahead */
	uint32_t dirty_most;       /* writers wait above this; */
	uint32_t dirty_start;      /* and the owner writes from here on, whatever their age */
	uint64_t age_ns;           /* dirty contents are written when they are so old; commits come as often */
	uint32_t run_most;         /* pages of one allocation */
	uint32_t inodes_most;      /* without users, in memory */
	bool share;                /* pages that are read are registered in the kernel's block table, for whoever else may read them */
};
bool volume_replace_reused(const struct volume_policy *p, bool used); /* spares what was; the default */
bool volume_replace_oldest(const struct volume_policy *p, bool used); /* spares nothing */
void volume_policy_default(struct volume_policy *p, uint64_t frames); /* frames of the machine */
/* What is in force for the volume that a file is on, to be changed in place; null: it is on none. */
struct inode;
struct volume_policy *volume_policy_of(struct inode *i);
