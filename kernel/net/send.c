/* Sending: a frame's first bytes are copied, a guard looks at the copy, and the device reads the rest from frames that are pinned until it has. */
#include <kernel/call.h>
#include <kernel/event.h>
#include <kernel/net/net.h>
#include <kernel/x86_64/copy.h>

#define ETHERNET_HEADER 14u

/* Each ring that may send has its share of the device's queue, so that nobody can keep it full; and one frame whatever its share is. */
static bool has_room(const struct ring *r, uint32_t parts)
{
	const struct station *s = r->station;

	return r->under_way == 0 || r->under_way + parts <= s->share;
}

static frame_t name_of(const struct ring *r) { return kernel_frame(r); }

static __attribute__((noinline)) void wait_for_room(struct ring *r)
{
	struct station *s = r->station;

	if (r->waiting)
		return;
	r->waiting = true;
	r->next_waiting = 0;
	r->previous_waiting = s->last_waiting;
	if (s->last_waiting)
		ring_of(s->last_waiting)->next_waiting = name_of(r);
	else
		s->first_waiting = name_of(r);
	s->last_waiting = name_of(r);
}

void ring_stop_waiting(struct ring *r)
{
	struct station *s = r->station;

	if (!r->waiting)
		return;
	r->waiting = false;
	if (r->previous_waiting)
		ring_of(r->previous_waiting)->next_waiting = r->next_waiting;
	else
		s->first_waiting = r->next_waiting;
	if (r->next_waiting)
		ring_of(r->next_waiting)->previous_waiting = r->previous_waiting;
	else
		s->last_waiting = r->previous_waiting;
}

/* It waits, and could send now. */
static void tell_room(struct ring *r)
{
	struct env *owner;

	if (!r->waiting || !has_room(r, 1))
		return;
	ring_stop_waiting(r);
	owner = env_find(r->owner);
	if (owner && env_account(owner) == r->account && !owner->stopping)
		event_raise_once(owner, EVENT_NET);
}

/* A ring that waits though nothing of its own is under way, because others' frames fill the queue, is told in its turn. */
void net_sent(struct netdev *d, uint64_t cookie)
{
	struct station *s = &stations[d->number];
	struct sending *sending = &s->sending[cookie];
	struct ring *r = sending->ring;

	for (uint32_t i = 0; i < sending->count; i++)
		frame_unpin(sending->pieces[i]);
	sending->next = s->free_sending;
	s->free_sending = (uint32_t)cookie;
	r->under_way -= sending->parts;
	r->page->sent++;
	tell_room(r);
	if (s->first_waiting)
		tell_room(ring_of(s->first_waiting));
}

static __attribute__((noinline)) int64_t refuse_frame(struct ring *r)
{
	r->page->refused++;
	r->station->info->refused++;
	return -E_DENIED;
}

/* There was no room; if there is none even after a look at what the device is done with, there will be an interrupt when there is. */
static __attribute__((noinline)) bool make_room(struct ring *r, uint32_t parts)
{
	const struct station *s = r->station;

	netdev_reap(s->driver);
	if (has_room(r, parts) && s->free_sending != s->driver->send_slots)
		return true;
	wait_for_room(r);
	return false;
}

static inline bool room_for(struct ring *r, uint32_t parts)
{
	const struct station *s = r->station;

	return (has_room(r, parts) && s->free_sending != s->driver->send_slots) || make_room(r, parts);
}

static inline bool guards_pass(const struct ring *r, const uint8_t *header, uint32_t length) { return net_demultiplex(&r->guards, header, length); }

/* The device has it, and will tell of the sending that was the first free one. `frames`: of its pieces, or null when they are the kernel's. */
static inline void handed_over(struct ring *r, const frame_t *frames, uint32_t n)
{
	struct station *s = r->station;
	struct sending *sending = &s->sending[s->free_sending];

	s->free_sending = sending->next;
	sending->ring = r;
	sending->count = frames ? n : 0;
	sending->parts = 1 + n;
	for (uint32_t i = 0; i < sending->count; i++)
		frame_pin(sending->pieces[i] = frames[i]);
	r->under_way += 1 + n;
	r->page->accepted++;
	s->info->sent++;
}

static int64_t send_frame(struct ring *r, const uint8_t *header, uint32_t header_length, const struct netdev_piece *pieces, const frame_t *frames, uint32_t n)
{
	const struct station *s = r->station;

	if (!guards_pass(r, header, header_length))
		return refuse_frame(r);
	if (!room_for(r, 1 + n))
		return -E_FULL;
	if (!netdev_send(s->driver, header, header_length, pieces, n, s->free_sending)) {
		wait_for_room(r);
		return -E_FULL;
	}
	handed_over(r, frames, n);
	return 0;
}

/* More than the driver copies: the rest is read from a copy of the kernel's. */
static __attribute__((noinline)) int64_t send_long(struct ring *r, const uint8_t *bytes, uint32_t length)
{
	const struct station *s = r->station;
	struct netdev_piece rest = { .length = length - NET_HEADER_MAX };
	int64_t error;
	uint8_t *to;

	if (!room_for(r, 2)) /* before: it can change which copy is free */
		return -E_FULL;
	to = s->bounce + s->free_sending * (FRAME_SIZE / 2);
	rest.address = (uint64_t)to - PHYSICAL_MAP;
	copy_bytes(to, bytes + NET_HEADER_MAX, rest.length);
	error = send_frame(r, bytes, NET_HEADER_MAX, &rest, NULL, 1);
	if (!error)
		netdev_kick(s->driver);
	return error;
}

/* The device is told at once: who answers from a handler does so because time matters. What has to be noted waits until then; nobody looks at it before, as the kernel lock is held. */
int64_t ring_send_bytes(struct ring *r, const uint8_t *bytes, uint32_t length)
{
	const struct station *s = r->station;

	if (length > NET_HEADER_MAX)
		return send_long(r, bytes, length);
	if (!guards_pass(r, bytes, length))
		return refuse_frame(r);
	if (!room_for(r, 1))
		return -E_FULL;
	if (!netdev_answer(s->driver, bytes, length, s->free_sending)) {
		wait_for_room(r);
		return -E_FULL;
	}
	handed_over(r, NULL, 0);
	return 0;
}

/* One frame of a list. */
static int64_t send_one(struct ring *r, uint64_t user)
{
	const struct env *account = current_env()->account;
	struct netdev_piece pieces[NET_PIECES];
	frame_t frames[NET_PIECES];
	uint8_t header[NET_HEADER_MAX];
	struct aegis_send send;
	uint32_t n = 0, total;
	int64_t error;

	if ((error = copy_from_user(&send, user, sizeof(send))))
		return error;
	if (send.header_length < ETHERNET_HEADER || send.header_length > NET_HEADER_MAX)
		return -E_INVALID;
	total = send.header_length;
	for (uint32_t i = 0; i < NET_PIECES; i++) {
		const struct aegis_piece *p = &send.pieces[i];

		if (!p->length)
			continue;
		if (p->offset + p->length > FRAME_SIZE)
			return -E_INVALID;
		if (!frame_owned(p->frame, account))
			return -E_DENIED;
		if (!frame_can_send(p->frame))
			return -E_FULL; /* it is under way as often as can be counted: more often than any device's queue is long */
		total += p->length;
		frames[n] = p->frame;
		pieces[n++] = (struct netdev_piece){ ((uint64_t)p->frame << FRAME_SHIFT) + p->offset, p->length };
	}
	if (total > r->station->driver->mtu + ETHERNET_HEADER)
		return -E_INVALID;
	if ((error = copy_from_user(header, send.header, send.header_length)))
		return error;
	return send_frame(r, header, send.header_length, pieces, frames, n);
}

int64_t call_net_send(uint64_t name, uint64_t list, uint64_t n, uint64_t d, uint64_t unused)
{
	struct ring *r = ring_mine(name);
	uint64_t done = 0;
	int64_t error = 0;

	(void)d, (void)unused;
	if (n - 1 >= NET_SEND_MAX)
		return -E_INVALID;
	if (!r)
		return -E_DENIED;
	net_code_see(this_cpu());
	while (done < n && !(error = send_one(r, list + done * sizeof(struct aegis_send))))
		done++;
	if (done)
		netdev_kick(r->station->driver);
	return done ? (int64_t)done : error;
}
