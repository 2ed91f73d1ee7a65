/* Which executable PROGRAM is, by the rules that `./exo help run` gives, and what it needs from the host to run. */
#pragma once

#include <stdbool.h>

/* Finds PROGRAM in the archive or on the host, and copies it in from there with its interpreter and libraries. `path` is the
 * guest's PATH. Returns the path of the guest to execute. Ends with status 126 or 127 and a shell's message where it cannot. */
char *program_find(const char *name, const char *path);

/* The same for a root that is on a disk, which is not looked into here: the machine finds PROGRAM there. `added` and `lacked` are the archive's folders for what is put into that root, and for what is put there only if it has nothing of that name.
 * A PROGRAM that would be in a folder of PATH is the root's own if it has it, so that no run replaces the root's programs by the host's; any other path is the host's if it exists here. With `fixed` nothing can be put there.
 * Returns the path or bare name that the machine looks for; *instead: the path of the host's, put into `lacked`, or null. */
char *program_for_disk(const char *name, const char *path, const char *added, const char *lacked, bool fixed, char **instead);
