/* What makes changes last: commits, shared by all who wait for one; and fsync, sync and their like on top.
 *
 * Ordered mode: contents whose blocks were allocated in a transaction are on the disk before that is committed. Every write belongs to the generation that it was begun in; a commit begins a new one, and waits for those of the old. */
#include <exos/self.h>
#include <exos/volume/internal.h>

int change_begin(struct volume *v)
{
	for (;;) {
		int err;

		if (v->read_only || v->failed)
			return v->broken ? -EIO : -EROFS;
		err = hold_take(v);
		if (err)
			return err;
		if (!list_empty(&v->unwanted))
			vnodes_free_unwanted(v);
		if (!ext2_commit_due(v->ext2)) {
			v->touched = true;
			return 0;
		}
		hold_give(v);
		err = volume_commit(v, ext2_running(v->ext2));
		if (err)
			return err;
	}
}

void change_end(struct volume *v)
{
	if (v->idle_count > v->policy.inodes_most)
		vnodes_trim(v, v->policy.inodes_most - v->policy.inodes_most / 8);
	hold_give(v);
}

static int begin(struct volume *v, struct ext2_commit **out)
{
	int err = v->failed ? -EIO : hold_take(v);

	if (err)
		return err;
	vnodes_free_unwanted(v);
	vnodes_carry(v);
	v->touched = false;
	err = ext2_commit_begin(v->ext2, out);
	if (!err)
		v->generation++;
	hold_give(v);
	return err;
}

static int commit_once(struct volume *v)
{
	struct ext2_commit *c = NULL;
	uint64_t writes;
	uint32_t old;
	int err = begin(v, &c), end;

	if (err || !c)
		return err;
	old = (v->generation - 1) & 1;
	while (v->under_way[old] && !v->failed)
		wait_surely(&v->written);
	writes = v->writes;
	err = ext2_commit_write(c);
	if (!err)
		v->flushed = MAX(v->flushed, writes);
	end = hold_take(v);
	if (end)
		return end; /* it is broken: what the commit has in memory is lost with it */
	end = ext2_commit_end(c);
	if (!end && ext2_checkpoint_due(v->ext2))
		end = ext2_checkpoint(v->ext2);
	hold_give(v);
	err = err ? err : end;
	if (err || ext2_failed(v->ext2))
		volume_fail(v, "the journal cannot be written");
	return err;
}

int volume_commit(struct volume *v, uint64_t transaction)
{
	int err = 0;

	while (!err && !v->failed && ext2_committed(v->ext2) < transaction) {
		uint64_t before = ext2_running(v->ext2);

		if (v->committing) {
			wait_surely(&v->commits);
			continue;
		}
		v->committing = true;
		v->committer = self->env;
		v->committed_at = ticks_now();
		err = commit_once(v);
		v->committing = false;
		wake_all(&v->commits);
		if (!err && ext2_running(v->ext2) == before)
			break; /* there was nothing to commit */
	}
	return v->failed ? -EIO : err;
}

/* What was written and is done by now is on the medium afterwards. */
int volume_flush(struct volume *v)
{
	uint64_t writes = v->writes;
	int err = volume_port.flush(v->port);

	if (!err)
		v->flushed = MAX(v->flushed, writes);
	return err;
}

static int take_error(struct vnode *n)
{
	int err = n->disk_error ? -(int)n->disk_error : 0;

	n->disk_error = 0;
	return err;
}

/* What is only about times need not last for fdatasync. */
int volume_sync_inode(struct inode *i, bool data_only)
{
	struct vnode *n = vnode_of(i);
	struct volume *v = n->volume;
	uint64_t transaction;
	int err, result;

	if (v->read_only)
		return 0;
	inode_ref(i);
	err = pages_write_wait(n, 0, NEVER);
	result = take_error(n);
	err = err ? err : result;
	transaction = data_only ? n->data_transaction : n->transaction;
	if (!err && transaction > ext2_committed(v->ext2))
		err = volume_commit(v, transaction);
	if (!err && v->writes > v->flushed) /* a commit flushes, but there may have been none */
		err = volume_flush(v);
	if (v->failed)
		err = -EIO;
	inode_put(i);
	return err;
}

/* All contents, then one commit. Errors of single files are told to those who sync them. */
int volume_sync(struct volume *v)
{
	int err, result;

	if (v->read_only)
		return 0;
	/* Twice: what was on its way when it was written again goes once more. */
	err = 0;
	for (int pass = 0; pass < 2; pass++) {
		result = volume_write_behind(v, pass ? ticks_now() : NEVER, NEVER);
		err = err ? err : result;
		while ((v->under_way[0] || v->under_way[1]) && !v->failed)
			wait_surely(&v->written);
	}
	result = volume_commit(v, ext2_running(v->ext2));
	if (!result && v->writes > v->flushed)
		result = volume_flush(v);
	if (v->failed)
		return -EIO;
	return err ? err : result;
}
