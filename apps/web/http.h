/* HTTP/1.1 requests as bytes (RFC 9112, RFC 9110): no connection, no file, no memory of its own. Everything here is also built for the host, and fuzzed there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX 8192  /* bytes of a request line; longer ones are 414 */
#define HTTP_HEAD_MAX 16384 /* and of all of a request before its body; more is 431 */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_text { /* a part of what was parsed, not terminated */
	const char *at;
	uint32_t length;
};

/* What of a representation is asked for: bytes first..last, or with suffix the last `last` ones. */
struct http_range {
	bool asked, suffix;
	uint64_t first, last; /* last UINT64_MAX: to the end */
};

struct http_request {
	uint32_t length;          /* of the whole head, with its blank line */
	uint8_t method, minor;    /* enum http_method; HTTP/1.minor */
	bool keep_alive;          /* the connection may go on */
	bool plain;               /* path is as the file's name is: nothing in it is encoded, and no segment is empty or begins with a dot */
	struct http_text path;    /* as it came, without query */
	struct http_text query;   /* with its question mark; or nothing */
	uint64_t body;            /* bytes that follow the head */
	struct http_text if_none_match, if_modified_since, if_range; /* at null: not there */
	struct http_range range;
};

/* Parses one request at data. 0: it is whole, and *r says what it is; HTTP_MORE: it is right so far, and not whole yet; else the status that refuses it: 400,
 * 413 is for the caller to say, 414, 431, 501, 505, 405 (a method that is known and not served). After a refusal nothing more can be understood of the
 * connection. */
#define HTTP_MORE 1
int http_parse(const char *data, size_t n, struct http_request *r);

/* Is there the end of a head in data, of which everything before `from` was looked at before? For requests that come in small parts. */
bool http_head_ends(const char *data, size_t from, size_t n);

/* A path as it came into the name of a file, relative to the folder that is served, without a leading slash: decodes %XX, drops empty and "." segments, applies
 * "..". Returns its length (0: the folder itself), *folder whether it ended in a slash. -1: it is malformed, has a zero byte, leads out of the folder or does
 * not fit. */
int http_path(struct http_text path, char *to, size_t room, bool *folder);

/* Does a list of entity tags (If-None-Match) name this one, weakly compared (RFC 9110 8.8.3.2)? tag has its quotes. */
bool http_tag_listed(struct http_text list, const char *tag, size_t length);

/* The part of `size` bytes that is asked for. False: none of it is there (416). */
bool http_range_of(const struct http_range *r, uint64_t size, uint64_t *first, uint64_t *length);

/* Times as HTTP has them (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", 29 bytes and a zero. http_time also understands the two older forms; -1: it is none. */
#define HTTP_DATE 29
void http_date(int64_t seconds, char *to);
int64_t http_time(struct http_text text);

const char *http_type(const char *name, size_t length); /* by its suffix */
const char *http_reason(int status);
