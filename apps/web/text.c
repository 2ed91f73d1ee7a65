/* Paths, entity tags, ranges, types. */
#include "http.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One segment, decoded, to `to`; its length, or -1. A slash that was encoded would be one in no name. */
static int segment(const char **p, const char *end, char *to, size_t room)
{
	size_t n = 0;

	while (*p < end && **p != '/') {
		int c = (uint8_t)*(*p)++;

		if (c == '%') {
			int high = end - *p >= 2 ? hex((*p)[0]) : -1, low = high >= 0 ? hex((*p)[1]) : -1;

			if (low < 0)
				return -1;
			c = high << 4 | low;
			*p += 2;
		}
		if (!c || c == '/' || n == room)
			return -1;
		to[n++] = (char)c;
	}
	return (int)n;
}

int http_path(struct http_text path, char *to, size_t room, bool *folder)
{
	const char *p = path.at, *end = p + path.length;
	size_t n = 0;

	*folder = true;
	while (p < end) {
		size_t start = n ? n + 1 : 0;
		int length;

		p++; /* the slash */
		if (start >= room)
			return -1;
		length = segment(&p, end, to + start, room - start - 1);
		if (length < 0)
			return -1;
		*folder = length == 0;
		if (length == 0)
			continue;
		if (to[start] == '.' && (length == 1 || (length == 2 && to[start + 1] == '.'))) {
			*folder = true;
			if (length == 1)
				continue;
			if (!n)
				return -1;
			while (n && to[n - 1] != '/')
				n--;
			n -= n > 0;
			continue;
		}
		if (n)
			to[n] = '/';
		n = start + (size_t)length;
	}
	if (n >= room)
		return -1;
	to[n] = 0;
	return (int)n;
}

bool http_tag_listed(struct http_text list, const char *tag, size_t length)
{
	const char *p = list.at, *end = p + list.length;

	while (p < end) {
		const char *start;

		while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
			p++;
		if (p < end && *p == '*')
			return true;
		if (end - p >= 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if (p == end || *p != '"')
			return false;
		start = p++;
		while (p < end && *p != '"')
			p++;
		if (p == end)
			return false;
		p++;
		if ((size_t)(p - start) == length && memcmp(start, tag, length) == 0)
			return true;
	}
	return false;
}

bool http_range_of(const struct http_range *r, uint64_t size, uint64_t *first, uint64_t *length)
{
	if (r->suffix) {
		*length = r->last < size ? r->last : size;
		*first = size - *length;
		return *length != 0;
	}
	*first = r->first;
	if (*first >= size)
		return false;
	*length = (r->last < size ? r->last + 1 : size) - *first;
	return true;
}

const char *http_type(const char *name, size_t length)
{
	static const struct {
		const char *suffix, *type;
	} types[] = {
		{ "html", "text/html; charset=utf-8" }, { "htm", "text/html; charset=utf-8" }, { "txt", "text/plain; charset=utf-8" }, { "css", "text/css; charset=utf-8" },
		{ "js", "text/javascript; charset=utf-8" }, { "mjs", "text/javascript; charset=utf-8" }, { "json", "application/json" }, { "xml", "application/xml" },
		{ "svg", "image/svg+xml" }, { "png", "image/png" }, { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" }, { "gif", "image/gif" }, { "webp", "image/webp" },
		{ "avif", "image/avif" }, { "ico", "image/vnd.microsoft.icon" }, { "pdf", "application/pdf" }, { "wasm", "application/wasm" }, { "woff", "font/woff" },
		{ "woff2", "font/woff2" }, { "ttf", "font/ttf" }, { "mp3", "audio/mpeg" }, { "mp4", "video/mp4" }, { "webm", "video/webm" }, { "gz", "application/gzip" },
		{ "zip", "application/zip" }, { "tar", "application/x-tar" }, { "md", "text/markdown; charset=utf-8" }, { "csv", "text/csv; charset=utf-8" },
	};
	size_t at = length;

	while (at && name[at - 1] != '.' && name[at - 1] != '/')
		at--;
	for (size_t i = 0; at && name[at - 1] == '.' && i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].suffix), j = 0;

		while (n == length - at && j < n && (name[at + j] | 0x20) == (types[i].suffix[j] | 0x20))
			j++;
		if (j == n)
			return types[i].type;
	}
	return "application/octet-stream";
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" }, { 206, "Partial Content" }, { 301, "Moved Permanently" }, { 304, "Not Modified" }, { 400, "Bad Request" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 416, "Range Not Satisfiable" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}
