/* Requests (RFC 9112). Strict where leniency has been used to smuggle requests past a proxy: lengths, names, line ends within values. */
#include "http.h"

#include <string.h>

struct line { /* without its end */
	const char *at, *end;
};

/* Which bytes may be in what. */
enum { TOKEN = 1, TARGET = 2, VALUE = 4, PLAIN = 8 };
static const uint8_t kinds[256] = {
	['!'] = TOKEN | TARGET | VALUE | PLAIN, ['"'] = TARGET | VALUE, ['#'] = TOKEN | VALUE, ['$'] = TOKEN | TARGET | VALUE | PLAIN, ['%'] = TOKEN | TARGET | VALUE,
	['&'] = TOKEN | TARGET | VALUE | PLAIN, ['\''] = TOKEN | TARGET | VALUE | PLAIN, ['('] = TARGET | VALUE | PLAIN, [')'] = TARGET | VALUE | PLAIN, ['*'] = TOKEN | TARGET | VALUE | PLAIN,
	['+'] = TOKEN | TARGET | VALUE | PLAIN, [','] = TARGET | VALUE | PLAIN, ['-'] = TOKEN | TARGET | VALUE | PLAIN, ['.'] = TOKEN | TARGET | VALUE | PLAIN, ['/'] = TARGET | VALUE | PLAIN,
	['0' ... '9'] = TOKEN | TARGET | VALUE | PLAIN, [':'] = TARGET | VALUE | PLAIN, [';'] = TARGET | VALUE | PLAIN, ['<'] = TARGET | VALUE, ['='] = TARGET | VALUE | PLAIN,
	['>'] = TARGET | VALUE, ['?'] = TARGET | VALUE, ['@'] = TARGET | VALUE | PLAIN, ['A' ... 'Z'] = TOKEN | TARGET | VALUE | PLAIN, ['['] = TARGET | VALUE, ['\\'] = TARGET | VALUE,
	[']'] = TARGET | VALUE, ['^'] = TOKEN | TARGET | VALUE, ['_'] = TOKEN | TARGET | VALUE | PLAIN, ['`'] = TOKEN | TARGET | VALUE, ['a' ... 'z'] = TOKEN | TARGET | VALUE | PLAIN,
	['{'] = TARGET | VALUE, ['|'] = TOKEN | TARGET | VALUE, ['}'] = TARGET | VALUE, ['~'] = TOKEN | TARGET | VALUE | PLAIN,
	[' '] = VALUE, ['\t'] = VALUE, [0x80 ... 0xff] = TARGET | VALUE,
};

static inline bool is(char c, uint8_t kind) { return kinds[(uint8_t)c] & kind; }
static inline const char *span(const char *p, const char *end, uint8_t kind)
{
	while (p < end && is(*p, kind))
		p++;
	return p;
}

/* The next line, or false: its end has not come. A line may end with LF alone (RFC 9112 2.2). */
static bool next_line(const char **p, const char *end, struct line *l)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));

	if (!lf)
		return false;
	l->at = *p;
	l->end = lf > *p && lf[-1] == '\r' ? lf - 1 : lf;
	*p = lf + 1;
	return true;
}

static bool same(const char *at, size_t n, const char *lower) /* without regard to case */
{
	for (size_t i = 0; i < n; i++)
		if ((at[i] | ('A' <= at[i] && at[i] <= 'Z' ? 0x20 : 0)) != lower[i])
			return false;
	return !lower[n];
}

static bool method_of(const char *at, size_t n, struct http_request *r, int *status)
{
	static const char *const others[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH" };

	if (n == 3 && memcmp(at, "GET", 3) == 0) {
		r->method = HTTP_GET;
		return true;
	}
	if (n == 4 && memcmp(at, "HEAD", 4) == 0) {
		r->method = HTTP_HEAD;
		return true;
	}
	*status = 501;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strlen(others[i]) == n && memcmp(at, others[i], n) == 0)
			*status = 405;
	r->method = HTTP_OTHER;
	return false;
}

/* http://host/path, as a proxy is asked, and as everybody must understand (RFC 9112 3.2.2): the path alone counts. */
static const char *skip_authority(const char *p, const char *end)
{
	if (end - p < 7 || !same(p, 7, "http://"))
		return NULL;
	p += 7;
	while (p < end && *p != '/' && *p != '?')
		p++;
	return p;
}

static bool target_of(const char *at, const char *end, struct http_request *r)
{
	const char *p, *path;

	if (*at != '/' && !(at = skip_authority(at, end)))
		return false;
	path = at;
	r->plain = at < end && *at == '/';
	for (p = at; p < end && *p != '?'; p++) {
		if (!is(*p, PLAIN) || (*p == '/' && p + 1 < end && (p[1] == '/' || p[1] == '.')))
			r->plain = false;
		if (!is(*p, TARGET))
			return false;
	}
	r->path = (struct http_text){ path, (uint32_t)(p - path) };
	r->query = (struct http_text){ p, (uint32_t)(end - p) };
	return span(p, end, TARGET) == end;
}

/* METHOD SP TARGET SP HTTP/1.x */
static int request_line(struct line l, struct http_request *r)
{
	const char *method_end = span(l.at, l.end, TOKEN), *target, *version;
	int status = 0;

	if (method_end == l.at || method_end == l.end || *method_end != ' ')
		return 400;
	target = method_end + 1;
	for (version = l.end; version > target && version[-1] != ' '; version--)
		;
	if (version - target < 2 || l.end - version != 8 || memcmp(version, "HTTP/", 5) || version[5] < '0' || version[5] > '9' || version[6] != '.' || version[7] < '0' || version[7] > '9')
		return 400;
	if (version[5] != '1')
		return 505;
	r->minor = (uint8_t)(version[7] - '0');
	r->keep_alive = r->minor >= 1;
	if (!method_of(l.at, (size_t)(method_end - l.at), r, &status))
		return status;
	return target_of(target, version - 1, r) ? 0 : 400;
}

struct seen { /* what may be there once */
	bool host, length, coding, range;
};

static bool number(struct http_text t, uint64_t *value)
{
	*value = 0;
	for (uint32_t i = 0; i < t.length; i++) {
		if (t.at[i] < '0' || t.at[i] > '9' || *value > (UINT64_MAX - 9) / 10)
			return false;
		*value = *value * 10 + (uint64_t)(t.at[i] - '0');
	}
	return t.length != 0;
}

/* Several that agree are one (RFC 9112 6.3), but who sends them is not to be trusted with a second chance: 400. */
static int content_length(struct http_text value, struct http_request *r, struct seen *seen)
{
	if (seen->length || !number(value, &r->body))
		return 400;
	seen->length = true;
	return 0;
}

static void connection(struct http_text value, struct http_request *r)
{
	const char *p = value.at, *end = p + value.length;

	while (p < end) {
		const char *word = p, *after;

		while (p < end && *p != ',')
			p++;
		after = p;
		p += p < end;
		while (word < after && (*word == ' ' || *word == '\t'))
			word++;
		while (after > word && (after[-1] == ' ' || after[-1] == '\t'))
			after--;
		if (same(word, (size_t)(after - word), "close")) {
			r->keep_alive = false;
			return;
		}
		if (r->minor == 0 && same(word, (size_t)(after - word), "keep-alive"))
			r->keep_alive = true;
	}
}

/* One range of bytes. Anything else is as if it were not there (RFC 9110 14.2). */
static void range(struct http_text value, struct http_request *r, struct seen *seen)
{
	struct http_range *to = &r->range;
	const char *dash;
	struct http_text first, last;

	if (seen->range || value.length < 7 || !same(value.at, 6, "bytes=")) {
		to->asked = false;
		return;
	}
	seen->range = true;
	value.at += 6;
	value.length -= 6;
	dash = memchr(value.at, '-', value.length);
	if (!dash)
		return;
	first = (struct http_text){ value.at, (uint32_t)(dash - value.at) };
	last = (struct http_text){ dash + 1, value.length - first.length - 1 };
	to->suffix = !first.length;
	to->last = UINT64_MAX;
	if ((first.length && !number(first, &to->first)) || (last.length && !number(last, &to->last)) || (to->suffix && !last.length))
		return;
	to->asked = to->suffix || to->first <= to->last;
}

static int field(struct http_text name, struct http_text value, struct http_request *r, struct seen *seen)
{
	switch (name.length) {
	case 4:
		if (same(name.at, 4, "host")) {
			if (seen->host)
				return 400;
			seen->host = true;
		}
		break;
	case 5:
		if (same(name.at, 5, "range"))
			range(value, r, seen);
		break;
	case 8:
		if (same(name.at, 8, "if-range"))
			r->if_range = value;
		break;
	case 10:
		if (same(name.at, 10, "connection"))
			connection(value, r);
		break;
	case 13:
		if (same(name.at, 13, "if-none-match"))
			r->if_none_match = value;
		break;
	case 14:
		if (same(name.at, 14, "content-length"))
			return content_length(value, r, seen);
		break;
	case 17:
		if (same(name.at, 17, "transfer-encoding"))
			seen->coding = true;
		else if (same(name.at, 17, "if-modified-since"))
			r->if_modified_since = value;
		break;
	}
	return 0;
}

static int field_line(struct line l, struct http_request *r, struct seen *seen)
{
	const char *colon = span(l.at, l.end, TOKEN), *value, *end = l.end;

	if (colon == l.at || colon == l.end || *colon != ':')
		return 400; /* also a line that begins with a blank: folded ones are obsolete, and refused (RFC 9112 5.2) */
	value = colon + 1;
	if (span(value, end, VALUE) != end)
		return 400;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return field((struct http_text){ l.at, (uint32_t)(colon - l.at) }, (struct http_text){ value, (uint32_t)(end - value) }, r, seen);
}

static int too_long(size_t n, size_t most, int status) { return n > most ? status : HTTP_MORE; }

int http_parse(const char *data, size_t n, struct http_request *r)
{
	const char *p = data, *end = data + n;
	struct seen seen = { 0 };
	struct line l;
	int status;

	*r = (struct http_request){ 0 };
	do { /* empty lines before it are some clients' mistake (RFC 9112 2.2) */
		if (p - data > HTTP_LINE_MAX)
			return 400;
		if (!next_line(&p, end, &l))
			return too_long((size_t)(end - p), HTTP_LINE_MAX, 414);
	} while (l.at == l.end);
	if (l.end - l.at > HTTP_LINE_MAX)
		return 414;
	if ((status = request_line(l, r)))
		return status;
	for (;;) {
		if (!next_line(&p, end, &l))
			return too_long(n, HTTP_HEAD_MAX, 431);
		if (p - data > HTTP_HEAD_MAX)
			return 431;
		if (l.at == l.end)
			break;
		if ((status = field_line(l, r, &seen)))
			return status;
	}
	if (seen.coding)
		return seen.length || r->minor == 0 ? 400 : 501; /* RFC 9112 6.1 */
	if (!seen.host && r->minor)
		return 400;
	r->length = (uint32_t)(p - data);
	return 0;
}

bool http_head_ends(const char *data, size_t from, size_t n)
{
	const char *p = data + (from > 3 ? from - 3 : 0), *end = data + n;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')))
			return true;
	}
	return false;
}
