/* What a policy file says. Read by pack.c on the host, which refuses a wrong one before anything boots, and by the arbiter. The language is README.md's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_TENANTS 8
#define POLICY_NAME 24

enum tenant_kind { KIND_EXOS, KIND_GREEDY, KIND_DEAF, KIND_POLITE, KIND_COUNT };
enum policy_share { SHARE_EVEN, SHARE_PRIORITY };

struct policy_size {
	uint32_t amount; /* frames, or */
	bool percent;    /* of all that tenants can have */
	bool given;
};

struct policy_tenant {
	char name[POLICY_NAME];
	enum tenant_kind kind;
	struct policy_size frames, least, most;
	uint32_t slices, environments; /* 0: as the kind needs */
	uint32_t priority;
	bool machine; /* its end is the machine's */
};

struct policy {
	enum policy_share share;
	struct policy_size reserve, step;
	uint32_t deadline_us, every_us;
	uint32_t tell; /* percent of its limit that a tenant has left when it counts as short */
	uint32_t count;
	struct policy_tenant tenants[POLICY_TENANTS];
};

struct policy_error {
	uint32_t line; /* 0: of the file as a whole */
	const char *text;
	char word[POLICY_NAME]; /* that it is about, or empty */
};

bool policy_parse(struct policy *policy, const char *text, size_t n, struct policy_error *error);
uint32_t policy_frames(const struct policy_size *size, uint32_t pool);

/* How the file lies in the boot module, on a page boundary behind the arbiter's image; what comes on the next page boundary is ExOS's module. */
#define POLICY_MAGIC 0x7963696c6f70ul
struct policy_block {
	uint64_t magic;
	uint32_t bytes; /* of text, which follows */
	char name[116]; /* of the file */
};
