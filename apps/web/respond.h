/* What is answered: responses as pieces for the stack. */
#pragma once

#include "cache.h"

/* The calendar's second, and its date as heads have it. */
struct date {
	int64_t second;
	char text[HTTP_DATE + 1];
};
extern struct date date;

struct sending { /* what of a file is yet to be handed to the stack */
	struct file *file; /* with a reference; null: nothing */
	uint64_t at, end;
};

/* All return 0, or -1: the connection is of no use any more. */
/* A short answer that is made for the occasion: body null: the reason, as a page. `more`: further header lines, each with its end, or "". head_only: as to HEAD. */
int respond_text(struct net_endpoint *e, int status, const char *more, bool keep_alive, bool head_only);
int respond_file(struct net_endpoint *e, struct file *f, bool keep_alive, bool head_only, struct sending *s); /* all of it; takes the reference */
int respond_part(struct net_endpoint *e, struct file *f, uint64_t first, uint64_t length, bool keep_alive, bool head_only, struct sending *s); /* 206; likewise */
int respond_unchanged(struct net_endpoint *e, const struct file *f, bool keep_alive); /* 304 */
int respond_no_range(struct net_endpoint *e, const struct file *f, bool keep_alive, bool head_only); /* 416 */
/* More of what there is, as much as the stack takes; s->file is null when that was all. */
int respond_go_on(struct net_endpoint *e, struct sending *s);
/* The length of every head of f, from which its layout follows. False: no memory. */
bool respond_prepare(struct file *f);
