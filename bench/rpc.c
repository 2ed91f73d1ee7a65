/* What a call costs over whatever carries it (exos/lib/ipc/rpc_transports.h). Prints `rpc.TRANSPORT.null value`, ticks of the time-stamp counter a call without arguments, and
 * rpc.batch.16, of sixteen sent at once by the pipe, each.
 *
 * With the argument `payload`: columns for a plot, bytes and ticks of a call that carries them to the server, which does not read them; `.shared`: they lie in an arena. A dash
 * where the system has no such transport. `pipe` is the library's pipe, and on Linux the system's. */
#include <string.h>
#include <sys/mman.h>

#include <exos/lib/ipc/rpc_interface.h>
#include <exos/lib/ipc/rpc_transports.h>
#include <exos/lib/x86_64/calls.h>
#include "processes.h"

#define STORE(procedure) \
	procedure(store, null) \
	procedure(store, put, (bytes_in, data))
RPC_INTERFACE(store, 1, STORE)
RPC_SERVER(store, STORE)

enum { MOST = 65536, SIZE = MOST + 256, RING = 16384, BATCH = 16 };

static int nothing(void *context)
{
	(void)context;
	return 0;
}

static uint64_t received;

static int receive(void *context, const void *data, uint64_t length)
{
	(void)context, (void)data;
	received += length;
	return 0;
}

static const struct store_procedures procedures = {.null = nothing, .put = receive};
static struct rpc_server server;
static struct rpc_arena arena;
static struct rpc_channel channel;
static struct ring there, back;
static int there_fd[2], back_fd[2];

static union {
	struct rpc_transport transport;
	struct rpc_direct direct;
	struct rpc_shm shm;
	struct rpc_lrpc lrpc;
	struct rpc_stream stream;
} client;

/* One transport: what the server does until it is killed, and how the client reaches it. */
struct way {
	const char *name;
	void (*serve)(void);
	int (*connect)(int pid);
	bool everywhere; /* on Linux too */
};

static int connect_direct(int pid)
{
	(void)pid;
	return rpc_direct_connect(&client.direct, &server, SIZE);
}

static void serve_shm(void) { rpc_shm_serve(&server, &channel, getppid()); }
static int connect_shm(int pid) { return rpc_shm_connect(&client.shm, &channel, pid); }

static void serve_lrpc(void)
{
	struct rpc_lrpc_channel list = {.channel = channel, .server = &server};

	rpc_lrpc_serve(&list, 1);
}
static int connect_lrpc(int pid) { return rpc_lrpc_connect(&client.lrpc, &channel, 0, pid); }

static void serve_tlrpc(void)
{
	struct rpc_lrpc_channel list = {.channel = channel, .server = &server};

	rpc_tlrpc_serve(&list, 1);
}
static int connect_tlrpc(int pid) { return rpc_tlrpc_connect(&client.lrpc, &channel, 0, pid); }

static void serve_fd(void) { rpc_fd_serve(&server, &there_fd[0], &back_fd[1], SIZE); }
static int connect_fd(int pid)
{
	(void)pid;
	return rpc_fd_connect(&client.stream, &there_fd[1], &back_fd[0], SIZE);
}

static void serve_pipe(void)
{
	if (!exos_here())
		serve_fd();
	check(!ring_peer(&there, getppid()) && !ring_peer(&back, getppid()), "ring_peer");
	rpc_ring_serve(&server, &there, &back, SIZE);
}

static int connect_pipe(int pid)
{
	if (!exos_here())
		return connect_fd(pid);
	check(!ring_peer(&there, pid) && !ring_peer(&back, pid), "ring_peer");
	return rpc_ring_connect(&client.stream, &there, &back, SIZE);
}

static const struct way ways[] = {
	{"direct", NULL, connect_direct, true},
	{"tlrpc", serve_tlrpc, connect_tlrpc, false},
	{"lrpc", serve_lrpc, connect_lrpc, false},
	{"shm", serve_shm, connect_shm, true},
	{"pipe", serve_pipe, connect_pipe, true},
	{"fd", serve_fd, connect_fd, true},
};
enum { WAYS = sizeof(ways) / sizeof(*ways) };

/* Starts a server and binds to it. Returns its pid, 0 if it is this process. */
static pid_t bound(const struct way *w, struct rpc_client *c)
{
	pid_t pid;

	check(!rpc_channel_make(&channel, SIZE) && !ring_make(&there, RING) && !ring_make(&back, RING), "mmap");
	check(!pipe(there_fd) && !pipe(back_fd), "pipe");
	pid = w->serve ? other_end(w->serve) : 0;
	check(!w->connect(pid), w->name);
	check(!rpc_bind(c, &store_interface, &client.transport, &arena), w->name);
	return pid;
}

static void unbound(const struct way *w, struct rpc_client *c, pid_t pid)
{
	if (pid)
		end(pid);
	rpc_unbind(c);
	if (w->serve == serve_pipe || w->serve == serve_fd)
		rpc_stream_close(&client.stream);
	else if (!w->serve)
		rpc_direct_close(&client.direct);
	rpc_channel_free(&channel);
	ring_free(&there);
	ring_free(&back);
	for (int i = 0; i < 2; i++) {
		close(there_fd[i]);
		close(back_fd[i]);
	}
}

static uint64_t null_calls(struct rpc_client *c)
{
	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < ROUNDS; i++)
			check(!store_null(c), "store_null");
	}
	return each(ROUNDS);
}

static uint64_t batches(struct rpc_client *c)
{
	enum { N = ROUNDS / BATCH };

	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < N; i++) {
			rpc_batch_begin(c);
			for (int k = 0; k < BATCH; k++)
				check(!store_null(c), "store_null");
			check(!rpc_batch_end(c, NULL), "rpc_batch_end");
		}
	}
	return each(N * BATCH);
}

static uint64_t payloads(struct rpc_client *c, const void *data, uint64_t bytes)
{
	enum { N = 50 };

	for (int warm = 1; warm >= 0; warm--) {
		start();
		for (int i = 0; i < N; i++)
			check(!store_put(c, data, bytes), "store_put");
	}
	return each(N);
}

static void rows(void)
{
	struct rpc_client c;

	for (const struct way *w = ways; w < ways + WAYS; w++) {
		pid_t pid;

		if (!w->everywhere && !exos_here())
			continue;
		pid = bound(w, &c);
		printf("rpc.%s.null %lu\n", w->name, null_calls(&c));
		if (w->serve == serve_pipe)
			printf("rpc.batch.%d %lu\n", BATCH, batches(&c));
		unbound(w, &c, pid);
	}
}

static void payload_line(uint64_t bytes, const unsigned char *private)
{
	struct rpc_client c;

	printf("%lu", bytes);
	for (const struct way *w = ways; w < ways + WAYS; w++) {
		pid_t pid;

		if (!w->everywhere && !exos_here()) {
			printf(" - -");
			continue;
		}
		pid = bound(w, &c);
		printf(" %lu", payloads(&c, private, bytes));
		printf(" %lu", payloads(&c, arena.base, bytes));
		unbound(w, &c, pid);
	}
	printf("\n");
}

static void payload(void)
{
	static unsigned char private[MOST];

	memset(private, 1, sizeof(private));
	memset(arena.base, 1, arena.size);
	printf("bytes");
	for (const struct way *w = ways; w < ways + WAYS; w++)
		printf(" %s %s.shared", w->name, w->name);
	printf("\n");
	payload_line(0, private);
	for (uint64_t bytes = 64; bytes <= MOST; bytes *= 4)
		payload_line(bytes, private);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	arena = (struct rpc_arena){mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), MOST};
	check(arena.base != MAP_FAILED, "mmap");
	server = store_server(&procedures, NULL, &arena);
	if (argc > 1 && !strcmp(argv[1], "payload"))
		payload();
	else
		rows();
	return 0;
}
