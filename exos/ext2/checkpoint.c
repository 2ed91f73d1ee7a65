/* Checkpoints: committed copies go home; then the log begins behind them.
 *
 * In the order of writing: the copies; flush; the journal's superblock, which lasts when its write is done. Only then the log's old blocks are written over, so that at any time what is not home for certain is in the log. All copies go
 * at once, each block's newest: the log is empty afterwards, but for a commit that is under way. */
#include <exos/ext2/store_internal.h>

static int write_copies(struct store *s)
{
	uint32_t n = 0;
	int error = 0;

	list_sort(&s->home, home_before);
	for (struct list *l = s->home.next; l != &s->home && !error; l = l->next) {
		struct buffer *b = CONTAINER_OF(l, struct buffer, link);

		s->list[n++] = (struct ext2_io){ b->block, b->committed };
		if (n == LIST_MOST || l->next == &s->home) {
			error = s->port.write(s->port.data, s->list, n, false);
			n = 0;
		}
	}
	return error ? error : s->port.flush(s->port.data);
}

int checkpoint(struct store *s)
{
	struct journal *j = &s->journal;
	const struct commit *c = s->commit;
	uint64_t tail = c ? c->t.sequence : s->running.sequence;
	int error;

	if (s->failed)
		return -EIO;
	if (!j->open || j->tail_sequence == tail)
		return 0;
	error = write_copies(s);
	if (!error)
		error = journal_mark(s, c ? c->position : j->head, tail);
	if (error) {
		s->failed = true;
		return error;
	}
	while (!list_empty(&s->home)) {
		struct buffer *b = CONTAINER_OF(s->home.next, struct buffer, link);

		memory_give(s, b->committed);
		b->committed = NULL;
		buffer_settle(s, b);
	}
	s->home_count = 0;
	j->used = c ? c->blocks : 0;
	j->tail_sequence = tail;
	return 0;
}
