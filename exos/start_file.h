/* What ./exo asks for: the start file, the first member of the initial archive. */
#pragma once

#include <exos/base.h>

#define START_FILE ".exos/start"
#define START_STRINGS 2047 /* arguments, and as many environment variables */

struct start_file {
	char *argv[START_STRINGS + 1], *envp[START_STRINGS + 1]; /* point into the file's bytes; null at the end */
	const char *program; /* the executable's path (or, with a root on a disk, name); argv[0] if the file does not say */
	const char *instead; /* with a root on a disk: the path of the host's program, if the disk does not have that one; null: none */
	const char *cwd;
	bool terminal[3];
	bool plain; /* nobody is at the other end of the link: the first serial line is the terminal (tty/link.h) */
	uint16_t rows, columns;
	uint32_t root; /* the disk whose file system is the root, counted from 1; 0: none */
	uint64_t epoch; /* seconds; 0: the machine's clock is right */
};

/* Parses NUL-terminated records `key=value`. The bytes must stay. 0, -EINVAL (no such file, or not terminated) or -E2BIG. */
int start_file_parse(struct start_file *to, char *bytes, size_t length);
