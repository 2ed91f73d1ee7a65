/* Which executable PROGRAM is, by the rules that `./exo help run` gives, and what it needs from the host to run. */
#pragma once

/* Finds PROGRAM in the archive or on the host, and copies it in from there with its interpreter and libraries. `path` is the
 * guest's PATH. Returns the path of the guest to execute. Ends with status 126 or 127 and a shell's message where it cannot. */
char *program_find(const char *name, const char *path);
