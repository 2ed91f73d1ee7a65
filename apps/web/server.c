/* See server.h. A connection costs little while nothing is under way: what has come of a request stays with the stack until all of it has. */
#include "respond.h"
#include "server.h"

#include <exos/lib/net/memory.h>
#include <exos/lib/net/port.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000ul
#define BACKLOG 4096
#define RECEIVE_SIZE (64 << 10)
#define BODY_MAX (1 << 20) /* of a request; it is read and means nothing */
#define LOCATION_MAX 700   /* bytes of a path that a redirection can name */

/* What a connection waits for, and how long. */
enum state { IDLE, REQUEST, SENDING, DRAIN, STATES };
static const uint64_t patience[STATES] = { [IDLE] = 60 * SECOND, [REQUEST] = 20 * SECOND, [SENDING] = 60 * SECOND, [DRAIN] = 3 * SECOND };

struct connection {
	struct list link; /* of those in its state, the longest there first */
	struct net_endpoint *e;
	uint64_t since;   /* ns: in this state, or of the last progress in it */
	uint64_t skip;    /* bytes of a request's body that are yet to come */
	struct sending sending;
	uint32_t seen;    /* bytes of a request that is not whole that were looked at */
	uint8_t state;
	bool ending;      /* no more requests */
};

static struct list states[STATES];
static struct net_endpoint *listener;
static uint64_t now, next_date, next_expiry = UINT64_MAX; /* the last: not later than the first whose time is up */
static struct server_counts counts;
static char scratch[HTTP_HEAD_MAX + HTTP_LINE_MAX]; /* a request that came in several parts, for as long as it is looked at */

/* Requests that came before, whole, and what they were: many clients say the same again and again. */
#define MEMOS 64
#define MEMO_ROOM 448
struct memo {
	uint32_t length;
	bool keep_alive, head_only;
	struct file *file; /* with a reference; null: not in use */
	char text[MEMO_ROOM];
};
static struct memo memos[MEMOS];

struct server_counts server_counts(void) { return counts; }

static void enter(struct connection *c, enum state state)
{
	c->state = (uint8_t)state;
	c->since = now;
	list_remove(&c->link);
	list_append(&states[state], &c->link);
	next_expiry = MIN(next_expiry, now + patience[state]);
}

static void end(struct connection *c, bool abort)
{
	struct net_endpoint *e = c->e;

	if (c->sending.file)
		cache_unref(c->sending.file);
	list_remove(&c->link);
	memory_put(c, sizeof(*c));
	counts.open--;
	if (abort)
		net_abort(e);
	else
		net_close(e);
}

static void discard(struct connection *c) { net_consume(c->e, net_available(c->e)); }

enum outcome { MORE, WAITS, GONE }; /* what else comes may be looked at; not now; the connection is no more */

/* All has been said. If the other side has more to say, or may have, its words are taken and thrown away for a while: a reset would overtake the answer (RFC
 * 9112 9.6). */
static enum outcome say_goodbye(struct connection *c, bool in_order)
{
	c->ending = true;
	if (in_order && !net_available(c->e) && !c->skip) {
		end(c, false);
		return GONE;
	}
	discard(c);
	net_shutdown(c->e, false, true);
	enter(c, DRAIN);
	return WAITS;
}

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

/* n >= 8. Eight bytes at a time, the last of them perhaps twice. */
static bool same_bytes(const char *a, const char *b, uint32_t n)
{
	for (uint32_t i = 0; i + 8 <= n; i += 8)
		if (*(const word *)(a + i) != *(const word *)(b + i))
			return false;
	return *(const word *)(a + n - 8) == *(const word *)(b + n - 8);
}

static uint64_t memo_hash(const char *data, uint32_t n)
{
	uint64_t a = *(const word *)(data + 4), b = *(const word *)(data + 12), c = *(const word *)(data + n - 12);

	return (a ^ b * 3 ^ c * 5 ^ n) * 0x9e3779b97f4a7c15u >> 32;
}
#define MEMO_LEAST 28

static struct memo *memo_of(const char *data, uint32_t n)
{
	return n >= MEMO_LEAST && n <= MEMO_ROOM ? &memos[memo_hash(data, n) % MEMOS] : NULL;
}

static void remember(const char *data, const struct http_request *r, struct file *f)
{
	struct memo *m = memo_of(data, r->length);

	if (!m)
		return;
	if (m->file)
		cache_unref(m->file);
	cache_ref(f);
	m->file = f;
	m->length = r->length;
	m->keep_alive = r->keep_alive;
	m->head_only = r->method == HTTP_HEAD;
	memcpy(m->text, data, r->length);
}

static uint32_t segment_of(const struct connection *c)
{
	struct net_tcp_info info;

	net_tcp_info(c->e, &info);
	return info.segment < 536 ? 536 : info.segment > SEGMENT_ROOM ? SEGMENT_ROOM : info.segment;
}

static int redirect(struct connection *c, const struct http_request *r)
{
	char more[LOCATION_MAX + 32];

	if (r->path.length + r->query.length > LOCATION_MAX)
		return respond_text(c->e, 414, "", r->keep_alive, r->method == HTTP_HEAD);
	/* Two slashes in front would name another host. */
	snprintf(more, sizeof(more), "Location: %s%.*s/%.*s\r\n", r->path.length > 1 && r->path.at[1] == '/' ? "/." : "", (int)r->path.length, r->path.at, (int)r->query.length, r->query.at);
	return respond_text(c->e, 301, more, r->keep_alive, r->method == HTTP_HEAD);
}

/* The file that is asked for, with a reference; or null and a status. */
static struct file *find(const struct connection *c, const struct http_request *r, int *status)
{
	static const char index[] = "index.html";
	char name[PATH_MAX];
	bool folder = false;
	int n = (int)r->path.length - 1;
	struct file *f;

	if (r->plain && r->path.at[n] != '/' && n < PATH_MAX) {
		f = cache_find(r->path.at + 1, (uint32_t)n, now, segment_of(c), status);
	} else {
		n = http_path(r->path, name, sizeof(name) - sizeof(index), &folder);
		*status = 400;
		if (n < 0)
			return NULL;
		if (folder) {
			if (n)
				name[n++] = '/';
			memcpy(name + n, index, sizeof(index));
			n += (int)sizeof(index) - 1;
		}
		f = cache_find(name, (uint32_t)n, now, segment_of(c), status);
		if (!f && *status == 301)
			*status = folder ? 403 : 301;
	}
	if (f && !f->head_length && !respond_prepare(f)) {
		cache_unref(f);
		*status = 503;
		return NULL;
	}
	return f;
}

static bool not_modified(const struct http_request *r, const struct file *f)
{
	if (r->if_none_match.at) /* the other does not count then (RFC 9110 13.1.3) */
		return http_tag_listed(r->if_none_match, f->tag, f->tag_length);
	return r->if_modified_since.at && http_time(r->if_modified_since) >= f->modified;
}

static bool range_wanted(const struct http_request *r, const struct file *f)
{
	if (!r->range.asked || r->method != HTTP_GET)
		return false;
	if (!r->if_range.at)
		return true;
	if (r->if_range.length && r->if_range.at[0] == '"')
		return r->if_range.length == f->tag_length && memcmp(r->if_range.at, f->tag, f->tag_length) == 0;
	return http_time(r->if_range) == f->modified;
}

static int answer(struct connection *c, const char *data, const struct http_request *r)
{
	bool head_only = r->method == HTTP_HEAD;
	uint64_t first, length;
	struct file *f;
	int status;

	f = find(c, r, &status);
	if (!f)
		return status == 301 ? redirect(c, r) : respond_text(c->e, status, "", r->keep_alive, head_only);
	if (r->if_none_match.at || r->if_modified_since.at) {
		if (not_modified(r, f)) {
			status = respond_unchanged(c->e, f, r->keep_alive);
			cache_unref(f);
			return status;
		}
	} else if (!range_wanted(r, f)) {
		if (!r->body && !r->range.asked)
			remember(data, r, f);
		return respond_file(c->e, f, r->keep_alive, head_only, &c->sending);
	}
	if (!range_wanted(r, f))
		return respond_file(c->e, f, r->keep_alive, head_only, &c->sending);
	if (http_range_of(&r->range, f->size, &first, &length))
		return respond_part(c->e, f, first, length, r->keep_alive, head_only, &c->sending);
	status = respond_no_range(c->e, f, r->keep_alive, head_only);
	cache_unref(f);
	return status;
}

/* An answer is on its way, perhaps not all of it. */
static enum outcome answered(struct connection *c, int result, bool keep_alive)
{
	counts.requests++;
	if (result) {
		end(c, true);
		return GONE;
	}
	c->ending = !keep_alive;
	if (c->sending.file) {
		enter(c, SENDING);
		return WAITS;
	}
	return c->ending ? say_goodbye(c, true) : MORE;
}

static enum outcome refuse(struct connection *c, int status)
{
	int result = respond_text(c->e, status, status == 405 ? "Allow: GET, HEAD\r\n" : "", false, false);

	counts.requests++;
	if (!result)
		return say_goodbye(c, false);
	end(c, true);
	return GONE;
}

/* The whole request at data. */
static enum outcome serve(struct connection *c, const char *data, const struct http_request *r)
{
	bool keep_alive = r->keep_alive;
	int result;

	if (r->body > BODY_MAX)
		return refuse(c, 413);
	result = answer(c, data, r);
	c->skip = r->body;
	net_consume(c->e, r->length);
	return answered(c, result, keep_alive);
}

static enum outcome serve_again(struct connection *c, struct memo *m)
{
	int result;

	cache_ref(m->file);
	result = respond_file(c->e, m->file, m->keep_alive, m->head_only, &c->sending);
	net_consume(c->e, m->length);
	return answered(c, result, m->keep_alive);
}

static uint32_t gather(const struct connection *c)
{
	const uint8_t *part;
	uint32_t n = 0, length;

	while (n < sizeof(scratch) && (length = net_peek(c->e, n, &part))) {
		length = MIN(length, (uint32_t)sizeof(scratch) - n);
		memcpy(scratch + n, part, length);
		n += length;
	}
	return n;
}

/* In parts: it is parsed when its end is there, or when it is too long for an end to matter. Its time begins with its first byte. */
static enum outcome serve_parts(struct connection *c)
{
	uint32_t n = gather(c);
	struct http_request r;
	int status = HTTP_MORE;

	if (!c->seen || n > HTTP_LINE_MAX || http_head_ends(scratch, c->seen, n))
		status = http_parse(scratch, n, &r);
	if (status == HTTP_MORE) {
		if (c->state != REQUEST)
			enter(c, REQUEST);
		c->seen = n;
		return WAITS;
	}
	c->seen = 0;
	return status ? refuse(c, status) : serve(c, scratch, &r);
}

/* One request of what has come. */
static enum outcome serve_next(struct connection *c)
{
	const uint8_t *data;
	uint32_t n = net_peek(c->e, 0, &data);
	struct http_request r;
	struct memo *m;
	int status;

	if (c->skip) {
		n = (uint32_t)MIN(c->skip, (uint64_t)n);
		net_consume(c->e, n);
		c->skip -= n;
		return MORE;
	}
	if (c->seen)
		return serve_parts(c);
	m = memo_of((const char *)data, n);
	if (m && m->file && m->length == n && cache_fresh(m->file, now) && same_bytes(m->text, (const char *)data, n))
		return serve_again(c, m);
	status = http_parse((const char *)data, n, &r);
	if (status == HTTP_MORE)
		return serve_parts(c);
	return status ? refuse(c, status) : serve(c, (const char *)data, &r);
}

static enum outcome go_on(struct connection *c)
{
	uint64_t before = c->sending.at;

	if (respond_go_on(c->e, &c->sending)) {
		end(c, true);
		return GONE;
	}
	if (c->sending.file) {
		if (c->sending.at != before)
			enter(c, SENDING);
		return WAITS;
	}
	return c->ending ? say_goodbye(c, true) : MORE;
}

/* Something has changed. c may be gone afterwards. */
static void look(struct connection *c)
{
	enum outcome outcome = c->sending.file ? go_on(c) : MORE;
	uint32_t ready;

	if (outcome != GONE && c->state == DRAIN)
		discard(c);
	while (outcome == MORE && c->state != DRAIN && net_available(c->e) && net_room(c->e))
		outcome = serve_next(c);
	if (outcome == GONE)
		return;
	if (outcome == MORE && c->state != DRAIN)
		enter(c, IDLE);
	ready = net_ready(c->e);
	if (ready & (NET_ERROR | NET_HANGUP)) {
		end(c, true);
	} else if (ready & NET_INPUT_END && !c->sending.file && (c->seen || !net_available(c->e))) {
		discard(c);
		end(c, false);
	}
}

static void event(void *owner, uint32_t what)
{
	(void)what;
	look(owner);
}

static void called(void *owner, uint32_t what)
{
	struct net_endpoint *e;

	(void)owner, (void)what;
	while (net_accept(listener, &e) == 0) {
		struct connection *c = memory_get(sizeof(*c));

		if (!c) {
			net_abort(e);
			continue;
		}
		c->e = e;
		list_init(&c->link);
		net_own(e, event, c);
		counts.connections++;
		counts.open++;
		enter(c, IDLE);
		look(c);
	}
}

int server_start(struct net_stack *stack, uint16_t port)
{
	struct net_name any = { .address = net_from_ipv4("\0\0\0\0"), .port = port };
	struct net_tuning tuning = { .receive_size = RECEIVE_SIZE, .user_timeout = 60000 };
	int error;

	for (int i = 0; i < STATES; i++)
		list_init(&states[i]);
	listener = net_endpoint_new(stack, NET_TCP, false, called, NULL);
	if (!listener)
		return -ENOMEM;
	net_set_flags(listener, NET_NO_DELAY);
	net_tune(listener, &tuning);
	error = net_bind(listener, &any);
	return error ? error : net_listen(listener, BACKLOG);
}

static void expire(struct connection *c)
{
	switch ((enum state)c->state) {
	case REQUEST:
		refuse(c, 408);
		break;
	case SENDING:
		end(c, true);
		break;
	default:
		discard(c);
		end(c, false);
	}
}

/* Those in one state whose time is up. */
static bool expire_state(struct list *head, uint64_t time)
{
	bool any = false;

	while (!list_empty(head)) {
		struct connection *c = CONTAINER_OF(head->next, struct connection, link);

		if (c->since + time > now) {
			next_expiry = MIN(next_expiry, c->since + time);
			break;
		}
		expire(c);
		any = true;
	}
	return any;
}

static void set_date(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	date.second = t.tv_sec;
	http_date(t.tv_sec, date.text);
	next_date = now + SECOND - (uint64_t)t.tv_nsec;
}

uint64_t server_tick(uint64_t time)
{
	bool any = false;

	now = time;
	if (now >= next_date)
		set_date();
	if (now >= next_expiry) {
		next_expiry = UINT64_MAX;
		for (int i = 0; i < STATES; i++)
			any |= expire_state(&states[i], patience[i]);
	}
	if (any)
		port_turn();
	return next_expiry == UINT64_MAX ? 0 : next_expiry;
}
