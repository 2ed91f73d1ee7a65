/* A model of data caches that are indexed by physical address, as a plugin of the emulator, which has no caches: `./exo run --cachesim FILE`.
 *
 * A measuring program tells by marks (bench/x86_64/mark.h) which of its phases it is in; accesses are counted for each. Mark 0 ends a phase, and
 * the next one begins with empty caches. Modelled are the data accesses of programs, code below CODE_END: neither instruction fetches nor what
 * kernel and ExOS do meanwhile, so that what is compared is the placement of the program's own pages. Each cache stands alone and sees every
 * access (there is no smaller one before it); lines are allocated by reads and writes, and replaced least recently used first in their set. An
 * access counts for the line of its first byte.
 *
 * Arguments: out=FILE, and caches=SIZE/WAYS[:SIZE/WAYS...], SIZE in KiB. FILE gets lines `PHASE.SIZEK/WAYS misses` and `PHASE.accesses n`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tools/cachesim/qemu.h>

#define EXPORT __attribute__((visibility("default")))
#define CODE_END 0x10000000ul /* static programs lie below */
#define LINE_SHIFT 6
#define MARK_LENGTH 7 /* nopl with a displacement of 32 bits, of which the low 16 are the phase */
#define MARK_MAGIC 0xca5eul
#define PHASES 65536

struct cache {
	struct cache *next;
	unsigned long kib, ways, sets;
	uint64_t *lines; /* of each set, most recently used first; 0: empty. A line is its number + 1 */
	uint64_t misses[PHASES];
};

static struct cache *caches;
static uint64_t accesses[PHASES];
static const char *out;
static unsigned phase;

EXPORT int qemu_plugin_version = 1;

static void look_up(struct cache *c, uint64_t line)
{
	uint64_t *set = c->lines + line % c->sets * c->ways;
	unsigned long way = 0;

	while (way < c->ways - 1 && set[way] != line + 1)
		way++;
	c->misses[phase] += set[way] != line + 1;
	memmove(set + 1, set, way * sizeof(*set));
	set[0] = line + 1;
}

static void accessed(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t va, void *context)
{
	struct qemu_plugin_hwaddr *where;
	uint64_t line;

	(void)cpu, (void)context;
	if (!phase)
		return;
	where = qemu_plugin_get_hwaddr(info, va);
	if (!where || qemu_plugin_hwaddr_is_io(where))
		return;
	line = qemu_plugin_hwaddr_phys_addr(where) >> LINE_SHIFT;
	accesses[phase]++;
	for (struct cache *c = caches; c; c = c->next)
		look_up(c, line);
}

static void marked(unsigned int cpu, void *context)
{
	(void)cpu;
	phase = (unsigned)(uintptr_t)context;
	for (struct cache *c = caches; c && !phase; c = c->next)
		memset(c->lines, 0, c->sets * c->ways * sizeof(*c->lines));
}

static bool is_mark(const struct qemu_plugin_insn *insn, uint32_t *displacement)
{
	static const uint8_t nopl[] = { 0x0f, 0x1f, 0x80 };
	const uint8_t *bytes = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != MARK_LENGTH || memcmp(bytes, nopl, sizeof(nopl)))
		return false;
	memcpy(displacement, bytes + sizeof(nopl), sizeof(*displacement));
	return *displacement >> 16 == MARK_MAGIC;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		uint32_t displacement;

		if (qemu_plugin_insn_vaddr(insn) >= CODE_END)
			continue;
		if (is_mark(insn, &displacement))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)(displacement & 0xffff));
		else
			qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
	}
}

static void write_results(qemu_plugin_id_t id, void *context)
{
	FILE *f = fopen(out, "w");

	(void)id, (void)context;
	if (!f) {
		perror(out);
		return;
	}
	for (unsigned n = 1; n < PHASES; n++) {
		if (!accesses[n])
			continue;
		fprintf(f, "%u.accesses %lu\n", n, accesses[n]);
		for (const struct cache *c = caches; c; c = c->next)
			fprintf(f, "%u.%luK/%lu %lu\n", n, c->kib, c->ways, c->misses[n]);
	}
	if (fclose(f))
		perror(out);
}

static bool add_cache(unsigned long kib, unsigned long ways)
{
	unsigned long sets = ways ? (kib << 10 >> LINE_SHIFT) / ways : 0;
	struct cache *c;

	if (!sets || sets * ways << LINE_SHIFT != kib << 10)
		return false;
	c = calloc(1, sizeof(*c));
	if (!c || !(c->lines = calloc(sets * ways, sizeof(*c->lines))))
		return false;
	c->kib = kib, c->ways = ways, c->sets = sets;
	c->next = caches;
	caches = c;
	return true;
}

static bool parse_caches(const char *text)
{
	char *end = NULL;

	for (; !end || *end == ':'; text = end + 1) {
		unsigned long kib = strtoul(text, &end, 10);

		if (*end != '/' || !add_cache(kib, strtoul(end + 1, &end, 10)))
			return false;
	}
	return !*end;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		bool good = false;

		if (!strncmp(argv[i], "out=", 4))
			good = (out = strdup(argv[i] + 4));
		else if (!strncmp(argv[i], "caches=", 7))
			good = parse_caches(argv[i] + 7);
		if (!good) {
			fprintf(stderr, "cachesim: %s: out=FILE and caches=KIB/WAYS[:KIB/WAYS...] are expected\n", argv[i]);
			return -1;
		}
	}
	if (!out || !caches || info->system.max_vcpus != 1) {
		fprintf(stderr, "cachesim: out= and caches= are needed, and a machine of one CPU\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, write_results, NULL);
	return 0;
}
