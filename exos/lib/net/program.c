/* The kernel's part of program.h: filters, and frames for their code. */
#include <aegis/error.h>
#include <aegis/x86_64/stubs.h>
#include <errno.h>
#include <exos/lib/net/code.h>
#include <exos/lib/net/program.h>
#include <exos/lib/x86_64/calls.h>
#include <string.h>

static int error_of(int64_t result)
{
	switch (-result) {
	case E_BUSY: return -EBUSY;
	case E_LIMIT:
	case E_FULL: return -ENOSPC;
	}
	return -EINVAL;
}

struct install {
	const struct exos_net *ring;
	struct aegis_filter_spec spec;
};

static int install_way(void *data, const struct program_way *way)
{
	struct install *i = data;
	frame_t code = code_frame();
	int64_t result;

	if (!code)
		return -ENOMEM;
	i->spec.code = code;
	i->spec.atoms = (uintptr_t)way->atoms;
	i->spec.atom_count = way->atom_count;
	result = aegis_filter_install(&i->spec, &i->ring->device);
	if (result > 0)
		return 0;
	exos_frames_put(&code, 1);
	return error_of(result);
}

/* Without a frame for code the kernel takes a conjunction and refuses the rest. It reads a copy: pages that the program has never touched are not there for the kernel. */
int filter_program(const struct exos_net *ring, const struct aegis_bpf *program, uint32_t n, uint64_t tag, bool *compiled)
{
	struct aegis_bpf copy[NET_BPF_MAX];
	struct install i = { .ring = ring, .spec = { .ring = ring->ring, .env = (env_id)exos_environment(0), .tag = tag, .device = DEVICE_NET0, .program = (uintptr_t)copy, .program_length = n } };
	int64_t result;

	if (!n || n > NET_BPF_MAX)
		return -EINVAL;
	memcpy(copy, program, n * sizeof(copy[0]));
	result = aegis_filter_install(&i.spec, &ring->device);
	if (compiled)
		*compiled = result == -E_INVALID;
	if (result > 0)
		return 1;
	return result == -E_INVALID ? program_ways(copy, n, install_way, &i) : error_of(result);
}
