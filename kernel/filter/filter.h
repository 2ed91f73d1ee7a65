/* Filters merged into tries and compiled (paper 5.6, DPF; Engler and Kaashoek, SIGCOMM'96).
 *
 * kernel/net.c uses it, and so do host tests and bench/filter.c. A node of a trie compares one field; what filters have in common at their beginning they share. Each node has a cell of machine code of its
 * own, which is written anew when its children change: so an installation costs what its atoms cost, not what all filters cost. A node with few children compares one by one, one with
 * many looks its value up in one hash table that all nodes share. A filter that compares fewer bits gets a packet only when none that compares more accepts it.
 * All functions: bounded time. The caller sees to it that nobody demultiplexes while a filter comes or goes, and that a CPU which does afterwards has executed a serialising instruction in between
 * (iretq is one): code was written through another address. */
#pragma once

#include <stdbool.h>

#include <aegis/net.h>

/* Where it keeps everything: memory sized at start for a number of filters, and machine code that is written at one address and run at another. */
struct filter_memory {
	void *data;            /* filters_data_size(slots) bytes, zero */
	uint8_t *code;         /* filters_code_size(slots) bytes, written here, */
	const uint8_t *run;    /* and run here */
	uint32_t slots;        /* filters at most, guards included; a power of two, at most FILTER_SLOTS_MAX */
	uint64_t key;          /* a random word that no environment knows: of the hash, so that nobody can choose values that collide */
};
#define FILTER_SLOTS_MAX (1u << 20)
#define FILTER_NODES 5 /* for each filter that there may be; one needs as many as it has atoms and one more, where it shares none. Typical ones, which share their beginnings, need 4 to 5 of their own */
struct filters; /* lies at the beginning of data */

size_t filters_data_size(uint32_t slots);
size_t filters_code_size(uint32_t slots);
struct filters *filters_start(const struct filter_memory *memory);

/* A trie: one for a device's packets, one for the guards of each ring. */
typedef uint32_t filter_root; /* 0: none */
filter_root filter_root_make(struct filters *fs); /* 0: no room */
void filter_root_end(struct filters *fs, filter_root root); /* it is empty */

struct filter_request {
	filter_root root;
	const struct aegis_atom *atoms; /* copied already, valid (filter_check_atoms) */
	uint32_t atom_count;
	const uint8_t *program;         /* where its machine code is run (bpf_compile's only), or null, */
	uint32_t program_length;        /* and the instructions that it was made of */
	uint32_t owner;                 /* the account */
	uint32_t scope;                 /* a filter that this one may take packets from although it is another account's, and must begin with; 0: none */
	uint64_t word;                  /* the caller's */
};
/* 0, or -E_INVALID. */
int64_t filter_check_atoms(const struct aegis_atom *atoms, uint32_t n);
/* Its number; -E_BUSY: some packet might be another owner's (or it is the same filter over again), -E_DENIED: it is not within its scope, -E_FULL: no room, or too many filters would have to be tried
 * for one packet. Changes nothing when it fails.
 * Cost: proportional to the atoms and to the nodes that do not compare what it compares; these are looked at up to a bound, and past it the answer is BUSY. */
int64_t filter_insert(struct filters *fs, const struct filter_request *request);
void filter_delete(struct filters *fs, uint32_t filter);
/* Of an installed filter; 0 / null for a number that names none. */
uint64_t *filter_word(struct filters *fs, uint32_t filter);
uint32_t filter_owner(const struct filters *fs, uint32_t filter);
filter_root filter_trie(const struct filters *fs, uint32_t filter);
uint32_t filter_count(const struct filters *fs);

/* The filter that has this packet, or 0. Runs the compiled code: some 20 to 100 instructions. Of filters that compare equally many bits those with programs come first, then those of lower numbers. */
uint32_t filter_demultiplex(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length);
/* The compiled code of a root, which is where it is as long as the root is there: the same for packets of at least FILTER_SHORT bytes, in fewer instructions yet. */
#define FILTER_SHORT 42 /* bytes: what is shorter is no ARP, IPv4 or IPv6 packet that says anything */
typedef uint32_t filter_code(const uint8_t *packet, uint64_t length);
filter_code *filter_root_code(const struct filters *fs, filter_root root);
/* The same by an interpreter over the atoms of every filter, for tests. Programs are run as they are. */
uint32_t filter_interpret(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length);

/* Classic BPF (McCanne and Jacobson, 1993; the instruction set as libpcap's bpf_filter has it, without the scratch-memory extensions of Linux). */
/* 0, or -E_INVALID: jumps forward and inside, every path ends in a return, no division by a constant zero, memory words 0..15 only,
 * no shift by a constant of 32 or more. */
int64_t bpf_check(const struct aegis_bpf *program, uint32_t n);
/* If the program accepts exactly what a conjunction of atoms accepts (and no packet by reading behind its end): their number, the atoms in `atoms` (room for NET_ATOMS_MAX); else -1. */
int bpf_to_atoms(const struct aegis_bpf *program, uint32_t n, struct aegis_atom *atoms);
/* Compiles a checked program into `code`: its size, or -E_INVALID when it does not fit. The code may be run at any address. It is a function of (packet, length), length below 2^31, that returns what the
 * program returns, as bpf_filter does: 0 when it reads behind the end. It changes only registers that a C function may, and uses 72 bytes of stack. */
int64_t bpf_compile(const struct aegis_bpf *program, uint32_t n, uint8_t *code, size_t room);
typedef uint32_t bpf_code(const uint8_t *packet, uint64_t length);
uint32_t bpf_interpret(const struct aegis_bpf *program, uint32_t n, const uint8_t *packet, uint32_t length);
