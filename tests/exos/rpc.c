/* RPC (exos/lib/ipc/rpc.h) over every transport: arguments of every kind, batches, refusals, ends that die, a transport of one's own. On Linux the
 * transports but lrpc and tlrpc. */
#include <sched.h>

#include <exos/lib/ipc/rpc_transports.h>
#include <exos/lib/x86_64/calls.h>
#include "failover.h"
#include "random.h"
#include "rpc_table.h"

/* Another interface; and this one in another version, and with a procedure less. */
#define OTHER(procedure) \
	procedure(other, reset)
RPC_INTERFACE(other, 3, OTHER)
static const struct rpc_interface newer = {"table", 4, table_number_of_procedures}, fewer = {"table", 3, table_number_of_procedures - 1};

enum { SIZE = 16384 };

static struct rpc_channel channel;
static struct ring there, back;
static int there_fd[2], back_fd[2];
static int *ended; /* where a server that ends says how, if not null: an error, or 1000 */

struct client {
	union {
		struct rpc_transport transport;
		struct rpc_direct direct;
		struct rpc_shm shm;
		struct rpc_lrpc lrpc;
		struct rpc_stream stream;
	};
	struct rpc_client c;
	pid_t pid;
};

/* ---- Every transport -------------------------------------------------------------------------------------------------------- */

static int connect_direct(struct client *k) { return rpc_direct_connect(&k->direct, &server, SIZE); }
static int serve_shm(void) { return rpc_shm_serve(&server, &channel, getppid()); }
static int connect_shm(struct client *k) { return rpc_shm_connect(&k->shm, &channel, k->pid); }

static int serve_by_transfer(bool trusted)
{
	struct rpc_lrpc_channel list[] = {{.channel = channel, .server = &server}};

	return trusted ? rpc_tlrpc_serve(list, 1) : rpc_lrpc_serve(list, 1);
}
static int serve_lrpc(void) { return serve_by_transfer(false); }
static int connect_lrpc(struct client *k) { return rpc_lrpc_connect(&k->lrpc, &channel, 0, k->pid); }
static int serve_tlrpc(void) { return serve_by_transfer(true); }
static int connect_tlrpc(struct client *k) { return rpc_tlrpc_connect(&k->lrpc, &channel, 0, k->pid); }

static int serve_ring(void)
{
	IS(ring_peer(&there, getppid()), 0);
	IS(ring_peer(&back, getppid()), 0);
	return rpc_ring_serve(&server, &there, &back, SIZE);
}
static int connect_ring(struct client *k)
{
	IS(ring_peer(&there, k->pid), 0);
	IS(ring_peer(&back, k->pid), 0);
	return rpc_ring_connect(&k->stream, &there, &back, SIZE);
}

static int serve_fd(void)
{
	close(there_fd[1]);
	close(back_fd[0]);
	return rpc_fd_serve(&server, &there_fd[0], &back_fd[1], SIZE);
}
static int connect_fd(struct client *k)
{
	close(there_fd[0]);
	close(back_fd[1]);
	return rpc_fd_connect(&k->stream, &there_fd[1], &back_fd[0], SIZE);
}

static const struct way {
	const char *name;
	int (*serve)(void);
	int (*connect)(struct client *);
	bool everywhere;
} ways[] = {
	{"direct", NULL, connect_direct, true}, {"shm", serve_shm, connect_shm, true}, {"ring", serve_ring, connect_ring, true},
	{"fd", serve_fd, connect_fd, true}, {"lrpc", serve_lrpc, connect_lrpc, false}, {"tlrpc", serve_tlrpc, connect_tlrpc, false},
};
#define EACH_WAY(w) for (const struct way *w = ways; w < ways + sizeof(ways) / sizeof(*ways); w++)

/* Starts a server on a transport and connects to it, not yet bound. */
static void start(const struct way *w, struct client *k)
{
	IS(rpc_channel_make(&channel, SIZE), 0);
	IS(ring_make(&there, 4096), 0); /* less than a message may have */
	IS(ring_make(&back, 4096), 0);
	IS(pipe(there_fd), 0);
	IS(pipe(back_fd), 0);
	k->pid = w->serve ? fork() : 0;
	if (!k->pid && w->serve) {
		int error = -w->serve();

		if (ended)
			*ended = error ? error : 1000;
		_exit(error);
	}
	IS(w->connect(k), 0);
}

static void stop(const struct client *k)
{
	if (!k->pid)
		return;
	kill(k->pid, SIGKILL);
	ENDS(k->pid, SIGKILL);
}

static void with_each_transport(void (*run)(struct client *))
{
	make_server();
	EACH_WAY(w)
	{
		struct client k;

		if (!w->everywhere && !exos_here())
			continue;
		printf("# by %s\n", w->name);
		fflush(stdout);
		total = 0;
		start(w, &k);
		IS(rpc_bind(&k.c, &table_interface, &k.transport, &arena), 0);
		run(&k);
		rpc_unbind(&k.c);
		stop(&k);
	}
}

static void call_all(struct client *k)
{
	struct random x = {random_seed()};
	static unsigned char private[4][3000];

	for (int i = 0; i < 200; i++) {
		uint64_t one = random_below(&x, 3000), two = random_below(&x, 3000), length, other, result, by = random_below(&x, 1000), before;
		unsigned char *buffer[4];

		for (int b = 0; b < 4; b++)
			buffer[b] = random_below(&x, 2) ? private[b] : arena.base + 3000 * b;
		memset(buffer[0], i, one);
		memset(buffer[1], i + 1, two);
		IS(table_add(&k->c, 0, &before), 0);
		IS(table_add(&k->c, (uint32_t)by, &result), 0);
		IS(result, before + by);
		result = 0;
		IS(table_sum(&k->c, buffer[0], one, &result), 0);
		IS(result, one * (unsigned char)i);
		length = 3000;
		IS(table_fill(&k->c, (uint8_t)(i + 7), one, buffer[2], &length), 0);
		IS(length, one);
		CHECK(!one || (buffer[2][0] == (uint8_t)(i + 7) && buffer[2][one - 1] == (uint8_t)(i + 7)));
		length = two + random_below(&x, 100) % (3001 - two);
		other = one + random_below(&x, 100) % (3001 - one);
		IS(table_swap(&k->c, buffer[0], one, buffer[1], two, buffer[2], &length, buffer[3], &other), 0);
		IS(length, two);
		IS(other, one);
		IS(memcmp(buffer[2], buffer[1], two), 0);
		IS(memcmp(buffer[3], buffer[0], one), 0);
		length = 10;
		IS(table_fill(&k->c, 0, 11, buffer[2], &length), -ERANGE);
		IS(length, 10);
	}
	IS(table_refuse(&k->c, ENXIO, &(uint64_t){0}), -ENXIO);
}
static void every_transport_carries_every_kind_of_argument(void) { with_each_transport(call_all); }

static void call_in_batches(struct client *k)
{
	uint64_t results[20], filled = 50;
	unsigned char bytes[50];
	int statuses[20];

	for (int round = 0; round < 3; round++) {
		IS(table_reset(&k->c), 0);
		rpc_batch_begin(&k->c);
		for (uint32_t i = 0; i < 18; i++)
			IS(i == 9 ? table_refuse(&k->c, EDOM, &results[i]) : table_add(&k->c, i, &results[i]), 0);
		IS(table_fill(&k->c, 0x42, 30, bytes, &filled), 0);
		IS(rpc_batch_end(&k->c, statuses), -EDOM);
		for (uint32_t i = 0, expected = 0; i < 18; i++) {
			IS(statuses[i], i == 9 ? -EDOM : 0);
			expected += i == 9 ? 0 : i;
			if (i != 9)
				IS(results[i], expected);
		}
		IS(statuses[18], 0);
		IS(filled, 30);
		CHECK(bytes[0] == 0x42 && bytes[29] == 0x42);
		filled = 50;
	}
	rpc_batch_begin(&k->c);
	IS(rpc_batch_end(&k->c, NULL), 0);
}
static void batches_come_back_in_order(void) { with_each_transport(call_in_batches); }

/* More than fits: what does not is refused at once, or for want of room in the reply. */
static void call_too_much(struct client *k)
{
	static unsigned char bytes[SIZE + 64];
	uint64_t result = 0, length = SIZE;
	int status = 0, queued = 0, statuses[SIZE / 16];

	if (k->c.direct)
		return; /* which carries anything */
	IS(table_sum(&k->c, bytes, SIZE, &result), -EMSGSIZE);
	IS(table_sum(&k->c, bytes, ~0ul, &result), -EMSGSIZE);
	IS(table_fill(&k->c, 1, 1, bytes, &length), -EMSGSIZE);
	length = ~0ul;
	IS(table_fill(&k->c, 1, 1, bytes, &length), -EMSGSIZE);
	IS(table_sum(&k->c, bytes, SIZE - 256, &result), 0);
	rpc_batch_begin(&k->c);
	while (!status) {
		length = 1000;
		status = table_fill(&k->c, 1, 1000, bytes, &length);
		queued += !status;
	}
	IS(status, -EMSGSIZE);
	IS(rpc_batch_end(&k->c, statuses), -EMSGSIZE);
	IS(statuses[0], 0);
	IS(statuses[queued - 1], -EMSGSIZE);
	IS(table_sum(&k->c, bytes, 10, &result), 0);
}
static void what_does_not_fit_is_refused(void) { with_each_transport(call_too_much); }

static int no_results(const void *results, const struct rpc_client *c, struct rpc_call *reply)
{
	(void)results, (void)c, (void)reply;
	return 0;
}

/* A message of one's own making: procedure, and words as its scalars. */
static int send_raw(struct rpc_client *c, uint32_t procedure, const uint64_t *words, uint64_t n)
{
	uint64_t *m = rpc_begin(c, procedure, n * 8, 0);

	CHECK(m);
	memcpy(m, words, n * 8);
	return rpc_send(c, no_results, NULL, 0);
}

static void send_wrong_calls(struct client *k)
{
	const uint64_t beyond[] = {ARENA - 8, 9}, far[] = {~0ul - 4, 100}, wraps[] = {8, ~0ul}, inline_beyond[] = {RPC_INLINE, 8}, inline_far[] = {RPC_INLINE, ~0ul - 2};
	struct rpc_client other;
	uint64_t result;

	IS(send_raw(&k->c, table_number_of_procedures, beyond, 2), -ENOSYS);
	IS(send_raw(&k->c, UINT32_MAX - 1, beyond, 2), -ENOSYS);
	IS(send_raw(&k->c, table_add_number, beyond, 0), -EPROTO);
	IS(send_raw(&k->c, table_sum_number, beyond, 2), -EPROTO);
	IS(send_raw(&k->c, table_sum_number, far, 2), -EPROTO);
	IS(send_raw(&k->c, table_sum_number, wraps, 2), -EPROTO);
	IS(send_raw(&k->c, table_sum_number, inline_beyond, 2), -EPROTO);
	IS(send_raw(&k->c, table_sum_number, inline_far, 2), -EPROTO);
	IS(rpc_bind(&other, &other_interface, &k->transport, NULL), -EPROTONOSUPPORT);
	IS(rpc_bind(&other, &newer, &k->transport, NULL), -EPROTONOSUPPORT);
	IS(rpc_bind(&other, &fewer, &k->transport, NULL), -EPROTONOSUPPORT);
	IS(table_add(&k->c, 1, &result), 0); /* and none the worse for all that */
}
static void wrong_calls_are_refused(void) { with_each_transport(send_wrong_calls); }

/* ---- Ends that die ------------------------------------------------------------------------------------------------------------ */

static void call_and_lose_the_server(struct client *k)
{
	int error;

	if (!k->pid)
		return;
	error = table_die(&k->c);
	CHECK(error == -ESRCH || error == -EPIPE);
	error = table_reset(&k->c);
	CHECK(error == -ESRCH || error == -EPIPE);
}
static void a_server_that_dies_in_a_call_is_an_error(void) { with_each_transport(call_and_lose_the_server); }

/* In a process of its own, so that the server's client is not the test: killed while it is bound. */
static void bind_and_wait(const struct way *w)
{
	struct client k;

	start(w, &k);
	IS(rpc_bind(&k.c, &table_interface, &k.transport, NULL), 0);
	arena.base[0] = 1;
	for (;;)
		pause();
}

static void servers_notice_that_their_client_is_dead(void)
{
	make_server();
	for (const struct way *w = &ways[1]; w <= &ways[3]; w++) { /* those of transfers wait for other clients */
		pid_t client;
		int64_t until;

		memset(arena.base, 0, 8);
		ended = (int *)(void *)(arena.base + 4);
		client = fork();
		if (!client)
			bind_and_wait(w);
		while (!*(volatile unsigned char *)arena.base)
			sched_yield();
		kill(client, SIGKILL);
		ENDS(client, SIGKILL);
		for (until = now_ms() + 10000; !*(volatile int *)ended && now_ms() < until;)
			sched_yield();
		CHECK(*ended == ESRCH || (w->serve == serve_fd && *ended == 1000)); /* of a pipe it is just the end */
	}
}

/* ---- A transport of one's own --------------------------------------------------------------------------------------------------- */

static void a_second_server_takes_over(void)
{
	struct client one, two;
	struct failover both;
	struct rpc_client c;
	uint64_t result;

	make_server();
	start(&ways[1], &one);
	start(&ways[2], &two);
	failover_connect(&both, &one.transport, &two.transport);
	IS(rpc_bind(&c, &table_interface, &both.transport, &arena), 0);
	IS(table_add(&c, 5, &result), 0);
	IS(result, 5);
	stop(&one);
	IS(table_add(&c, 7, &result), 0); /* the other counts for itself */
	IS(result, 7);
	IS(table_add(&c, 7, &result), 0);
	IS(result, 14);
	stop(&two);
	CHECK(table_add(&c, 7, &result) < 0);
}

TESTS(T(every_transport_carries_every_kind_of_argument), T(batches_come_back_in_order), T(what_does_not_fit_is_refused), T(wrong_calls_are_refused),
	T(a_server_that_dies_in_a_call_is_an_error), T(servers_notice_that_their_client_is_dead), T(a_second_server_takes_over))
