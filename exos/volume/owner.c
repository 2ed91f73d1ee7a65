/* The owner of a volume: an environment that commits, writes behind and goes through the journal while nobody asks for it, so that what was written lasts after a few seconds, and writers find room. Idle while nothing is dirty. */
#include <exos/proc/service.h>
#include <exos/self.h>
#include <exos/volume/internal.h>

/* Is there anything that is to last some time? */
static bool has_work(const struct volume *v) { return v->touched || v->hurry || !list_empty(&v->dirty) || !list_empty(&v->changed) || !list_empty(&v->unwanted); }

static void write_old(struct volume *v, uint64_t age)
{
	uint64_t now = ticks_now();

	volume_write_behind(v, now > age ? now - age : 0, NEVER);
	if (v->dirty_pages > v->policy.dirty_start)
		volume_write_behind(v, now, v->dirty_pages - v->policy.dirty_start / 2);
}

static void work(struct volume *v)
{
	uint64_t age = time_to_ticks(v->policy.age_ns), now = ticks_now();
	bool due = now - v->committed_at >= age;

	/* Before a commit, contents get their places, which then last with it. */
	v->hurry = false;
	write_old(v, age / 2);
	if (due || ext2_commit_due(v->ext2))
		volume_commit(v, ext2_running(v->ext2));
}

static void run(void *data)
{
	struct volume *v = data;

	while (!v->ending && !v->failed) {
		bool busy = has_work(v);
		uint64_t deadline = busy ? time_deadline(v->policy.age_ns) : 0;

		if (!v->hurry) {
			v->owner_idle = !busy;
			wait_on(&v->owner_queue, deadline);
		}
		if (busy && !v->ending && !v->failed) {
			volume_enter(v);
			work(v);
			volume_leave(v);
		}
	}
	v->owned = false;
	wake_all(&v->owner_queue);
}

/* Without an owner a volume is right all the same: who syncs, unmounts or has no room sees to it. */
void owner_start(struct volume *v)
{
	struct proc *p;

	if (v->read_only)
		return;
	v->owned = proc_service("volume", run, v, &p) == 0;
}

void owner_end(struct volume *v)
{
	v->ending = true;
	while (v->owned) {
		wake_all(&v->owner_queue);
		wait_surely(&v->owner_queue);
	}
}

void owner_hurry(struct volume *v)
{
	v->hurry = true;
	wake_all(&v->owner_queue);
}
