/* Requests, paths and the rest, case by case. */
#include "check.h"

static const struct {
	const char *request;
	int status;
} refused[] = {
	{ "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
	{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400 },
	{ "GET /\r\n", 400 }, /* HTTP/0.9 */
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
	{ "GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400 },
	{ "GET / http/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
	{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
	{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
	{ "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400 },
};

static void whole_requests(void)
{
	static const char plain[] = "GET /a/b.html?x=1 HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n";
	struct http_request r;
	bool all = true;

	ok(parse(plain, sizeof(plain) - 1, &r) == 0 && r.method == HTTP_GET && r.minor == 1 && r.keep_alive && r.plain && is(r.path, "/a/b.html") && is(r.query, "?x=1") && r.length == sizeof(plain) - 1,
		"a request is understood");
	for (size_t n = 0; n < sizeof(plain) - 1; n++)
		all &= parse(plain, n, &r) == HTTP_MORE;
	ok(all, "a part of it waits for more, wherever it is cut");
	ok(parse("\r\n\r\nHEAD / HTTP/1.0\n\n", 21, &r) == 0 && r.method == HTTP_HEAD && !r.keep_alive && r.length == 21, "HTTP/1.0, bare line feeds, empty lines in front");
	ok(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 42, &r) == 0 && r.keep_alive, "HTTP/1.0 may stay");
	ok(parse("GET / HTTP/1.1\r\nHost:\r\nConnection: x , CLOSE\r\n\r\n", 48, &r) == 0 && !r.keep_alive, "close, among others, in capitals");
	ok(parse("GET HTTP://h:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n", 41, &r) == 0 && is(r.path, "/p"), "as a proxy is asked");
	ok(parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 34, &r) == 0 && is(r.path, "") && !r.plain, "... without a path");
	ok(parse("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n", 47, &r) == 0 && r.body == 12, "a body's length");
	ok(parse("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=5-9\r\n\r\n", 45, &r) == 0 && r.range.asked && r.range.first == 5 && r.range.last == 9, "a range");
	ok(parse("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=9-5\r\n\r\n", 45, &r) == 0 && !r.range.asked, "... the wrong way round is none");
	ok(parse("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2,4-5\r\n\r\n", 49, &r) == 0 && !r.range.asked, "several are none");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int status = parse(refused[i].request, strlen(refused[i].request), &r);

		if (status != refused[i].status)
			printf("# %zu: %d instead of %d\n", i, status, refused[i].status);
		all &= status == refused[i].status;
	}
	ok(all, "what is wrong is refused, with the right status");
}

static void long_requests(void)
{
	static char big[64 << 10];
	struct http_request r;

	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	ok(http_parse(big, HTTP_LINE_MAX, &r) == HTTP_MORE && http_parse(big, HTTP_LINE_MAX + 1, &r) == 414, "a line that does not end is 414");
	memcpy(big, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
	ok(http_parse(big, HTTP_HEAD_MAX, &r) == HTTP_MORE && http_parse(big, HTTP_HEAD_MAX + 1, &r) == 431, "a head that does not end is 431");
	memcpy(big + 40000, "\r\n\r\n", 4);
	ok(http_parse(big, sizeof(big), &r) == 431, "one that ends too late too");
	memset(big, '\n', sizeof(big));
	ok(http_parse(big, sizeof(big), &r) == 400, "empty lines without end are 400");
}

static void paths(void)
{
	static const struct {
		const char *path, *name; /* null: none */
		bool folder;
	} cases[] = {
		{ "/", "", true }, { "", "", true }, { "/a", "a", false }, { "/a/", "a", true }, { "//a///b", "a/b", false }, { "/a/./b", "a/b", false }, { "/a/../b", "b", false }, { "/a/b/..", "a", true },
		{ "/.", "", true }, { "/..", NULL, false }, { "/a/../..", NULL, false }, { "/%2e%2e/etc", NULL, false }, { "/%2E%2e%2fetc", NULL, false }, { "/a%2fb", NULL, false }, { "/a%00b", NULL, false },
		{ "/a%zz", NULL, false }, { "/a%4", NULL, false }, { "/%41b%20c", "Ab c", false }, { "/...", "...", false }, { "/a/%2e/b", "a/b", false }, { "/%252e%252e", "%2e%2e", false },
	};
	bool all = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[64];
		bool folder;
		int n = http_path(text(cases[i].path), name, sizeof(name), &folder);
		bool right = cases[i].name ? n == (int)strlen(cases[i].name) && strcmp(name, cases[i].name) == 0 && folder == cases[i].folder : n < 0;

		if (!right)
			printf("# %s: %d %s\n", cases[i].path, n, n < 0 ? "" : name);
		all &= right;
	}
	ok(all, "paths become names, or nothing");
}

static void conditions(void)
{
	struct http_range r = { .asked = true, .suffix = true, .last = 10 };
	uint64_t first, length;
	char date[HTTP_DATE + 1];
	bool all = true;

	ok(http_tag_listed(text("\"a\", W/\"b\" ,\"c\""), "\"b\"", 3) && http_tag_listed(text("*"), "\"b\"", 3) && !http_tag_listed(text("\"bb\", b, \"b"), "\"b\"", 3), "entity tags in lists");
	ok(http_range_of(&r, 4, &first, &length) && first == 0 && length == 4 && http_range_of(&r, 40, &first, &length) && first == 30 && length == 10 && !http_range_of(&r, 0, &first, &length), "the last bytes");
	r = (struct http_range){ .asked = true, .first = 3, .last = UINT64_MAX };
	ok(http_range_of(&r, 4, &first, &length) && first == 3 && length == 1 && !http_range_of(&r, 3, &first, &length), "bytes to the end");
	r.last = 3;
	ok(http_range_of(&r, 100, &first, &length) && length == 1, "one byte");
	http_date(784111777, date);
	ok(strcmp(date, "Sun, 06 Nov 1994 08:49:37 GMT") == 0, "the RFC's own date");
	ok(http_time(text(date)) == 784111777 && http_time(text("Sunday, 06-Nov-94 08:49:37 GMT")) == 784111777 && http_time(text("Sun Nov  6 08:49:37 1994")) == 784111777, "in all three forms");
	ok(http_time(text("yesterday")) == -1 && http_time(text("Sun, 06 Nov 1994 08:49:37 CET")) == -1 && http_time(text("Sun, 46 Nov 1994 08:49:37 GMT")) == -1, "what is no date");
	for (int64_t t = 0; t < 7000000000; t += 3333333) {
		http_date(t, date);
		all &= http_time(text(date)) == t;
	}
	ok(all, "dates until 2191 come back");
	ok(strcmp(http_type("a/b.HTML", 8), "text/html; charset=utf-8") == 0 && strcmp(http_type("a.js/b", 6), "application/octet-stream") == 0 && strcmp(http_type(".png", 4), "image/png") == 0, "types by suffix");
	ok(http_head_ends("a\r\n\r\n", 0, 5) && http_head_ends("a\r\n\r\n", 4, 5) && http_head_ends("a\n\n", 2, 3) && !http_head_ends("a\r\n\r", 0, 4) && !http_head_ends("", 0, 0), "a head's end is found, however it came");
}

int main(void)
{
	whole_requests();
	long_requests();
	paths();
	conditions();
	return done_testing();
}
