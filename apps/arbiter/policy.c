/* The policy language: a directive a line, words between blanks, # begins a comment. No memory, no library: built for the arbiter and for the host. */
#include <apps/arbiter/policy.h>

#define FRAME_BYTES 4096u
#define MOST_FRAMES (1u << 27)

struct reader {
	const char *at, *end;
	uint32_t line;
	char word[POLICY_NAME];
	struct policy_error *error;
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void copy_word(char *to, const char *from)
{
	for (int i = 0; i < POLICY_NAME; i++)
		to[i] = *from ? *from++ : 0;
}

static bool fail(struct reader *r, const char *text, const char *word)
{
	if (!r->error->text) {
		r->error->text = text;
		r->error->line = r->line;
		copy_word(r->error->word, word);
	}
	return false;
}

/* The next word of this line; false: there is none, or (error set) it cannot be one. */
static bool next_word(struct reader *r)
{
	uint32_t n = 0;

	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
	for (; r->at < r->end && *r->at > ' ' && *r->at <= '~' && *r->at != '#'; r->at++) {
		if (n == POLICY_NAME - 1) {
			r->word[n] = 0;
			return fail(r, "too long a word:", r->word);
		}
		r->word[n++] = *r->at;
	}
	r->word[n] = 0;
	if (!n && r->at < r->end && *r->at != '\n' && *r->at != '#')
		return fail(r, "a character that is no text", "");
	return n != 0;
}

static bool need_word(struct reader *r, const char *what)
{
	char before[POLICY_NAME];

	copy_word(before, r->word);
	return next_word(r) || fail(r, what, before);
}

/* Digits at the start of the word; *rest: what follows them. */
static bool number(struct reader *r, uint32_t *value, const char **rest)
{
	const char *c = r->word;

	for (*value = 0; *c >= '0' && *c <= '9'; c++) {
		if (*value > (MOST_FRAMES - 9) / 10)
			return fail(r, "too large a number:", r->word);
		*value = *value * 10 + (uint32_t)(*c - '0');
	}
	*rest = c;
	return c != r->word || fail(r, "a number is expected, not", r->word);
}

static bool read_number(struct reader *r, uint32_t *value, uint32_t least, uint32_t most)
{
	const char *rest;

	if (!need_word(r, "a number is missing after") || !number(r, value, &rest))
		return false;
	return (!*rest && *value >= least && *value <= most) || fail(r, "out of range:", r->word);
}

/* 40%, 64M, 512K, or frames. */
static bool read_size(struct reader *r, struct policy_size *size)
{
	const char *rest;
	uint32_t value;

	if (!need_word(r, "a size is missing after") || !number(r, &value, &rest))
		return false;
	*size = (struct policy_size){ .amount = value, .given = true };
	if (same(rest, "%")) {
		size->percent = true;
		return value <= 100 || fail(r, "more than everything:", r->word);
	}
	if (same(rest, "M"))
		size->amount = value * (1048576 / FRAME_BYTES);
	else if (same(rest, "K"))
		size->amount = value / (FRAME_BYTES / 1024);
	else if (*rest)
		return fail(r, "a size is 40%, 64M, 512K or a number of frames, not", r->word);
	return size->amount <= MOST_FRAMES || fail(r, "too large a size:", r->word);
}

/* 500us, 10ms, 2s */
static bool read_time(struct reader *r, uint32_t *us)
{
	const char *rest;
	uint32_t value;

	if (!need_word(r, "a time is missing after") || !number(r, &value, &rest))
		return false;
	*us = same(rest, "us") ? value : same(rest, "ms") ? value * 1000 : same(rest, "s") ? value * 1000000 : 0;
	return (*us && value <= 1000000 && *us <= 60000000) || fail(r, "a time is 500us, 10ms or 2s, at most 60s, not", r->word);
}

static bool read_tenant_word(struct reader *r, struct policy_tenant *t)
{
	if (same(r->word, "frames"))
		return read_size(r, &t->frames);
	if (same(r->word, "least"))
		return read_size(r, &t->least);
	if (same(r->word, "most"))
		return read_size(r, &t->most);
	if (same(r->word, "slices"))
		return read_number(r, &t->slices, 1, 65536);
	if (same(r->word, "environments"))
		return read_number(r, &t->environments, 1, 65536);
	if (same(r->word, "priority"))
		return read_number(r, &t->priority, 0, 1000);
	if (same(r->word, "machine"))
		return t->machine = true;
	return fail(r, "unknown word", r->word);
}

static bool read_tenant(struct reader *r, struct policy *p)
{
	static const char *const kinds[KIND_COUNT] = { "exos", "greedy", "deaf", "polite" };
	struct policy_tenant *t = &p->tenants[p->count];
	uint32_t kind = 0;

	if (p->count == POLICY_TENANTS)
		return fail(r, "too many tenants", "");
	*t = (struct policy_tenant){ 0 };
	if (!need_word(r, "a name is missing after"))
		return false;
	for (uint32_t i = 0; i < p->count; i++)
		if (same(p->tenants[i].name, r->word))
			return fail(r, "a second tenant named", r->word);
	copy_word(t->name, r->word);
	if (!need_word(r, "exos, greedy, deaf or polite is missing after"))
		return false;
	while (kind < KIND_COUNT && !same(kinds[kind], r->word))
		kind++;
	if (kind == KIND_COUNT)
		return fail(r, "a tenant is exos, greedy, deaf or polite, not", r->word);
	t->kind = kind;
	for (uint32_t i = 0; kind == KIND_EXOS && i < p->count; i++)
		if (p->tenants[i].kind == KIND_EXOS)
			return fail(r, "there is one console, and so one tenant of kind", r->word);
	while (next_word(r))
		if (!read_tenant_word(r, t))
			return false;
	if (!r->error->text && !t->frames.given)
		return fail(r, "frames are missing for", t->name);
	p->count++;
	return !r->error->text;
}

static bool read_directive(struct reader *r, struct policy *p)
{
	if (same(r->word, "tenant"))
		return read_tenant(r, p);
	if (same(r->word, "share")) {
		if (!need_word(r, "even or priority is missing after"))
			return false;
		p->share = same(r->word, "even") ? SHARE_EVEN : SHARE_PRIORITY;
		return p->share == SHARE_EVEN || same(r->word, "priority") || fail(r, "share is even or priority, not", r->word);
	}
	if (same(r->word, "reserve"))
		return read_size(r, &p->reserve);
	if (same(r->word, "step"))
		return read_size(r, &p->step);
	if (same(r->word, "deadline"))
		return read_time(r, &p->deadline_us);
	if (same(r->word, "every"))
		return read_time(r, &p->every_us);
	if (same(r->word, "tell")) {
		struct policy_size at;

		if (!need_word(r, "at 5% is missing after") || (!same(r->word, "at") && !fail(r, "tell at 5% is expected, not", r->word)) || !read_size(r, &at))
			return false;
		p->tell = at.amount;
		return at.percent || fail(r, "a percentage is expected, not", r->word);
	}
	return fail(r, "unknown word", r->word);
}

static bool check_whole(struct reader *r, const struct policy *p)
{
	uint32_t percent = p->reserve.percent ? p->reserve.amount : 0;
	bool exos = false;

	r->line = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		percent += p->tenants[i].frames.percent ? p->tenants[i].frames.amount : 0;
		exos |= p->tenants[i].kind == KIND_EXOS;
	}
	if (percent > 100)
		return fail(r, "tenants and reserve have more than 100% of the frames", "");
	return exos || fail(r, "no tenant is of kind", "exos");
}

bool policy_parse(struct policy *policy, const char *text, size_t n, struct policy_error *error)
{
	struct reader r = { .at = text, .end = text + n, .line = 1, .error = error };

	*error = (struct policy_error){ 0 };
	*policy = (struct policy){ .step = { .amount = 256 }, .deadline_us = 1000, .every_us = 100000, .tell = 5 };
	for (; r.at < r.end; r.line++) {
		if (next_word(&r) && read_directive(&r, policy) && next_word(&r))
			fail(&r, "one word too many:", r.word);
		if (error->text)
			return false;
		while (r.at < r.end && *r.at++ != '\n')
			;
	}
	return check_whole(&r, policy);
}

uint32_t policy_frames(const struct policy_size *size, uint32_t pool)
{
	return size->percent ? (uint32_t)((uint64_t)pool * size->amount / 100) : size->amount;
}
