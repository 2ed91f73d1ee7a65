/* select and pselect6: poll's wait over sets of descriptor numbers. Called from the table of calls. */
#include <exos/heap.h>
#include <exos/linux/polling.h>

#define SET_BITS  1024
#define WORD_BITS 64
#define SET_WORDS (SET_BITS / WORD_BITS)
enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

struct select {
	uint32_t numbers; /* descriptors below this are looked at */
	uint64_t wanted[SETS][SET_WORDS], got[SETS][SET_WORDS];
};

/* What makes a descriptor of each set ready, beside what is waited for: as poll's answers are read by select. */
static const uint32_t set_wanted[SETS] = {POLL_IN, POLL_OUT, POLL_PRIORITY};
static const uint32_t set_ready[SETS] = {POLL_IN | POLL_HANGUP | POLL_ERROR, POLL_OUT | POLL_ERROR, POLL_PRIORITY};

static int64_t look_number(struct poll_wait *w, struct select *s, uint32_t number)
{
	uint32_t word = number / WORD_BITS, wanted = 0, got;
	uint64_t bit = 1ul << number % WORD_BITS;
	struct file *f = linux_file(number);
	int64_t ready = 0;

	for (int set = 0; set < SETS; set++)
		wanted |= s->wanted[set][word] & bit ? set_wanted[set] : 0;
	if (!wanted)
		return 0;
	if (!f || (f->flags & OPEN_PATH))
		return -EBADF;
	got = poll_file(w, f, wanted);
	for (int set = 0; set < SETS; set++) {
		if ((s->wanted[set][word] & bit) && (got & set_ready[set])) {
			s->got[set][word] |= bit;
			ready++;
		}
	}
	return ready;
}

static int64_t look_sets(struct poll_wait *w, void *what)
{
	struct select *s = what;
	int64_t ready = 0;

	memset(s->got, 0, sizeof(s->got));
	for (uint32_t number = 0; number < s->numbers; number++) {
		int64_t more = look_number(w, s, number);

		if (more < 0)
			return more;
		ready += more;
	}
	return ready;
}

static int64_t select_sets(struct select *s, const uint64_t program[SETS], bool now, uint64_t deadline)
{
	size_t bytes = ROUND_UP(s->numbers, WORD_BITS) / 8;
	int64_t ready;

	for (int set = 0; set < SETS; set++) {
		if (program[set] && copy_in(s->wanted[set], ADDRESS(const void, program[set]), bytes))
			return -EFAULT;
	}
	ready = poll_until(look_sets, s, now, deadline);
	for (int set = 0; set < SETS && ready >= 0; set++) {
		if (program[set] && copy_out(ADDRESS(void, program[set]), s->got[set], bytes))
			return -EFAULT;
	}
	return ready;
}

/* The first four arguments of both calls. */
static int64_t select_numbers(struct regs *r, bool now, uint64_t deadline)
{
	const uint64_t program[SETS] = {A1(r), A2(r), A3(r)};
	struct select *s;
	int64_t ready;

	if ((int32_t)A0(r) < 0)
		return -EINVAL;
	s = heap_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->numbers = (uint32_t)MIN(A0(r), (uint64_t)SET_BITS);
	ready = select_sets(s, program, now, deadline);
	heap_free(s);
	return ready;
}

struct linux_timeval {
	int64_t seconds, microseconds;
};

int64_t linux_select(struct regs *r)
{
	struct linux_timeval time;
	uint64_t started = time_monotonic(), wanted = 0, passed;
	int64_t ready;

	if (!A4(r))
		return select_numbers(r, false, 0);
	if (copy_in(&time, ADDRESS(const void, A4(r)), sizeof(time)))
		return -EFAULT;
	if (time.seconds < 0 || time.microseconds < 0)
		return -EINVAL;
	/* More than this is for ever, for all that anybody will see of it. */
	wanted = (uint64_t)MIN(time.seconds, INT64_MAX / 4000000000) * 1000000000ul +
		 (uint64_t)MIN(time.microseconds, 1000000000) * 1000ul;
	ready = select_numbers(r, !wanted, wanted ? time_deadline(wanted) : 0);
	/* Linux tells what is left of the time; should that not be writable, nothing is lost. */
	passed = MIN(time_monotonic() - started, wanted);
	time = (struct linux_timeval){
		(int64_t)((wanted - passed) / 1000000000), (int64_t)((wanted - passed) % 1000000000 / 1000)};
	copy_out(ADDRESS(void, A4(r)), &time, sizeof(time));
	return ready;
}

int64_t linux_pselect6(struct regs *r)
{
	struct {
		uint64_t mask, size;
	} signals = {0, 0};
	uint64_t deadline;
	bool now;
	int err = poll_deadline(A4(r), &now, &deadline);

	if (err)
		return err;
	if (A5(r) && copy_in(&signals, ADDRESS(const void, A5(r)), sizeof(signals)))
		return -EFAULT;
	err = poll_mask(signals.mask, signals.size);
	return err ? err : poll_unmask(signals.mask, select_numbers(r, now, deadline));
}
