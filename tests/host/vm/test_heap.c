/* The heap and the pool of frames under random use: pieces are aligned, zero, apart from each other, keep what is
 * written in them; when all are freed no frame is in use; when memory runs out the answer is null, and nothing is lost.
 */
#include <exos/heap.h>
#include <exos/start.h>

#include "model.h"

#define PIECES 3000
static struct {
	uint8_t *at;
	size_t n;
	uint8_t mark;
} pieces[PIECES];

static uint64_t in_use(void) { return MODEL_FRAMES - 1 - model_free_frames - frame_counts().held_idle; }

static bool intact(size_t i)
{
	for (size_t b = 0; b < pieces[i].n; b++)
		if (pieces[i].at[b] != pieces[i].mark)
			return false;
	return true;
}

static bool take(size_t i, size_t n)
{
	uint8_t *p = heap_alloc(n);

	if (!p)
		return true;
	pieces[i].n = 0;
	pieces[i].at = p;
	for (size_t b = 0; b < n; b++)
		if (p[b])
			return false;
	pieces[i].n = n;
	pieces[i].mark = (uint8_t)random_below(256);
	memset(p, pieces[i].mark, n);
	return (uintptr_t)p % 16 == 0 && (uintptr_t)p / FRAME_SIZE == ((uintptr_t)p + (n ? n : 1) - 1) / FRAME_SIZE;
}

static bool give(size_t i)
{
	bool good = intact(i);

	heap_free(pieces[i].at);
	pieces[i].at = NULL;
	return good;
}

static bool use_at_random(uint32_t rounds)
{
	bool good = true;

	while (rounds-- && good) {
		size_t i = random_below(PIECES);

		good = pieces[i].at ? give(i)
				    : take(i, random_below(3) ? random_below(200) : random_below(HEAP_MAX + 1));
	}
	for (size_t i = 0; i < PIECES; i++)
		if (pieces[i].at)
			good &= give(i);
	return good;
}

static bool all_sizes(void)
{
	bool good = true;

	for (size_t n = 0; n <= HEAP_MAX && good; n++)
		good = take(0, n) && pieces[0].at && give(0);
	return good;
}

/* Takes frames until there are none, in one of two kinds, and gives them back. */
static uint32_t exhaust(bool bare)
{
	static frame_t taken[MODEL_FRAMES];
	uint32_t n = 0;

	while ((taken[n] = bare ? frame_get_bare() : frame_get()) != NO_FRAME)
		n++;
	for (uint32_t i = 0; i < n; i++) {
		if (bare)
			frame_put_bare(taken[i]);
		else
			frame_put(taken[i]);
	}
	return n;
}

int main(void)
{
	uint64_t before;
	uint32_t frames, bare;
	frame_t f, g;

	model_start();
	ok(frames_start(machine_info), "the pool starts");
	before = in_use();
	ok(all_sizes(), "every size, aligned and zero");
	ok(in_use() == before, "no frame is in use for nothing");
	ok(use_at_random(400000), "random use: pieces keep what they hold");
	ok(in_use() == before, "and all frames come back");
	model_withheld = model_free_frames > 300 ? model_free_frames - 300 : 0;
	ok(use_at_random(300000), "the same with too little memory");
	ok(in_use() == before, "and all frames come back");
	model_withheld = 0;

	frames = exhaust(false);
	bare = exhaust(true);
	ok(frames + 64 > MODEL_FRAMES - before && in_use() <= before + 64, "all memory can be taken as frames (%u)",
		frames);
	ok(bare + 64 > frames, "then as bare frames (%u)", bare);
	ok(exhaust(false) + 64 > frames, "and as frames again");
	frames_trim();
	ok(frame_counts().held_idle == 0, "idle frames can all be given back");
	before = in_use();
	f = frame_get_zeroed();
	frame_ref(f);
	ok(frame_refs(f) == 2, "references count");
	frame_put(f);
	memset(frame_address(f), 7, FRAME_SIZE);
	frame_put(f);
	g = frame_get_zeroed();
	ok(g == f && !*(uint32_t *)frame_address(g), "a frame used again is zero if asked for so");
	frame_put(g);
	ok(in_use() == before, "and none is lost");
	return done_testing();
}
