/* A user of the store who does things at random, and knows what every block must hold: a reference model for its tests. */
#pragma once

#include <exos/ext2/journal_format.h>
#include <exos/ext2/store.h>

#include "disk.h"

#define SLOTS 600 /* at most */
#define TRANSACTIONS 4096

/* A block is free (its contents are anything), of the structure (goes through the store), or of a file (written directly, before the transaction that makes it one is committed). */
enum slot_kind { FREE, META, DATA };
struct slot {
	enum slot_kind kind;
	uint32_t version; /* of its contents; no version comes twice */
};
struct state {
	struct slot slots[SLOTS];
};

/* Where a volume's parts are. */
struct geometry {
	const char *name;
	uint32_t block_size, slots, log; /* log: blocks of the journal */
	bool wide, none;            /* none: no journal */
	const char *image;          /* made by mke2fs; null: made here */
	uint64_t blocks, homes[SLOTS], *journal; /* journal: its blocks in order */
};
void geometry_make(struct geometry *g);     /* chooses what was not given */
struct disk *geometry_disk(const struct geometry *g); /* with an empty journal, and every block of the model as in its first state */
void geometry_end(struct geometry *g);

struct model {
	const struct geometry *g;
	struct disk *d;
	struct store *s;
	struct ext2_port port;
	struct slot now[SLOTS];     /* with the running transaction */
	struct state **states;      /* states[t]: after transaction t; transaction 0 is how it was when recording began */
	uint32_t *begun, *done;     /* events when its commit began, and was done */
	bool lazy;                  /* no checkpoint but those that a commit needs to have room */
	uint32_t transactions, lasting; /* the newest whose commit began; whose commit was done */
};

void fill(const struct geometry *g, uint32_t slot, uint32_t version, uint8_t *to);
struct model *model_new(const struct geometry *g, struct disk *d, const struct state *first); /* does not open it */
void model_end(struct model *m); /* the store too, as a crash would */
int model_open(struct model *m, bool *replayed);
int model_step(struct model *m);    /* something at random, in the running transaction */
int model_all(struct model *m, enum slot_kind kind); /* every slot but the first becomes such a one, or gets other contents */
int model_commit(struct model *m);  /* with steps of the next one in between */
int model_commit_alone(struct model *m, bool with_checkpoint); /* nothing in between, or a checkpoint */
int model_run(struct model *m, uint32_t transactions); /* ends at the first error */
int model_close(struct model *m);   /* journal_close, with what is running */
/* Which state the disk is in, at least `least` and at most `most`; -1: in none of them. */
int model_find(const struct model *m, struct disk *d, uint32_t least, uint32_t most);
void model_crash(const struct model *m, uint32_t at, enum disk_luck luck, uint8_t *image, uint32_t *least, uint32_t *most);
/* The journal as the store finds it; `place` is called by model_open. */
int geometry_place(const struct geometry *g, struct store *s);
