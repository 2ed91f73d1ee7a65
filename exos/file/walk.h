/* Walking a path, component by component: what path.c, names.c and open.c share. */
#pragma once

#include <exos/file/file.h>

#define WALK_LINKS_MAX 40

struct walk {
	struct inode *at;   /* the directory reached; a reference */
	const char *rest;   /* what is left of the path; in the caller's string, or in one of `text` */
	const char *name;   /* after walk_parent: the last component, */
	size_t length;	    /* 0 when the path ended with the directory itself ("/") */
	bool slash;	    /* and whether slashes follow it: it must be a directory */
	uint32_t links;	    /* symbolic links followed so far */
	frame_t text[2];    /* texts of links with what was left behind them */
	uint32_t text_used; /* which of them `rest` is in */
};

int walk_start(struct walk *w, struct inode *base, const char *path);
void walk_end(struct walk *w);
/* Goes to the directory of the last component, following links on the way. On an error, `name` is the component that it
 * came from. */
int walk_parent(struct walk *w);
/* walk_parent, then the last component itself; a link there is followed if asked for (or if a slash follows it). When
 * the last component does not exist: -ENOENT, and the walk stands at its directory with its name (length not 0); other
 * misses leave length 0. */
int walk_last(struct walk *w, bool follow, struct inode **out);
uint32_t walk_mode(uint32_t mode); /* permissions for a new name: the current process's umask taken off */
