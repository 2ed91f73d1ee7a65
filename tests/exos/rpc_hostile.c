/* RPC against a hostile other side: messages and replies of garbage, channels that are scribbled over, other people's channels. On Linux what needs no lrpc. */
#include <sched.h>

#include <exos/lib/ipc/rpc_transports.h>
#include <exos/lib/x86_64/calls.h>
#include "random.h"
#include "rpc_table.h"

enum { SIZE = 16384 };

/* n bytes that end at a page which nobody may touch. */
static unsigned char *before_a_fence(uint64_t n)
{
	unsigned char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && n <= 4096);
	IS(mprotect(p, 4096, PROT_NONE), 0);
	IS(mprotect(p + 2 * 4096, 4096, PROT_NONE), 0);
	return p + 2 * 4096 - n;
}

static uint64_t odd_number(struct random *x)
{
	switch (random_below(x, 6)) {
	case 0:
		return RPC_INLINE;
	case 1:
		return ~0ul - random_below(x, 64);
	case 2:
		return 1ul << random_below(x, 64);
	case 3:
		return random_next(x);
	default:
		return random_below(x, 128);
	}
}

/* Blocks of messages that begin well and go wrong anywhere, before a server whose request, reply and arena lie between fences. */
static void garbage_messages_reach_nothing(void)
{
	struct random x = {random_seed()};
	struct table_procedures harmless = procedures;
	struct rpc_server fenced = table_server(&harmless, &total, &(struct rpc_arena){before_a_fence(512), 512});
	unsigned char *request = before_a_fence(1024), *reply = before_a_fence(768);
	int served = 0, refused = 0;

	harmless.die = reset;
	for (int i = 0; i < 100000; i++) {
		uint64_t bytes = random_below(&x, 1025), at = 0, n;
		struct rpc_header first;

		while (bytes - at >= sizeof(struct rpc_header)) {
			struct rpc_header h = {(uint32_t)random_below(&x, table_die_number), 0, RPC_ALIGN(16 + random_below(&x, 200))};

			if (random_below(&x, 10) == 0)
				h.bytes = odd_number(&x);
			if (random_below(&x, 20) == 0)
				h.procedure = random_below(&x, 2) ? RPC_BIND : table_number_of_procedures + (uint32_t)random_below(&x, 9);
			memcpy(request + 1024 - bytes + at, &h, sizeof(h));
			for (at += sizeof(h); at % 8 == 0 && bytes - at >= 8 && random_below(&x, 8); at += 8) {
				uint64_t word = odd_number(&x);

				memcpy(request + 1024 - bytes + at, &word, 8);
			}
		}
		n = rpc_dispatch(&fenced, request + 1024 - bytes, bytes, reply, 768);
		CHECK(n <= 768 && (n >= sizeof(first) || bytes < 1 || !n));
		if (n) {
			memcpy(&first, reply, sizeof(first));
			CHECK(first.bytes >= sizeof(first) && first.bytes <= n);
			served += first.status == 0;
			refused += first.status < 0;
		}
	}
	CHECK(served > 1000 && refused > 1000);
}

/* A transport whose other side answers what it likes. */
struct liar {
	struct rpc_transport transport;
	struct random x;
};

static int64_t lie(struct rpc_transport *t, uint64_t bytes)
{
	struct liar *l = (struct liar *)t;
	unsigned char *reply = (unsigned char *)t->reply;
	struct rpc_header h = {0, 0, RPC_ALIGN(16 + random_below(&l->x, 100))};
	uint64_t n = random_below(&l->x, 513);

	(void)bytes;
	if (random_below(&l->x, 8) == 0)
		h.bytes = odd_number(&l->x);
	if (random_below(&l->x, 8) == 0)
		h.status = (int32_t)random_next(&l->x);
	for (uint64_t i = 0; i < 512; i += 8) {
		uint64_t word = odd_number(&l->x);

		memcpy(reply + i, &word, 8);
	}
	memcpy(reply, &h, sizeof(h));
	return random_below(&l->x, 16) ? (int64_t)n : (int64_t)odd_number(&l->x);
}

static void garbage_replies_reach_nothing(void)
{
	struct liar l = {.transport = {lie, before_a_fence(1024), 1024, before_a_fence(512), 512, NULL}, .x = {random_seed()}};
	struct rpc_client c = {.transport = &l.transport, .arena = {before_a_fence(256), 256}};
	unsigned char bytes[192];
	int believed = 0, refused = 0;

	for (int i = 0; i < 100000; i++) {
		uint64_t first = 64, second = 64, result;
		bool in_arena = random_below(&l.x, 2), batch = random_below(&l.x, 4) == 0;
		int error;

		memset(bytes, 0x77, sizeof(bytes));
		if (batch)
			rpc_batch_begin(&c);
		error = random_below(&l.x, 2) ? table_swap(&c, bytes, 8, bytes, 8, bytes + 64, &first, in_arena ? c.arena.base : bytes + 64, &second)
					      : table_add(&c, 1, &result);
		if (batch)
			error = rpc_batch_end(&c, NULL);
		CHECK(first <= 64 && second <= 64 && error <= 0);
		for (int k = 0; k < 64; k++)
			CHECK(bytes[k] == 0x77 && bytes[128 + k] == 0x77);
		believed += !error;
		refused += error == -EPROTO;
	}
	CHECK(believed > 1000 && refused > 1000);
	rpc_unbind(&c);
}

/* A client of shm that scribbles over the channel instead of calling: the server gives up on it, or serves what it finds, and lives. */
static void a_scribbled_channel_ends_its_service(void)
{
	struct random x = {random_seed()};
	int status;

	make_server();
	for (int i = 0; i < 50; i++) {
		struct rpc_channel channel;
		pid_t pid;

		IS(rpc_channel_make(&channel, SIZE), 0);
		pid = fork();
		if (!pid)
			_exit(-rpc_shm_serve(&server, &channel, getppid()));
		for (uint64_t n = 0; n < 512; n++)
			channel.memory->bytes[n] = (unsigned char)random_next(&x);
		channel.memory->request_bytes = odd_number(&x);
		word_set(&channel.memory->turn, random_below(&x, 2) ? 1 : odd_number(&x) | 2);
		word_close(&channel.memory->turn);
		IS(waitpid(pid, &status, 0), pid);
		CHECK(status == EXITED(0) || status == EXITED(EPROTO));
		rpc_channel_free(&channel);
	}
}

/* ---- Channels of lrpc ----------------------------------------------------------------------------------------------------------------- */

static struct rpc_channel channels[2];

static void count_in_channel(uint64_t number, pid_t server_pid)
{
	struct rpc_lrpc transport;
	struct lrpc_words reply;
	struct rpc_client c;
	uint64_t result, before = 0;

	IS(rpc_lrpc_connect(&transport, &channels[number], number, server_pid), 0);
	IS(rpc_bind(&c, &table_interface, &transport.transport, NULL), 0);
	__atomic_fetch_add(arena.base, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2000; i++) {
		IS(table_add(&c, 1, &result), 0);
		CHECK(result > before);
		before = result;
	}
	while (__atomic_load_n(arena.base, __ATOMIC_SEQ_CST) != 2) /* the other has come to its own */
		sched_yield();
	IS(lrpc_call(&transport.server, 1 - number, 0, 0, 0, &reply), 0); /* that one may be in the middle of a call */
	IS(reply.word[0], -EPERM);
	exit(0);
}

static pid_t serve_channels(void)
{
	struct rpc_lrpc_channel list[2];
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		IS(rpc_channel_make(&channels[i], SIZE), 0);
		list[i] = (struct rpc_lrpc_channel){.channel = channels[i], .server = &server};
	}
	pid = fork();
	if (!pid)
		for (;;)
			IS(rpc_lrpc_serve(list, 2), -EINTR);
	return pid;
}

static void refused_by(pid_t server_pid)
{
	struct lrpc_words reply;
	struct peer s;

	IS(peer_find(&s, server_pid), 0);
	IS(lrpc_call(&s, 2, 0, 0, 0, &reply), 0);
	IS(reply.word[0], -EINVAL);
	IS(lrpc_call(&s, ~0ul, 0, 0, 0, &reply), 0);
	IS(reply.word[0], -EINVAL);
	IS(lrpc_call(&s, 0, SIZE + 1, 0, 0, &reply), 0);
	IS(reply.word[0], -EPERM);
}

static void channels_belong_to_who_comes_first(void)
{
	pid_t pid, clients[2];

	make_server();
	pid = serve_channels();
	for (uint64_t i = 0; i < 2; i++) {
		clients[i] = fork();
		if (!clients[i])
			count_in_channel(i, pid);
	}
	for (int i = 0; i < 2; i++)
		ENDS(clients[i], EXITED(0));
	refused_by(pid);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

static void messages_longer_than_the_channel_are_refused(void)
{
	struct lrpc_words reply;
	struct peer s;
	pid_t pid;

	make_server();
	pid = serve_channels();
	IS(peer_find(&s, pid), 0);
	IS(lrpc_call(&s, 0, SIZE + 1, 0, 0, &reply), 0);
	IS(reply.word[0], -EMSGSIZE);
	IS(lrpc_call(&s, 0, ~0ul, 0, 0, &reply), 0);
	IS(reply.word[0], -EMSGSIZE);
	kill(pid, SIGKILL);
	ENDS(pid, SIGKILL);
}

#define EVERYWHERE T(garbage_messages_reach_nothing), T(garbage_replies_reach_nothing), T(a_scribbled_channel_ends_its_service)

int main(int argc, char **argv)
{
	static const struct test tests[] = {EVERYWHERE, T(channels_belong_to_who_comes_first), T(messages_longer_than_the_channel_are_refused), {NULL, NULL}};
	static const struct test on_linux[] = {EVERYWHERE, {NULL, NULL}};

	(void)argc;
	return run_tests(exos_here() ? tests : on_linux, argv + 1);
}
