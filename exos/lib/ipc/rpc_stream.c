/* RPC over streams of bytes. A block is its length and its bytes, in one write; as one side speaks at a time, one read may take all that is there. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <exos/lib/ipc/rpc_transports.h>

#define LENGTH sizeof(uint64_t)

static int64_t ring_from(void *from, void *bytes, uint64_t n) { return ring_read(from, bytes, n); }
static int64_t ring_to(void *to, const void *bytes, uint64_t n) { return ring_write(to, bytes, n); }

static int64_t fd_from(void *from, void *bytes, uint64_t n)
{
	int64_t got = read(*(int *)from, bytes, n);

	return got < 0 ? -errno : got;
}

static int64_t fd_to(void *to, const void *bytes, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		int64_t part = write(*(int *)to, (const char *)bytes + done, n - done);

		if (part < 0 && errno != EINTR)
			return -errno;
		done += part < 0 ? 0 : (uint64_t)part;
	}
	return (int64_t)done;
}

/* Sends the n bytes behind the length in s->out. */
static int stream_send(struct rpc_stream *s, uint64_t n)
{
	int64_t sent;

	memcpy(s->out, &n, LENGTH);
	sent = s->write(s->to, s->out, LENGTH + n);
	return sent == (int64_t)(LENGTH + n) ? 0 : sent < 0 ? (int)sent : -EPIPE;
}

/* Receives a block into s->in. Its bytes without the length, or an error; -EPIPE: there is none any more. */
static int64_t stream_receive(struct rpc_stream *s)
{
	uint64_t got = 0, whole = LENGTH;

	while (got < whole) {
		int64_t n = s->read(s->from, s->in + got, LENGTH + s->size - got);
		uint64_t length;

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? n : -EPIPE;
		got += (uint64_t)n;
		if (got < LENGTH)
			continue;
		memcpy(&length, s->in, LENGTH);
		if (length > s->size || got > LENGTH + length)
			return -EPROTO;
		whole = LENGTH + length;
	}
	return (int64_t)(whole - LENGTH);
}

static int64_t stream_cross(struct rpc_transport *t, uint64_t bytes)
{
	struct rpc_stream *s = (struct rpc_stream *)t;
	int error = stream_send(s, bytes);

	return error ? error : stream_receive(s);
}

static int stream_open(struct rpc_stream *s, uint64_t size)
{
	s->size = RPC_ALIGN(size);
	s->in = malloc(LENGTH + s->size);
	s->out = malloc(LENGTH + s->size);
	s->transport = (struct rpc_transport){stream_cross, s->out + LENGTH, s->size, s->in + LENGTH, s->size, NULL};
	if (s->in && s->out)
		return 0;
	rpc_stream_close(s);
	return -ENOMEM;
}

void rpc_stream_close(struct rpc_stream *s)
{
	free(s->in);
	free(s->out);
}

int rpc_ring_connect(struct rpc_stream *s, struct ring *to, struct ring *from, uint64_t size)
{
	*s = (struct rpc_stream){.read = ring_from, .write = ring_to, .from = from, .to = to};
	return stream_open(s, size);
}

int rpc_fd_connect(struct rpc_stream *s, int *to, int *from, uint64_t size)
{
	*s = (struct rpc_stream){.read = fd_from, .write = fd_to, .from = from, .to = to};
	return stream_open(s, size);
}

/* A server is the other end of the same stream. */
static int stream_serve(const struct rpc_server *server, struct rpc_stream *s)
{
	int64_t n;

	while ((n = stream_receive(s)) >= 0) {
		n = stream_send(s, rpc_dispatch(server, s->in + LENGTH, (uint64_t)n, s->out + LENGTH, s->size));
		if (n)
			break;
	}
	rpc_stream_close(s);
	return n == -EPIPE ? 0 : (int)n;
}

int rpc_ring_serve(const struct rpc_server *server, struct ring *from, struct ring *to, uint64_t size)
{
	struct rpc_stream s;
	int error = rpc_ring_connect(&s, to, from, size);

	return error ? error : stream_serve(server, &s);
}

int rpc_fd_serve(const struct rpc_server *server, int *from, int *to, uint64_t size)
{
	struct rpc_stream s;
	int error = rpc_fd_connect(&s, to, from, size);

	return error ? error : stream_serve(server, &s);
}
