/* See respond.h. Heads are made once a second at most; a response is a head and pieces of chunks, which the stack hands back when they are acknowledged. */
#include "respond.h"

#include <exos/lib/net/memory.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEAD_ROOM (1024 - sizeof(struct head))

struct date date;

static const char *const connections[HEADS] = { "Connection: keep-alive\r\n", "Connection: close     \r\n" }; /* equally long, so that the segments behind begin at the same place */

struct batch { /* pieces that go to the stack together, and what they keep in memory */
	uint32_t left, count;
	struct chunk *chunk;
	struct head *head;
	struct part {
		struct net_piece piece;
		struct batch *batch;
	} parts[];
};

static size_t batch_size(uint32_t n) { return sizeof(struct batch) + n * sizeof(struct part); }

static void let_go(struct batch *b)
{
	head_put(b->head);
	if (b->chunk)
		cache_chunk_put(b->chunk);
	memory_put(b, batch_size(b->count));
}

static void released(struct net_piece *p)
{
	struct batch *b = CONTAINER_OF(p, struct part, piece)->batch;

	if (--b->left == 0)
		let_go(b);
}

/* References of the caller's go to the batch. Null: no memory, and they are gone too. */
static struct batch *batch_new(uint32_t n, struct head *h, struct chunk *c)
{
	struct batch *b = memory_get_dirty(batch_size(n));

	if (b) {
		b->left = b->count = n;
		b->chunk = c;
		b->head = h;
		return b;
	}
	head_put(h);
	if (c)
		cache_chunk_put(c);
	return NULL;
}

static inline void put_piece(struct batch *b, uint32_t i, const void *data, uint32_t length, uint32_t sum)
{
	struct part *p = &b->parts[i];

	p->batch = b;
	p->piece.data = data;
	p->piece.physical = memory_physical(data);
	p->piece.length = length;
	p->piece.sum = sum;
	p->piece.release = released;
}

static int write_batch(struct net_endpoint *e, struct batch *b, bool more)
{
	for (uint32_t i = 0, n = b->count; i < n; i++) {
		if (net_write(e, &b->parts[i].piece, more || i + 1 < n) == 0)
			continue;
		b->left -= n - i; /* it has ended: the rest was never taken */
		if (!b->left)
			let_go(b);
		return -1;
	}
	return 0;
}

static int write_head(struct net_endpoint *e, struct head *h, bool more)
{
	struct batch *b;

	if (!h)
		return -1;
	b = batch_new(1, h, NULL);
	if (!b)
		return -1;
	put_piece(b, 0, h->bytes, h->length, h->sum);
	return write_batch(e, b, more);
}

static void print(struct head *h, const char *text, ...) __attribute__((format(printf, 2, 3)));
static void print(struct head *h, const char *text, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, text);
	n = vsnprintf(h->bytes + h->length, h->room - h->length, text, arguments);
	va_end(arguments);
	if (n > 0)
		h->length = h->length + (uint32_t)n < h->room ? h->length + (uint32_t)n : h->room - 1;
}

static struct head *begin(int status, bool keep_alive)
{
	struct head *h = head_new(HEAD_ROOM);

	if (h)
		print(h, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: web (ExOS)\r\n%s", status, http_reason(status), date.text, connections[keep_alive ? HEAD_KEEP : HEAD_CLOSE]);
	return h;
}

static void describe(struct head *h, const struct file *f)
{
	char modified[HTTP_DATE + 1];

	http_date(f->modified < 0 ? 0 : f->modified, modified);
	print(h, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", modified, f->tag);
}

static struct head *finish(struct head *h)
{
	h->sum = net_piece_sum(h->bytes, h->length);
	return h;
}

static struct head *file_head(struct file *f, int variant)
{
	struct head *h = f->heads[variant];

	if (f->head_second != date.second) {
		for (int i = 0; i < HEADS; i++) {
			head_put(f->heads[i]);
			f->heads[i] = NULL;
		}
		f->head_second = date.second;
		h = NULL;
	}
	if (!h) {
		h = begin(200, variant == HEAD_KEEP);
		if (!h)
			return NULL;
		describe(h, f);
		print(h, "Content-Type: %s\r\nContent-Length: %lu\r\n\r\n", f->type, f->size);
		f->heads[variant] = finish(h);
	}
	head_ref(h);
	return h;
}

bool respond_prepare(struct file *f)
{
	struct head *h = file_head(f, HEAD_KEEP);

	if (!h)
		return false;
	f->head_length = h->length;
	head_put(h);
	return true;
}

int respond_text(struct net_endpoint *e, int status, const char *more, bool keep_alive, bool head_only)
{
	struct head *h = begin(status, keep_alive);
	char page[256];
	int n = snprintf(page, sizeof(page), "<!DOCTYPE html>\n<title>%d %s</title>\n<h1>%d %s</h1>\n", status, http_reason(status), status, http_reason(status));

	if (!h)
		return -1;
	print(h, "Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s", n, more, head_only ? "" : page);
	return write_head(e, finish(h), false);
}

int respond_unchanged(struct net_endpoint *e, const struct file *f, bool keep_alive)
{
	struct head *h = begin(304, keep_alive);

	if (!h)
		return -1;
	describe(h, f);
	print(h, "\r\n");
	return write_head(e, finish(h), false);
}

int respond_no_range(struct net_endpoint *e, const struct file *f, bool keep_alive, bool head_only)
{
	char more[64];

	snprintf(more, sizeof(more), "Content-Range: bytes */%lu\r\n", f->size);
	return respond_text(e, 416, more, keep_alive, head_only);
}

static void ended(struct sending *s)
{
	cache_unref(s->file);
	s->file = NULL;
}

/* Segments of one chunk, from byte s->at on: as many as there is room for. h: a head that goes in front, whose reference is taken; or null. */
static int send_chunk(struct net_endpoint *e, struct sending *s, struct head *h, uint32_t room)
{
	const struct file *f = s->file;
	uint32_t segment = file_segment_at(f, s->at), first = segment % CHUNK_SEGMENTS, n = file_segment_at(f, s->end - 1) - segment + 1, i = h != NULL;
	uint64_t start;
	struct batch *b;
	struct chunk *c;

	if (h && h->length >= room)
		return write_head(e, h, true);
	c = cache_chunk(s->file, segment / CHUNK_SEGMENTS);
	if (!c) {
		head_put(h);
		return -1;
	}
	n = MIN(MIN(n, CHUNK_SEGMENTS - first), (room - (h ? h->length : 0) - 1) / f->segment + 1); /* the last needs only some room, and is taken whole */
	b = batch_new(n + i, h, c);
	if (!b)
		return -1;
	if (h)
		put_piece(b, 0, h->bytes, h->length, h->sum);
	start = file_offset(f, segment);
	for (uint32_t k = first; k < first + n; k++, i++) {
		uint64_t next = start + f->segment - (start ? 0 : f->head_length), stop = MIN(next, s->end), whole = MIN(next, f->size);

		put_piece(b, i, chunk_bytes(c, k) + (s->at - start), (uint32_t)(stop - s->at), s->at == start && stop == whole ? c->sums[k] : NET_NO_SUM);
		s->at = stop;
		start = next;
	}
	return write_batch(e, b, s->at < s->end);
}

int respond_go_on(struct net_endpoint *e, struct sending *s)
{
	uint32_t room;

	while (s->at < s->end && (room = net_room(e)))
		if (send_chunk(e, s, NULL, room))
			return -1;
	if (s->at == s->end)
		ended(s);
	return 0;
}

static int send_with_head(struct net_endpoint *e, struct head *h, struct sending *s)
{
	uint32_t room = net_room(e);

	if (!h || !room) {
		head_put(h);
		return -1;
	}
	if (s->at == s->end) {
		ended(s);
		return write_head(e, h, false);
	}
	return send_chunk(e, s, h, room) ? -1 : respond_go_on(e, s);
}

int respond_file(struct net_endpoint *e, struct file *f, bool keep_alive, bool head_only, struct sending *s)
{
	*s = (struct sending){ f, 0, head_only ? 0 : f->size };
	return send_with_head(e, file_head(f, keep_alive ? HEAD_KEEP : HEAD_CLOSE), s);
}

int respond_part(struct net_endpoint *e, struct file *f, uint64_t first, uint64_t length, bool keep_alive, bool head_only, struct sending *s)
{
	struct head *h = begin(206, keep_alive);

	*s = (struct sending){ f, first, head_only ? first : first + length };
	if (!h)
		return -1;
	describe(h, f);
	print(h, "Content-Type: %s\r\nContent-Range: bytes %lu-%lu/%lu\r\nContent-Length: %lu\r\n\r\n", f->type, first, first + length - 1, f->size, length);
	return send_with_head(e, finish(h), s);
}
