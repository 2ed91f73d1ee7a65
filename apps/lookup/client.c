/* The client, by ordinary sockets, so that it runs anywhere: single requests, and for tests and measurements many. */
#include "server.h"

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIES  10
#define TRY_MS 1000

static int wire;
static struct sockaddr_in server;
static uint8_t request[sizeof(struct lookup_header) + LOOKUP_KEY_MAX + LOOKUP_VALUE_MAX], reply[SERVER_REPLY_MAX + 1];
static uint32_t last_id;
static uint64_t asked_again; /* requests that had no answer in time */

static void connect_to(void)
{
	struct timeval patience = {.tv_sec = TRY_MS / 1000};

	wire = socket(AF_INET, SOCK_DGRAM, 0);
	if (wire < 0 || connect(wire, (struct sockaddr *)&server, sizeof(server)) ||
		setsockopt(wire, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "socket");
	last_id = (uint32_t)getpid() << 16;
}

static void find(const char *text)
{
	const char *colon = strchr(text, ':');
	char host[16] = "";

	if (colon && (size_t)(colon - text) < sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(colon ? (uint16_t)atoi(colon + 1) : 0)};
	if (!server.sin_port || !inet_aton(host, &server.sin_addr))
		errx(2, "%s: ADDRESS:PORT is expected, an address of four numbers", text);
	connect_to();
}

/* The status, and *length bytes of value behind the reply's header. Datagrams are lost at times: asked again, under the
 * same number, as every request may be done twice. */
static int ask(
	int operation, const void *key, size_t key_length, const void *value, size_t value_length, size_t *length)
{
	struct lookup_header h = {.magic = LOOKUP_MAGIC,
				     .operation = (uint8_t)operation,
				     .key_length = (uint8_t)key_length,
				     .id = ++last_id},
			     got;
	size_t size = sizeof(h) + lookup_key_words((uint32_t)key_length) * 8;

	memset(request, 0, size);
	memcpy(request, &h, sizeof(h));
	memcpy(request + sizeof(h), key, key_length);
	memcpy(request + size, value, value_length);
	for (int i = 0; i < TRIES; i++) {
		ssize_t n;

		asked_again += i > 0;
		if (send(wire, request, size + value_length, 0) < 0)
			continue;
		while ((n = recv(wire, reply, sizeof(reply), 0)) >= 0) {
			memcpy(&got, reply, sizeof(got));
			if (n < (ssize_t)sizeof(got) || got.magic != LOOKUP_MAGIC || got.id != h.id)
				continue; /* to a request that was given up */
			*length = (size_t)n - sizeof(got);
			return got.operation;
		}
	}
	errx(1, "no answer");
}

static int say(int status, const size_t *length)
{
	static const char *const texts[] = {"ok", "no such key", "not understood", "no memory"};

	if (status == LOOKUP_OK)
		return fwrite(reply + sizeof(struct lookup_header), 1, *length, stdout) != *length;
	fprintf(stderr, "lookup: %s\n", status < 4 ? texts[status] : "a status that is not known");
	return 1;
}

/* ---- Many ---- */

static uint64_t seed;

static uint64_t next(uint64_t *state) /* an LCG's upper bits (Knuth) */
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return *state >> 33;
}

/* The n-th key of so many: of every length. */
static size_t key_of(uint64_t n, char *to)
{
	size_t length = (size_t)snprintf(to, LOOKUP_KEY_MAX + 1, "%" PRIu64, n), wanted = 1 + n % LOOKUP_KEY_MAX;

	while (length < wanted)
		to[length++] = 'k';
	return length;
}

static size_t value_of(uint64_t n, uint64_t version, uint8_t *to)
{
	uint64_t state = seed ^ n << 32 ^ version;
	size_t length = (size_t)(next(&state) % (LOOKUP_VALUE_MAX + 1));

	for (size_t i = 0; i < length; i++)
		to[i] = (uint8_t)next(&state);
	return length;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* So many keys are set, and so many GETs made of them in any order: every value must be right. */
static int check(uint64_t keys, uint64_t gets)
{
	uint64_t *times = calloc(gets, sizeof(*times)), wrong = 0, state = seed;
	uint8_t value[LOOKUP_VALUE_MAX];
	char key[LOOKUP_KEY_MAX + 1];
	size_t length, got;

	if (!times)
		err(1, "memory");
	for (uint64_t k = 0; k < keys; k++) {
		size_t key_length = key_of(k, key);

		length = value_of(k, 0, value);
		if (ask(LOOKUP_SET, key, key_length, value, length, &got) != LOOKUP_OK)
			errx(1, "key %" PRIu64 " cannot be set", k);
	}
	for (uint64_t i = 0; i < gets; i++) {
		uint64_t k = next(&state) % keys, before = microseconds();
		size_t key_length = key_of(k, key);
		int status = ask(LOOKUP_GET, key, key_length, "", 0, &got);

		times[i] = microseconds() - before;
		length = value_of(k, 0, value);
		wrong += status != LOOKUP_OK || got != length ||
			 memcmp(reply + sizeof(struct lookup_header), value, length);
	}
	qsort(times, gets, sizeof(*times), by_size);
	printf("%" PRIu64 " wrong, median %" PRIu64 " us, 99%% %" PRIu64 " us\n", wrong, times[gets / 2],
		times[gets * 99 / 100]);
	return wrong != 0;
}

/* One key is set to one value after another by a second process, as fast as that goes; whatever is got must be one of
 * these, whole, and never an older one than before. A value says its version. */
static int race(uint64_t gets)
{
	uint8_t value[LOOKUP_VALUE_MAX];
	uint64_t torn = 0, older = 0, newest = 0, changes = 0;
	size_t length, got;
	pid_t setter;

	if (ask(LOOKUP_SET, "race", 4, "", 0, &got) != LOOKUP_OK)
		errx(1, "the key cannot be set");
	setter = fork();
	if (!setter) {
		connect_to();
		for (uint64_t version = 1;; version++) {
			length = value_of(0, version, value);
			if (length < 8)
				continue;
			memcpy(value, &version, 8);
			ask(LOOKUP_SET, "race", 4, value, length, &got);
		}
	}
	for (uint64_t i = 0; i < gets; i++) {
		uint64_t version;

		if (ask(LOOKUP_GET, "race", 4, "", 0, &got) != LOOKUP_OK)
			errx(1, "the key is gone");
		if (!got)
			continue;
		memcpy(&version, reply + sizeof(struct lookup_header), 8);
		length = value_of(0, version, value);
		memcpy(value, &version, 8);
		torn += got != length || memcmp(reply + sizeof(struct lookup_header), value, length);
		older += version < newest;
		changes += version != newest;
		newest = version;
	}
	kill(setter, SIGKILL);
	waitpid(setter, NULL, 0);
	printf("%" PRIu64 " torn, %" PRIu64 " older, %s\n", torn, older, changes > 10 ? "changing" : "not changing");
	return torn || older || changes <= 10;
}

/* Datagrams of any bytes, most of them nearly right. */
static int noise(uint64_t n)
{
	uint64_t state = seed;

	for (uint64_t i = 0; i < n; i++) {
		size_t length = (size_t)(next(&state) % 80);

		for (size_t j = 0; j < length; j++)
			request[j] = (uint8_t)next(&state);
		if (next(&state) % 8)
			request[0] = LOOKUP_MAGIC;
		if (next(&state) % 4)
			request[1] = (uint8_t)(LOOKUP_GET + 2 * (next(&state) % 2)); /* nothing is set by it */
		else if (request[1] == LOOKUP_SET)
			request[1] = 0;
		if (next(&state) % 4)
			request[2] = (uint8_t)(next(&state) % (LOOKUP_KEY_MAX + 2));
		send(wire, request, length, 0);
	}
	return 0;
}

/* The same key, again and again: for who counts. It fails if a request had to be repeated, as time goes by then in which the machine does other things. */
static int repeat(const char *key, uint64_t gets)
{
	size_t got;

	while (gets--)
		if (ask(LOOKUP_GET, key, strlen(key), "", 0, &got) != LOOKUP_OK)
			return 1;
	return asked_again != 0;
}

int client(int argc, char **argv)
{
	size_t got = 0, key = argc > 2 ? strlen(argv[2]) : 0;
	const char *what = argc > 1 ? argv[1] : "";

	if (argc < 2 || (argc > 2 && (key < 1 || key > LOOKUP_KEY_MAX)) ||
		(argc > 3 && strlen(argv[3]) > LOOKUP_VALUE_MAX))
		errx(2,
			"--ask ADDRESS:PORT get KEY | set KEY VALUE | delete KEY | stats; a key has 1 to %d bytes, a "
			"value %d at most",
			LOOKUP_KEY_MAX, LOOKUP_VALUE_MAX);
	find(argv[0]);
	seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
	if (!strcmp(what, "get") && argc == 3)
		return say(ask(LOOKUP_GET, argv[2], key, "", 0, &got), &got);
	if (!strcmp(what, "set") && argc == 4)
		return say(ask(LOOKUP_SET, argv[2], key, argv[3], strlen(argv[3]), &got), &got);
	if (!strcmp(what, "delete") && argc == 3)
		return say(ask(LOOKUP_DELETE, argv[2], key, "", 0, &got), &got);
	if (!strcmp(what, "stats") && argc == 2)
		return say(ask(LOOKUP_STATS, "", 0, "", 0, &got), &got);
	if (!strcmp(what, "check") && argc == 4)
		return check(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	if (!strcmp(what, "repeat") && argc == 4)
		return repeat(argv[2], strtoull(argv[3], NULL, 0));
	if (!strcmp(what, "race") && argc == 3)
		return race(strtoull(argv[2], NULL, 0));
	if (!strcmp(what, "noise") && argc == 3)
		return noise(strtoull(argv[2], NULL, 0));
	errx(2, "%s: not what a client can do", what);
}
