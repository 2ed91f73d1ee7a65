/* The model: geometry, contents, steps, and the search for the state that a disk is in. */
#include "store_model.h"

static uint32_t last_version;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 29;
}

/* Every third begins as a block of the journal's own does, which has to be escaped. Bytes 12 to 15 are the version. */
void fill(const struct geometry *g, uint32_t slot, uint32_t version, uint8_t *to)
{
	uint64_t x = mix(version * 1000003ul + slot);

	for (uint32_t at = 0; at < g->block_size; at += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(to + at, &x, 8);
	}
	if (version % 3 == 0)
		*(struct journal_header *)to = (struct journal_header){ journal_32(JOURNAL_MAGIC), journal_32(1 + version % 5), journal_32(version % 16) };
	memcpy(to + 12, &version, 4);
}

static bool bit(const uint8_t *bits, uint64_t at) { return bits[at / 8] >> at % 8 & 1; }

/* Of the image that mke2fs made (one group, blocks of 1 KiB): where the journal is by debugfs, and blocks that are free by the bitmap. */
static void geometry_of_image(struct geometry *g)
{
	struct disk *d = disk_load(g->image, g->block_size);
	uint32_t bitmap, from = d->block_size == 1024;
	char command[512];
	FILE *f;

	g->blocks = d->blocks;
	memcpy(&bitmap, disk_block(d, from + 1), 4);
	for (uint32_t i = 0, at = (uint32_t)g->blocks - from - 1; i < g->slots; at--)
		if (!bit(disk_block(d, bitmap), at))
			g->homes[i++] = at + from;
	snprintf(command, sizeof(command), "i=0; while [ $i -lt %u ]; do echo bmap '<8>' $i; i=$((i + 1)); done >bmap; debugfs -f bmap %s 2>/dev/null | grep -v bmap", g->log, g->image);
	f = popen(command, "r");
	for (uint32_t i = 0; i < g->log; i++)
		check(fscanf(f, "%lu", &g->journal[i]) == 1 && g->journal[i] > 0 && g->journal[i] < g->blocks, "debugfs says not where block %u of the journal is", i);
	pclose(f);
	disk_end(d);
}

/* Homes and journal in turn, the journal in runs of all lengths. */
void geometry_make(struct geometry *g)
{
	uint32_t homes = 0, log = 0;

	g->journal = calloc(g->log + 1, sizeof(*g->journal));
	if (g->image) {
		geometry_of_image(g);
		return;
	}
	g->blocks = 3;
	while (homes < g->slots || log < g->log) {
		for (uint64_t n = random_below(20); n > 0 && homes < g->slots; n--)
			g->homes[homes++] = g->blocks++;
		for (uint64_t n = random_below(20); n > 0 && log < g->log; n--)
			g->journal[log++] = g->blocks++;
	}
}

void geometry_end(struct geometry *g) { free(g->journal); }

int geometry_place(const struct geometry *g, struct store *s)
{
	int error = 0;

	for (uint32_t at = 0, n; at < g->log && !error; at += n) {
		for (n = 1; at + n < g->log && g->journal[at + n] == g->journal[at] + n && n < 30; n++)
			;
		error = journal_place(s, g->journal[at], n);
	}
	return error;
}

struct disk *geometry_disk(const struct geometry *g)
{
	struct disk *d = g->image ? disk_load(g->image, g->block_size) : disk_new(g->block_size, g->blocks);

	for (uint32_t i = 0; i < g->slots; i++)
		fill(g, i, 0, disk_block(d, g->homes[i]));
	if (g->image && g->wide)
		((struct journal_superblock *)disk_block(d, g->journal[0]))->incompatible |= journal_32(JOURNAL_INCOMPAT_64BIT);
	if (!g->image && !g->none)
		*(struct journal_superblock *)disk_block(d, g->journal[0]) = (struct journal_superblock){ .header = { journal_32(JOURNAL_MAGIC), journal_32(JOURNAL_SUPERBLOCK_2), 0 }, .block_size = journal_32(g->block_size),
			.length = journal_32(g->log), .first = journal_32(1), .sequence = journal_32((uint32_t)random_below(2) - 20), .incompatible = journal_32(g->wide ? JOURNAL_INCOMPAT_64BIT : 0) };
	return d;
}

struct model *model_new(const struct geometry *g, struct disk *d, const struct state *first)
{
	struct model *m = calloc(1, sizeof(*m));

	m->g = g;
	m->d = d;
	m->states = calloc(TRANSACTIONS, sizeof(*m->states));
	m->states[0] = calloc(1, sizeof(struct state));
	m->begun = calloc(TRANSACTIONS, sizeof(*m->begun));
	m->done = calloc(TRANSACTIONS, sizeof(*m->done));
	if (first)
		*m->states[0] = *first;
	for (uint32_t i = 0; i < g->slots && !first; i++)
		m->states[0]->slots[i] = (struct slot){ i < g->slots / 2 ? META : FREE, 0 };
	memcpy(m->now, m->states[0]->slots, sizeof(m->now));
	disk_port(d, &m->port);
	return m;
}

void model_end(struct model *m)
{
	if (m->s)
		store_end(m->s);
	for (uint32_t t = 0; t <= m->transactions; t++)
		free(m->states[t]);
	free(m->states);
	free(m->begun);
	free(m->done);
	free(m);
}

int model_open(struct model *m, bool *replayed)
{
	int error = store_new(&m->port, m->g->block_size, m->g->blocks, false, &m->s);

	if (error)
		m->s = NULL;
	if (!error && !m->g->none) {
		error = geometry_place(m->g, m->s);
		if (!error)
			error = journal_open(m->s, replayed);
	}
	return error;
}

static bool same(const struct geometry *g, uint32_t slot, uint32_t version, const uint8_t *contents)
{
	uint8_t expected[4096];

	fill(g, slot, version, expected);
	return memcmp(expected, contents, g->block_size) == 0;
}

/* A block of the structure gets other contents. What is read must be what was written. */
static int change(struct model *m, uint32_t slot)
{
	struct buffer *b;
	int error = buffer_read(m->s, m->g->homes[slot], &b);

	if (error)
		return error;
	check(same(m->g, slot, m->now[slot].version, b->data), "slot %u is read as something else than version %u", slot, m->now[slot].version);
	error = buffer_change(m->s, b);
	if (!error) {
		m->now[slot].version = ++last_version;
		fill(m->g, slot, last_version, b->data);
	}
	buffer_put(b);
	return error;
}

static int make_meta(struct model *m, uint32_t slot)
{
	struct buffer *b;
	int error = buffer_fresh(m->s, m->g->homes[slot], &b);

	if (error)
		return error;
	for (uint32_t i = 0; i < m->g->block_size; i++)
		check(b->data[i] == 0, "a fresh buffer is not zeros");
	error = buffer_change(m->s, b);
	if (!error) {
		m->now[slot] = (struct slot){ META, ++last_version };
		fill(m->g, slot, last_version, b->data);
	}
	buffer_put(b);
	return error;
}

static int make_data(struct model *m, uint32_t slot)
{
	uint8_t *page = aligned_alloc(4096, 4096);
	struct ext2_io io = { m->g->homes[slot], page };
	int error;

	fill(m->g, slot, ++last_version, page);
	error = m->port.write(m->port.data, &io, 1, false);
	free(page);
	if (!error)
		m->now[slot] = (struct slot){ DATA, last_version };
	return error;
}

static int release(struct model *m, uint32_t slot)
{
	int error = store_hold(m->s, m->g->homes[slot], 1);

	check(error || store_held(m->s, m->g->homes[slot]), "a block that is held is not held");
	if (!error && m->now[slot].kind == META)
		error = buffer_forget(m->s, m->g->homes[slot]);
	if (!error)
		m->now[slot].kind = FREE;
	return error;
}

static void want(struct model *m)
{
	uint64_t blocks[40];

	for (uint32_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
		uint32_t slot = (uint32_t)random_below(m->g->slots);

		blocks[i] = m->now[slot].kind == META ? m->g->homes[slot] : m->g->homes[0];
	}
	buffers_want(m->s, blocks, ARRAY_LENGTH(blocks));
}

static int one(struct model *m, uint32_t slot, bool away)
{
	if (store_room(m->s) < 2)
		return 0;
	if (m->now[slot].kind == FREE) {
		if (store_held(m->s, m->g->homes[slot]))
			return 0;
		return random_below(2) ? make_meta(m, slot) : make_data(m, slot);
	}
	if (m->now[slot].kind == DATA || away)
		return release(m, slot);
	return change(m, slot);
}

/* So many that they take several descriptors, or revoke blocks. */
static int many(struct model *m)
{
	bool away = random_below(2);
	int error = 0;

	for (uint64_t n = m->g->slots / 2 + random_below(m->g->slots / 2), slot = 1; slot < n && !error; slot++)
		error = one(m, (uint32_t)slot, away);
	return error;
}

int model_all(struct model *m, enum slot_kind kind)
{
	int error = 0;

	for (uint32_t slot = 1; slot < m->g->slots && !error; slot++) {
		enum slot_kind before = m->now[slot].kind;

		if (kind == META && before == META)
			error = change(m, slot);
		else if (before != FREE)
			error = release(m, slot);
		if (!error && kind != FREE && m->now[slot].kind == FREE && !store_held(m->s, m->g->homes[slot]))
			error = kind == META ? make_meta(m, slot) : make_data(m, slot);
	}
	return error;
}

int model_step(struct model *m)
{
	if (random_below(200) == 0)
		return many(m);
	switch (random_below(16)) {
	case 0:
		want(m);
		return 0;
	case 1:
		store_shrink(m->s, random_below(2) ? SIZE_MAX : 8192);
		return 0;
	case 2:
		return m->lazy || random_below(4) ? 0 : checkpoint(m->s);
	default:
		break;
	}
	return one(m, 1 + (uint32_t)random_below(m->g->slots - 1), random_below(4) == 0);
}

static int steps(struct model *m, uint64_t n)
{
	int error = 0;

	while (n-- > 0 && !error)
		error = model_step(m);
	return error;
}

static void begun(struct model *m)
{
	m->transactions++;
	check(m->transactions < TRANSACTIONS, "too many transactions");
	m->begun[m->transactions] = m->d->event_count;
	m->done[m->transactions] = UINT32_MAX;
	m->states[m->transactions] = calloc(1, sizeof(struct state));
	memcpy(m->states[m->transactions]->slots, m->now, sizeof(m->now));
}

static void done(struct model *m)
{
	m->done[m->transactions] = m->d->event_count;
	m->lasting = m->transactions;
}

static int begin_commit(struct model *m, struct commit **out)
{
	int error = change(m, 0);

	if (error)
		return error;
	check(store_changed(m->s), "nothing is changed");
	error = commit_begin(m->s, out);
	if (!error)
		begun(m);
	return error;
}

static int end_commit(struct model *m, struct commit *c, int error)
{
	int ended = commit_end(c);

	check(ended == error, "commit_write says %d, commit_end %d", error, ended);
	check(error ? store_failed(m->s) : store_committed(m->s) == store_running(m->s) - 1, "committed: %lu of %lu", store_committed(m->s), store_running(m->s));
	return error;
}

int model_commit(struct model *m)
{
	struct commit *c;
	int error = begin_commit(m, &c), between;

	if (error)
		return error;
	between = steps(m, random_below(10));
	error = commit_write(c);
	if (!error)
		done(m);
	if (!between)
		between = steps(m, random_below(10));
	error = end_commit(m, c, error);
	if (!error && !m->lazy && checkpoint_due(m->s) && random_below(2))
		error = checkpoint(m->s);
	return error ? error : between;
}

int model_commit_alone(struct model *m, bool with_checkpoint)
{
	struct commit *c;
	int error = begin_commit(m, &c), between;

	if (error)
		return error;
	between = with_checkpoint ? checkpoint(m->s) : 0;
	error = commit_write(c);
	if (!error)
		done(m);
	error = end_commit(m, c, error);
	return error ? error : between;
}

int model_run(struct model *m, uint32_t transactions)
{
	int error = 0;

	while (transactions-- > 0 && !error) {
		error = steps(m, random_below(40));
		if (!error)
			error = model_commit(m);
	}
	return error;
}

int model_close(struct model *m)
{
	int error = change(m, 0);

	if (error)
		return error;
	begun(m);
	error = journal_close(m->s);
	if (!error)
		done(m);
	return error;
}

static bool is_state(const struct model *m, struct disk *d, uint32_t t)
{
	for (uint32_t i = 0; i < m->g->slots; i++) {
		const struct slot *slot = &m->states[t]->slots[i];

		if (slot->kind != FREE && !same(m->g, i, slot->version, disk_block(d, m->g->homes[i]))) {
			printf("# state %u: slot %u (block %lu) is not version %u of %s\n", t, i, m->g->homes[i], slot->version, slot->kind == META ? "structure" : "contents");
			return false;
		}
	}
	return true;
}

int model_find(const struct model *m, struct disk *d, uint32_t least, uint32_t most)
{
	for (uint32_t t = least; t <= most; t++)
		if (same(m->g, 0, m->states[t]->slots[0].version, disk_block(d, m->g->homes[0])))
			return is_state(m, d, t) ? (int)t : -1;
	printf("# slot 0 is of no state from %u to %u\n", least, most);
	return -1;
}

void model_crash(const struct model *m, uint32_t at, enum disk_luck luck, uint8_t *image, uint32_t *least, uint32_t *most)
{
	*least = *most = 0;
	for (uint32_t t = 1; t <= m->transactions; t++) {
		if (m->done[t] <= at)
			*least = t;
		if (m->begun[t] <= at)
			*most = t;
	}
	disk_crash(m->d, at, luck, image);
}
