/* Queues, extents and the block table from the inside, and what the rest of the kernel wants of them. Owner of all of it: the kernel lock. */
#pragma once

#include <aegis/cap.h>
#include <aegis/disk.h>
#include <kernel/bind.h>
#include <kernel/drivers/block.h>
#include <kernel/frame.h>

/* An extent that is bound: what was sealed. */
struct slot {
	uint64_t first, count; /* sectors; count 0: nothing is bound */
	uint32_t epoch;
	uint16_t rights;
	uint16_t disk;
	struct user *user;
};

/* An account that has extents of a disk bound, or had when it asked for what is under way. */
struct user {
	env_id account;        /* 0: nobody */
	uint32_t slots;        /* that an extent is bound in */
	uint32_t under_way;    /* requests */
	frame_t first, last;   /* of its queues that wait for room, or 0 */
};

/* A queue's object, in its frame (FRAME_QUEUE), which is its name. */
struct queue {
	struct aegis_queue *page; /* the control page, in the physical map: for telling. The kernel reads `consumed` of it alone */
	env_id account, owner;
	uint32_t accepted, produced; /* the kernel's own counts; the difference is under way */
	frame_t control;
	frame_t next, previous;      /* of its account's queues, or 0 */
	bool refused;                /* a request of it was; its owner is told when it completes one */
	struct {
		struct user *user;   /* null: it does not wait */
		frame_t next, previous;
	} waiting[DISKS_MAX];        /* by disk, for room there */
	struct slot slots[QUEUE_SLOTS];
};
_Static_assert(sizeof(struct queue) <= FRAME_SIZE, "a queue is one frame");
static inline struct queue *queue_of(frame_t name) { return frame_pointer(name); }

/* What a disk has been asked, and is not done with; by its cookie. */
struct request {
	uint64_t tag, sector;
	uint32_t count;
	uint32_t epoch;      /* of the extent */
	struct user *user;
	frame_t queue;       /* 0: the kernel's own */
	env_id tell;
	uint8_t operation, flags;
	bool used;
	uint32_t pinned;     /* frames */
	uint32_t next;       /* of the free ones */
	frame_t frames[DISK_FRAMES_MAX];
};

/* Capabilities of an older epoch than `revoked` are refused there. Frames that are registered for blocks of it, those that were first: so what was registered before the last revocation is in front. */
struct stripe {
	uint32_t revoked;
	frame_t first, last; /* or 0 */
};

struct disk {
	struct blockdev *driver;
	struct aegis_disk_info *info; /* exposed; `epoch` and `sectors` are kept there */
	uint32_t stripe_shift;
	struct stripe *stripes;
	struct request *requests;     /* driver->depth of them */
	uint32_t free_request, free_count;
	struct user *users;           /* as many as there are requests: each has at least one, and one is the kernel's */
	uint32_t user_count, share;   /* how many of them are somebody, and what each of those may have under way */
	uint32_t waiting;             /* queues that wait for room, */
	uint32_t turn;                /* and who was told last that there is some */
	bool enabled;                 /* interrupts are on */
};
extern struct disk disks[DISKS_MAX];
extern uint32_t disk_count;
static inline uint32_t disk_number(const struct disk *d) { return (uint32_t)(d - disks); }

/* disk.c */
void disk_start(void); /* after blockdev_start, from boot memory */
void disk_interrupt(uint32_t number);

/* extent.c */
/* May a capability of that epoch be used for these sectors, which the disk has? */
bool extent_good(const struct disk *d, uint64_t sector, uint64_t count, uint32_t epoch);
uint32_t extent_epoch(uint64_t first); /* of capabilities that are made now */
int64_t extent_end(const struct aegis_cap *cap); /* cap.c: how much is left, or -E_ */

/* queue.c */
struct queue *queue_mine(uint64_t name); /* of the current account, or null */
/* A bounded part of ending all queues of an account. False: more is left. */
bool disk_end_account(struct env *account);

/* turn.c: accounts take turns. */
struct user *user_join(struct disk *d, env_id account); /* which binds an extent next. Null: there are as many as can be */
void user_leave(struct disk *d, struct user *u);        /* if it has nothing any more */
static inline bool user_has_room(const struct user *u, const struct disk *d)
{
	return d->free_count > (d->driver->depth > 1) && (u->under_way == 0 || u->under_way < d->share);
}
bool queue_tell(const struct queue *q, env_id id); /* EVENT_DISK to an environment of its account's. False: it is not there any more */
void queue_wait(struct queue *q, struct disk *d, struct user *u);
void disk_tell_next(struct disk *d); /* there may be room */
void queue_stop_waiting(struct queue *q, struct disk *d);

/* submit.c */
/* How many requests for these sectors are under way whose capabilities were revoked. */
uint32_t disk_stale_under_way(const struct disk *d, uint64_t sector, uint64_t count);
/* Writes f, which nobody but the kernel can use any more, to its block. False: there is no room, or no disk. */
bool disk_write_frame(struct disk *d, frame_t f, uint64_t sector, uint32_t epoch);

/* block.c */
/* What one call may do: steps that look, and bindings that are broken. */
struct block_work {
	uint32_t steps, breaks;
};
#define BLOCK_WORK ((struct block_work){ BREAK_BUDGET, BREAK_BUDGET })
void block_work_done(const struct block_work *work); /* before the call returns: what was broken is forgotten */
void block_start(void); /* from boot memory */
extern struct aegis_block_info *block_table; /* null: no disk */
static inline bool block_registered(frame_t f) { return block_table && block_table[f].state != BLOCK_NONE; }
/* Takes f out of the table; who has it bound by an extent loses that. 0 or -E_AGAIN. */
int64_t block_remove(frame_t f, struct block_work *work);
/* Registers f for a block as a request has it, unless it or another frame is registered for something already: then it is as it was. */
void block_enter_clean(frame_t f, uint64_t block, uint32_t epoch);
/* Makes f free for block_enter_clean. 0 or -E_AGAIN. */
int64_t block_make_room(frame_t f, uint64_t block, struct block_work *work);
/* Of a stripe, what was registered by capabilities that are revoked. False: more is left. */
bool block_clear_stripe(struct stripe *s, struct block_work *work);
/* bind.c: may a page of f be bound by this CAP_EXTENT, whose seal was verified? */
bool block_may_bind(const struct aegis_cap *cap, frame_t f, uint64_t flags);
/* frame.c: f, which is its account's, is to be freed. 0, -E_BUSY or -E_AGAIN. */
int64_t block_leave(frame_t f, struct block_work *work);
/* revoke.c: the same by force, with nothing bound or pinned: a dirty frame is written first. 0: it is out of the table, and its account told where its contents went. -E_AGAIN: the disk has it. */
int64_t block_take(frame_t f);
