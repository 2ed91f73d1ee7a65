/* Checkpoints of a piece of memory: each keeps only what has been written since the last, and a program that was killed at any moment goes on from the last one that was complete
 * (Appel and Li, ASPLOS'91; Li, Naughton and Plank, PPoPP'90: concurrent checkpointing).
 *
 * Who calls it: programs, with a struct written (written.h) that says what has changed. If that is a way that `tells`, the program goes on while a checkpoint is being written: a page that it is about to write
 * first goes to the file as it was. With dirty bits a write costs nothing, but the program waits for the file. What is promised: a checkpoint is the memory as it was at checkpoint_begin; the file has it whole or not at
 * all, whenever the program or a write to the file ends. That is against the program's death; against the machine's there is no disk yet. What never was written is zero.
 *
 * The file is a log: pages, each behind its number, and behind those of a checkpoint a line with their sum. It begins anew when it is CHECKPOINT_FACTOR times as long as the memory. */
#pragma once

#include <exos/lib/vm/written.h>

#define CHECKPOINT_FACTOR 4

struct checkpoint_record;
struct checkpoint {
	struct written *memory;
	uint64_t number; /* of the last complete one; 0: there is none */
	int file;
	uint64_t length; /* of the file, up to the end of the last complete one */
	/* Of the one under way: */
	uint8_t *pending;
	uint64_t left, next; /* pages pending; none is below next */
	uint64_t records, sum, at;
	int new_file; /* >= 0: the log begins anew in this one */
	int error;    /* the first */
	bool under_way;
	bool whole;   /* all pages go: there is none before, or the last one failed */
	struct checkpoint_record *record;
	char *path, *new_path;
};

/* Begins with what the file at path has: the memory, which must not have been written yet, becomes that of its last complete checkpoint, if it has any. Takes memory->before and context. 0, or a negative Linux error: EINVAL (a
 * file of memory of another size, or of something else), ENOMEM, those of open, read and write. */
int checkpoint_open(struct checkpoint *, struct written *memory, const char *path);
void checkpoint_close(struct checkpoint *); /* one under way is dropped; not the memory */

/* From here on what is written is not in it. EBUSY: one is under way. */
int checkpoint_begin(struct checkpoint *);
/* Writes at most so many pages. 1: there are more; 0: it is complete, or none is under way; an error of the file: this one is given up, and the next has all pages. */
int checkpoint_some(struct checkpoint *, uint64_t pages);
/* All at once. */
int checkpoint_take(struct checkpoint *);
