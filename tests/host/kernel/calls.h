/* Random calls: chosen so that most would succeed, some nearly and some not at all; made; compared with the model. */
#pragma once

#include "model.h"

/* What has happened, so that a test that no longer reaches something says so. */
#define EVENTS(X) \
	X(allocated) X(freed) X(broken) X(bound_page) X(other_rights) X(bound_by_cap) X(bound_table) X(shared_table) X(bound_other) X(unbound) X(emptied_table) \
	X(batch_cut) X(minted) X(narrowed) X(ended) X(forged) X(created) X(accounts) X(destroyed) X(again) X(stopped) X(resized) X(commanded) \
	X(slices) X(slices_by_cap) X(demanded) X(repossessed) X(faults) X(pokes) X(refused) X(others) X(pinned)
#define X(name) EVENT_##name,
enum { EVENTS(X) EVENT_COUNT };
#undef X
extern uint64_t happened[EVENT_COUNT];
#define HAPPENED(name) (happened[EVENT_##name]++)

/* Where arguments are in user memory. */
#define AT_LIST USER_BASE
#define AT_CAP (USER_BASE + 0x2000)
#define AT_CAP_OUT (USER_BASE + 0x2100)
#define AT_SPEC (USER_BASE + 0x2200)

/* A capability as an environment might present it. */
struct held_cap {
	struct aegis_cap cap;
	bool genuine;
	uint64_t at; /* where it lies in user memory; mostly readable */
};
void caps_start(void);               /* the root capabilities, which the kernel gives the first environment */
const struct held_cap *cap_choose(uint32_t kind); /* of this kind, mostly; written to user memory. Null: none is held yet */

bool one_in(uint32_t n);
struct m_env *env_choose(void);     /* a live one */
env_id env_name(void);              /* of one, mostly */
frame_t frame_choose(const struct m_env *account); /* one of its, mostly */
frame_t pair_choose(const struct m_env *account);  /* of its unbound ordinary frames, two side by side, mostly */
/* Where a list of n items is to lie: sometimes it runs off the end of user memory. */
uint64_t list_place(size_t item, uint64_t n, uint64_t *reached);
uint64_t list_length(void); /* of a list: mostly short, sometimes none can have it */

/* Makes the call: remembers it, and looks that a refusal changes nothing. */
typedef int64_t (*call)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern uint64_t calls_made;
extern char call_note[160]; /* what else to remember of the next call */
int64_t make_call(const char *name, call f, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
void expect(int64_t result, int64_t model);
#define CALL(name, a, b, c, d, e) make_call(#name, call_##name, a, b, c, d, e)

void random_frames(void);  /* calls_frames.c */
void random_revoke(void);
void random_pin(void);     /* what rings and devices do */
void random_bind(void);    /* calls_bind.c */
void random_share(void);
void random_sealed(void);
void random_poke(void);    /* what the hardware and user code write */
void random_env(void);     /* calls_env.c */
void random_account(void);
void random_slice(void);
void random_cap(void);
void random_schedule(void); /* schedule.c: who runs on each CPU */
