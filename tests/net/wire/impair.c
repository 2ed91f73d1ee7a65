/* What happens to frames on the way. Every decision comes from the seed; when frames come, the world decides. */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define REORDER_NS 4000000u /* long enough for the frames behind to overtake */
#define ETHERNET_ADDRESSES 12 /* are left alone: a frame that goes to nobody is only lost */

static bool chance(struct wire *w, uint32_t in_a_thousand) { return wire_random(w) % 1000 < in_a_thousand; }

static void hold(struct wire *w, enum place to, const uint8_t *frame, uint32_t length, uint64_t due)
{
	struct held *h = malloc(sizeof(*h) + length), **place = &w->held;

	if (!h)
		return;
	*h = (struct held){ .due = due, .to = to, .length = length };
	memcpy(h->bytes, frame, length);
	while (*place && (*place)->due <= due)
		place = &(*place)->next;
	h->next = *place;
	*place = h;
}

static void pass(struct wire *w, enum place to, const uint8_t *frame, uint32_t length)
{
	uint64_t delay = (uint64_t)w->rates.delay_us * 1000;

	if (chance(w, w->rates.reorder)) {
		delay += REORDER_NS;
		w->reordered++;
	}
	if (delay)
		hold(w, to, frame, length, wire_now() + delay);
	else
		link_deliver(w, to, frame, length);
}

void impair(struct wire *w, enum place to, const uint8_t *frame, uint32_t length)
{
	uint8_t copy[FRAME_MOST];

	if (length > sizeof(copy))
		return;
	w->frames[to]++;
	if (chance(w, w->rates.loss)) {
		w->lost++;
		return;
	}
	memcpy(copy, frame, length);
	if (length > ETHERNET_ADDRESSES && chance(w, w->rates.corrupt)) {
		uint64_t bit = wire_random(w) % ((length - ETHERNET_ADDRESSES) * 8ul);

		copy[ETHERNET_ADDRESSES + bit / 8] ^= (uint8_t)(1u << bit % 8);
		w->corrupted++;
	}
	pass(w, to, copy, length);
	if (chance(w, w->rates.duplicate)) {
		w->duplicated++;
		pass(w, to, copy, length);
	}
}

uint64_t impair_due(const struct wire *w) { return w->held ? w->held->due : 0; }

void impair_release(struct wire *w)
{
	while (w->held && w->held->due <= wire_now()) {
		struct held *h = w->held;

		w->held = h->next;
		link_deliver(w, h->to, h->bytes, h->length);
		free(h);
	}
}
