/* The policies of a volume's cache that are in force until somebody puts others in place: read-ahead in windows that grow while a file is read in order, and a clock that spares what was read more than once, so that a single pass over
 * a large file does not drive out what is used again and again. */
#include <exos/volume/internal.h>

#define WINDOW_FIRST 16
#define WINDOW_MOST 256
#define DIRTY_PART 5 /* of the machine's memory may be dirty, */
#define DIRTY_START 10 /* and from here on it is written */
#define AGE_NS 5000000000ul
#define RUN_MOST 1024
#define INODES_PART 8

/* In order: where the last one stopped, or from the beginning. Anybody else gets what he asks for. */
static uint64_t read_window(const struct volume_policy *p, const struct volume_use *use, uint64_t *window)
{
	if (use->index && use->index != use->next) {
		*window = 0;
		return MAX(use->pages, 1ul);
	}
	*window = MIN(MAX(use->window * 2, (uint64_t)p->window_first), (uint64_t)p->window_most);
	return MAX(*window, use->pages);
}

bool volume_replace_reused(const struct volume_policy *p, bool used)
{
	(void)p;
	return !used;
}

bool volume_replace_oldest(const struct volume_policy *p, bool used)
{
	(void)p, (void)used;
	return true;
}

struct volume_policy *volume_policy_of(struct inode *i) { return i->ops == &volume_ops ? &vnode_of(i)->volume->policy : NULL; }

void volume_policy_default(struct volume_policy *p, uint64_t frames)
{
	*p = (struct volume_policy){
		.read = read_window,
		.replace = volume_replace_reused,
		.window_first = WINDOW_FIRST,
		.window_most = (uint32_t)MIN((uint64_t)WINDOW_MOST, frames / 64 + 1),
		.dirty_most = (uint32_t)(frames / DIRTY_PART),
		.dirty_start = (uint32_t)(frames / DIRTY_START),
		.age_ns = AGE_NS,
		.run_most = RUN_MOST,
		.share = true,
		.inodes_most = (uint32_t)(frames / INODES_PART) + 64,
	};
}
