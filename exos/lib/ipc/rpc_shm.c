/* RPC in shared memory: whose turn it is is a word, and who has set it yields to the other. */
#include <sys/mman.h>

#include <exos/lib/ipc/rpc_transports.h>

static uint64_t channel_bytes(uint64_t size) { return sizeof(struct rpc_channel_memory) + 2 * size; }

int rpc_channel_make(struct rpc_channel *c, uint64_t size)
{
	void *memory;

	if (!size || size > SIZE_MAX / 4)
		return -EINVAL;
	size = (size + 63) & ~(uint64_t)63;
	memory = mmap(NULL, channel_bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	*c = (struct rpc_channel){memory, size};
	return 0;
}

void rpc_channel_free(struct rpc_channel *c) { munmap(c->memory, channel_bytes(c->size)); }

static int64_t shm_cross(struct rpc_transport *t, uint64_t bytes)
{
	struct rpc_shm *s = (struct rpc_shm *)t;
	struct rpc_channel_memory *m = s->channel.memory;
	int error;

	m->request_bytes = bytes;
	word_set(&m->turn, ++s->turn);
	error = word_wait(&m->turn, s->turn, &s->server);
	if (error)
		return error;
	if (word_get(&m->turn) != ++s->turn)
		return -EPROTO;
	return (int64_t)__atomic_load_n(&m->reply_bytes, __ATOMIC_RELAXED);
}

int rpc_shm_connect(struct rpc_shm *s, const struct rpc_channel *c, int server_pid)
{
	*s = (struct rpc_shm){.transport = {shm_cross, rpc_channel_request(c), c->size, rpc_channel_reply(c), c->size, NULL}, .channel = *c};
	return peer_find(&s->server, server_pid);
}

void rpc_shm_close(struct rpc_shm *s) { word_close(&s->channel.memory->turn); }

int rpc_shm_serve(const struct rpc_server *server, const struct rpc_channel *c, int client_pid)
{
	struct rpc_channel_memory *m = c->memory;
	struct peer client;
	int error = peer_find(&client, client_pid);

	for (uint64_t turn = 0; !error; turn += 2) {
		uint64_t n;

		error = word_wait(&m->turn, turn, &client);
		if (error)
			break;
		n = __atomic_load_n(&m->request_bytes, __ATOMIC_RELAXED);
		if (word_get(&m->turn) != turn + 1 || n > c->size)
			error = -EPROTO;
		else
			m->reply_bytes = rpc_dispatch(server, rpc_channel_request(c), n, rpc_channel_reply(c), c->size);
		word_set(&m->turn, turn + 2);
	}
	word_close(&m->turn);
	return error == -EPIPE ? 0 : error;
}
