/* Where executed instructions are, as a plugin of the emulator: `./exo run --profile FILE`, which profile.awk makes a list by functions of.
 *
 * FILE is an array, mapped, of struct block: one for each block of instructions that the emulator has translated, by its virtual address; how often it ran, times its instructions. Anyone may read it at any time; the
 * difference between two readings is what ran between. A block that is translated again has another entry. Blocks that an exception ends early count whole. Argument: out=FILE. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tools/cachesim/qemu.h>

#define EXPORT __attribute__((visibility("default")))
#define BLOCKS (1ul << 22) /* the file is sparse */

struct block {
	uint64_t address, executed;
};

static struct block *blocks;
static uint64_t used;

EXPORT int qemu_plugin_version = 1;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
	uint64_t at = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);

	(void)id;
	if (at >= BLOCKS)
		return;
	blocks[at].address = qemu_plugin_insn_vaddr(first);
	qemu_plugin_register_vcpu_insn_exec_inline(first, QEMU_PLUGIN_INLINE_ADD_U64, &blocks[at].executed, qemu_plugin_tb_n_insns(tb));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int fd = argc == 1 && !strncmp(argv[0], "out=", 4) ? open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC, 0644) : -1;

	(void)info;
	if (fd >= 0 && !ftruncate(fd, BLOCKS * sizeof(*blocks)))
		blocks = mmap(NULL, BLOCKS * sizeof(*blocks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!blocks || blocks == MAP_FAILED) {
		fprintf(stderr, "profile: out=FILE is expected, and a file that can be written\n");
		return -1;
	}
	close(fd);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
