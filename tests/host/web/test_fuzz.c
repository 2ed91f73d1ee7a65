/* Requests that are put together from what has confused servers, and broken at random. What is held against them: nothing is read behind the end, a whole
 * request stays the same whole request whatever follows it, a part of it is never taken for a whole one, and no path leads out of the folder. */
#include "check.h"

#define LONGEST 2048

static const char *const words[] = {
	"GET", "HEAD", "POST", " ", " ", "/", "/", "..", "%2e", "%2E%2e", "%00", "%", "a", "index.html", "?", "http://", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n", "Host: a\r\n", "Host", ":", ": ", "\t",
	"Content-Length: ", "5", "-1", "18446744073709551616", "Transfer-Encoding: chunked\r\n", "Connection: ", "close", "keep-alive", ",", "Range: bytes=", "-", "9-", "If-None-Match: ", "\"", "W/", "*", "If-Modified-Since: ",
	"Sun, 06 Nov 1994 08:49:37 GMT", "If-Range: ", "\x80", "\xff", "\x7f", "\x01",
};
static const char *const good[] = {
	"GET /a/b.html HTTP/1.1\r\nHost: here\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
	"HEAD /%41/../x?y HTTP/1.1\r\nHost: here\r\nConnection: close\r\nRange: bytes=1-2\r\n\r\n",
	"GET http://here/ HTTP/1.0\r\nIf-None-Match: \"a\", W/\"b\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 7\r\n\r\n",
};

static size_t compose(char *to)
{
	size_t n = 0;

	if (random_below(3)) {
		const char *base = good[random_below(3)];

		n = strlen(base);
		memcpy(to, base, n);
		for (uint64_t i = random_below(4); i > 0; i--) {
			size_t at = random_below(n);
			const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];

			switch (random_below(4)) {
			case 0:
				to[at] = (char)random_below(256);
				break;
			case 1:
				memmove(to + at, to + at + 1, n - at - 1);
				n -= n > 1;
				break;
			default:
				memmove(to + at + strlen(word), to + at, n - at);
				memcpy(to + at, word, strlen(word));
				n += strlen(word);
			}
		}
	} else {
		for (uint64_t i = random_below(40); i > 0 && n < LONGEST / 2; i--) {
			const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];

			memcpy(to + n, word, strlen(word));
			n += strlen(word);
		}
	}
	return n;
}

/* No segment is "..", none is empty, no zero byte. */
static bool inside(const char *name, int n)
{
	if (n && (name[0] == '/' || name[n - 1] == '/'))
		return false;
	for (int start = 0, i = 0; i <= n; i++) {
		if (i < n && !name[i])
			return false;
		if (i < n && name[i] != '/')
			continue;
		if ((n && i == start) || (i - start == 1 && name[start] == '.') || (i - start == 2 && name[start] == '.' && name[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

static bool holds(const char *data, size_t n, uint32_t *whole)
{
	struct http_request r, again;
	int status = parse(data, n, &r), other;
	char name[256], longer[LONGEST + 64];
	bool folder;
	size_t cut = random_below(n + 1);

	other = parse(data, cut, &again);
	if (status == 0 && cut < r.length && other != HTTP_MORE)
		return false;
	if (status == HTTP_MORE && other != HTTP_MORE)
		return false;
	memcpy(longer, data, n);
	memcpy(longer + n, "GET / HTTP/1.1\r\n", 16);
	other = parse(longer, n + 16, &again);
	if (status != HTTP_MORE && other != status)
		return false;
	if (status)
		return true;
	++*whole;
	if (r.length > n || again.length != r.length || again.body != r.body || !http_head_ends(data, random_below(r.length), r.length))
		return false;
	for (int room = 1; room < 200; room = room * 3 + (int)random_below(3)) {
		int length = http_path(r.path, name, (size_t)room, &folder);

		if (length >= room || (length >= 0 && (name[length] || !inside(name, length))))
			return false;
	}
	if (r.plain && r.path.length > 1 && r.path.at[r.path.length - 1] != '/') { /* then the name is what it looks like */
		int length = http_path(r.path, name, sizeof(name), &folder);

		if (r.path.length < sizeof(name) && (length != (int)r.path.length - 1 || memcmp(name, r.path.at + 1, (size_t)length) || folder))
			return false;
	}
	if (r.if_none_match.at)
		http_tag_listed(r.if_none_match, "\"a\"", 3);
	return !r.if_modified_since.at || http_time(r.if_modified_since) >= -1;
}

int main(int argc, char **argv)
{
	uint64_t requests = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000;
	uint32_t whole = 0;
	char data[LONGEST];
	bool all = true;

	test_start(argc, argv);
	for (uint64_t i = 0; i < requests && all; i++) {
		size_t n = compose(data);

		all = holds(data, n, &whole);
		if (!all)
			printf("# request %lu: %.*s\n", i, (int)n, data);
	}
	ok(all, "nothing that is sent is misunderstood");
	ok(whole > requests / 20, "many were whole requests all the same");
	return done_testing();
}
