/* Classic BPF programs (McCanne and Jacobson, 1993), as `tcpdump -dd` prints them, installed as filters on a ring of the program's own.
 *
 * Who calls it: programs with a ring (exos/program.h: net) whose filters people write. What is promised: the filters together accept what the program accepts, and compare as many bits as can be told from the program, so that
 * they are preferred to filters that take what is left (aegis/net.h). They end with the ring, and so does the memory of their code, whenever the program dies.
 *
 * The kernel makes a program that is a conjunction into atoms by itself. Any other it runs behind the atoms that it is given: those are found here. All ways through a program that accept a packet have some comparisons in
 * common; and more so if the Ethernet type is fixed. So there is one filter for each type that the program asks for, with the whole program and what then all packets must have, and perhaps one for all other types. */
#pragma once

#include <stdbool.h>

#include <aegis/net.h>
#include <exos/program.h>

/* What a packet must have to be accepted. */
struct program_way {
	struct aegis_atom atoms[NET_ATOMS_MAX];
	uint32_t atom_count;
};
/* Finds the ways of a program of n instructions, and calls `found` for each, until that returns an error. Every packet that the program accepts has all atoms of one of them at least. Returns how many there are, or found's
 * error, or -ENOMEM, -EINVAL: a jump leads outside, or there are more than NET_BPF_MAX instructions or none. Takes n times the number of Ethernet types that are asked for. */
int program_ways(const struct aegis_bpf *program, uint32_t n, int (*found)(void *data, const struct program_way *), void *data);

/* Installs it: packets go to the ring, with the tag, and the caller is told. Returns the number of filters; 0: it accepts nothing. *compiled (if not null): it could not be made into atoms alone. Errors, after which filters may
 * be there until the ring ends: EINVAL (no program that the kernel accepts), EBUSY (packets that are another account's), ENOSPC (no room for so many filters), ENOMEM. */
int filter_program(const struct exos_net *ring, const struct aegis_bpf *program, uint32_t n, uint64_t tag, bool *compiled);
