/* Requests as strings. */
#pragma once

#include <apps/web/http.h>
#include <tests/host/tap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses a copy that ends where it ends, so that a byte too many is seen; texts in r are made to lie in `data`. */
static inline int parse(const char *data, size_t n, struct http_request *r)
{
	char *copy = malloc(n ? n : 1);
	int status;

	memcpy(copy, data, n);
	status = http_parse(copy, n, r);
	for (struct http_text *t[] = { &r->path, &r->query, &r->if_none_match, &r->if_modified_since, &r->if_range }, **p = t; p < t + 5; p++)
		if ((*p)->at)
			(*p)->at = data + ((*p)->at - copy);
	free(copy);
	return status;
}
static inline struct http_text text(const char *s) { return (struct http_text){ s, (uint32_t)strlen(s) }; }
static inline bool is(struct http_text t, const char *s) { return t.at && t.length == strlen(s) && memcmp(t.at, s, t.length) == 0; }
