/* A program decides how files are cached: the numbers, and which replacement. It is for root, as it is everybody's cache. */
#include <exos/linux/files.h>
#include <exos/linux/linux.h>
#include <exos/program/calls.h>
#include <exos/self.h>
#include <exos/volume/policy.h>

#define PAGES_MOST (1u << 30)

static bool makes_sense(const struct exos_cache *c, const struct volume_policy *now)
{
	uint64_t first = c->window_first ? c->window_first : now->window_first, most = c->window_most ? c->window_most : now->window_most;
	uint64_t start = c->dirty_start ? c->dirty_start : now->dirty_start, all = c->dirty_most ? c->dirty_most : now->dirty_most;

	return c->replacement <= EXOS_CACHE_OLDEST && first <= most && most < PAGES_MOST && start <= all && all < PAGES_MOST;
}

static void take_over(const struct exos_cache *c, struct volume_policy *p)
{
	if (c->replacement)
		p->replace = c->replacement == EXOS_CACHE_OLDEST ? volume_replace_oldest : volume_replace_reused;
	p->window_first = c->window_first ? (uint32_t)c->window_first : p->window_first;
	p->window_most = c->window_most ? (uint32_t)c->window_most : p->window_most;
	p->dirty_start = c->dirty_start ? (uint32_t)c->dirty_start : p->dirty_start;
	p->dirty_most = c->dirty_most ? (uint32_t)c->dirty_most : p->dirty_most;
	p->age_ns = c->age_ns ? c->age_ns : p->age_ns;
}

int64_t program_cache(struct regs *r)
{
	struct file *f = linux_file(A0(r));
	struct volume_policy *policy = f ? volume_policy_of(f->inode) : NULL;
	struct exos_cache asked;

	if (!f)
		return -EBADF;
	if (self->proc->euid)
		return -EPERM;
	if (!policy)
		return -ENODEV;
	if (copy_in(&asked, ADDRESS(const void, A1(r)), sizeof(asked)))
		return -EFAULT;
	if (!makes_sense(&asked, policy))
		return -EINVAL;
	take_over(&asked, policy);
	return 0;
}
