/* Counts executed instructions, as a plugin of the emulator: `./exo run --count FILE`.
 *
 * FILE is 8 bytes, mapped: the number in the host's byte order, which anyone may read at any time. A machine that waits executes nothing. With several CPUs a count may be lost
 * when two add at once. A repeated string instruction counts once for each repetition, as with --icount. Argument: out=FILE. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tools/cachesim/qemu.h>

#define EXPORT __attribute__((visibility("default")))

static uint64_t *count;

EXPORT int qemu_plugin_version = 1;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
		qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(block, i), QEMU_PLUGIN_INLINE_ADD_U64, count, 1);
}

static uint64_t *map(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0644);
	void *p = fd < 0 || ftruncate(fd, sizeof(*count)) ? MAP_FAILED : mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) || !(count = map(argv[0] + 4))) {
		fprintf(stderr, "count: out=FILE is expected, and a file that can be written\n");
		return -1;
	}
	*count = 0;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
