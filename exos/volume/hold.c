/* Holding a volume: a lock that is kept while blocks are waited for. It records its holder, so that one who is stopped inside leaves a volume that is broken, and not one that is waited for for ever.
 *
 * Order: the domain lock is given up whenever somebody waits here or in a request, so that whatever was looked at before has to be looked at again. Nobody touches the program's memory while he holds a volume: that may have to be
 * fetched from this very volume. */
#include <exos/lock.h>
#include <exos/self.h>
#include <exos/volume/internal.h>

struct list volumes = {&volumes, &volumes};

void slice_over(void)
{
	uint32_t depth = domain_unlock_all();

	domain_unlock_events();
	domain_relock(depth);
}

int hold_take(struct volume *v)
{
	while (v->hold.who && !v->broken)
		wait_surely(&v->hold.queue);
	if (v->broken)
		return -EIO;
	v->hold.who = self->who;
	v->hold.env = self->env;
	return 0;
}

void hold_give(struct volume *v)
{
	if (v->hold.who != self->who)
		return; /* it broke over his head */
	v->hold.who = 0;
	v->hold.env = 0;
	wake_one(&v->hold.queue);
}

void volume_fail(struct volume *v, const char *why)
{
	if (!v->failed)
		log_line("%s: %s: nothing more is written to it", v->mount ? v->mount->source : "volume", why);
	v->failed = true;
	wake_all(&v->hold.queue);
	wake_all(&v->commits);
	wake_all(&v->written);
}

static void forget_writers(struct volume *v, env_id env)
{
	LIST_FOR_EACH (l, &v->vnodes) {
		struct vnode *n = CONTAINER_OF(l, struct vnode, all_link);

		if (n->writer && n->writer_env == env)
			writer_give(n);
	}
}

/* Whoever was woken may be the one that is gone: all look again. */
void volumes_forget(env_id env)
{
	LIST_FOR_EACH (l, &volumes) {
		struct volume *v = CONTAINER_OF(l, struct volume, link);

		forget_writers(v, env);
		if (v->hold.who && v->hold.env == env) {
			v->hold.who = 0;
			v->broken = true;
			volume_fail(v, "a process was stopped while it changed the file system");
		}
		if (v->committing && v->committer == env)
			volume_fail(v, "a process was stopped while it committed");
		wake_all(&v->hold.queue);
		wake_all(&v->commits);
	}
}
