/* A root file system on a disk, in place of the one in memory.
 *
 * Who uses it: start.c, in the keeper, before there is a process: so the first one's root is on the disk from its first instruction. The keeper waits for the disk here (wait_surely); its loop has not begun, and nobody else is there to be kept waiting. */
#pragma once

#include <exos/start_file.h>

/* Where in the archive what is added to such a root is: files that were named (--file, PROGRAM), which replace what is there; and what PROGRAM needs from the host, where the root has nothing of that name. tools/machine.sh. */
#define ROOT_ADDED ".exos/added/"
#define ROOT_LACKED ".exos/lacked/"

/* Mounts the file system of disk start->root: the whole, or if the disk has a partition table the first partition with one. Adds what the archive has for it, and finds PROGRAM: start->program becomes its path, null if the root does not have it. A failure ends the machine, with a message. */
void root_on_disk(struct start_file *start, const uint8_t *archive, size_t length);
