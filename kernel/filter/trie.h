/* What the files of the filter compiler share: the trie. filter.h is what others see.
 *
 * After some atoms a packet is at a PLACE. There NODES wait for it, the one whose filters compare the most bits first: a test of one field, a shift, or a filter that ends here and accepts. From a test an EDGE leads for each value
 * to the place behind it. Edges are in one hash table, by node and value, whether the node's code uses that or compares one by one.
 *
 * How good a filter is, is a KEY: the bits that it compares, then whether it has a program, then its number, negated, so that a lower one is better. The key of the best filter so far is all
 * that the code carries along, and a node's `most` is what no key below it exceeds in bits and program: what cannot win is not tried. */
#pragma once

#include <aegis/error.h>
#include <kernel/filter/filter.h>

enum { NODE_COMPARE = ATOM_COMPARE, NODE_SHIFT = ATOM_SHIFT, NODE_ROOT, NODE_ACCEPT };

struct node {
	uint8_t kind;            /* NODE_ */
	uint8_t size;            /* the field's, as in struct aegis_atom, but */
	uint16_t offset;
	uint32_t mask;
	uint8_t shift;           /* the `value` of a shift */
	uint8_t depth;           /* shifts on the way here */
	uint16_t known;          /* so many bytes behind the base are in the packet, as something on the way has read there */
	uint32_t place;          /* the edge that leads here */
	uint32_t next, previous; /* at this place; 0: none. Of a free node: the next one */
	uint32_t first;          /* of its edges; of an accepting node the filter */
	uint32_t edges;
	uint32_t most;
	uint32_t cost;           /* steps that a packet takes here and behind, at most */
	uint32_t owner;          /* an account; filters below here that are its, and that are not. Which account is chosen when the node is made */
	uint32_t own, others;
};

struct edge {
	uint64_t key;            /* node << 32 | value as it is loaded from the packet; code in x86_64/node.c reads the first three */
	struct edge *chain;      /* in the hash table */
	const uint8_t *code;     /* of the place: of its first node */
	uint32_t head;           /* that node */
	uint32_t next, previous; /* of the same node */
	uint32_t cost;           /* of the place: what its nodes cost together */
};

struct filter {
	uint32_t accept;         /* node; 0: this filter is free */
	uint32_t owner;
	uint32_t key;
	uint32_t next;           /* free one */
	uint64_t word;
	const uint8_t *program;
};

/* Things of one kind, by number from 1: those never used begin at `fresh`, and those given back are chained. */
struct pool {
	uint32_t free, fresh, left;
};

struct filters {
	struct filter_memory memory;
	struct node *nodes;
	struct edge *edges;
	struct filter *filters;
	struct edge **table;     /* chains end with a null pointer; an empty one is the edge 0, which has no node */
	uint32_t table_bits;
	uint32_t count;
	struct pool free_nodes, free_edges, free_filters;
};

#define NUMBER_BITS 21
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define KEY_PROGRAM (1u << NUMBER_BITS)
#define KEY_BITS_SHIFT (NUMBER_BITS + 1)
_Static_assert(FILTER_SLOTS_MAX <= NUMBER_MASK, "a filter's number is part of its key");
_Static_assert(NET_ATOMS_MAX * 32 < 1 << (32 - KEY_BITS_SHIFT), "and so are the bits that it compares");
#define SHORT_PACKET FILTER_SHORT /* the compiled code is for others only, and so need not check what lies below */
/* Steps that a packet may take: a node is one, and so are 8 instructions of a program. Of the place behind a scope with n atoms an installation leaves no more than COST_MOST * (NET_ATOMS_MAX + 1 - n),
 * so that nobody can make the packets of his scope cost what others' time cannot bear; less behind longer scopes, so that who has a part of a scope cannot use up what is the whole's. */
#define COST_MOST 128
#define COST_INSTRUCTIONS 8
#define CHAIN_MOST 64 /* edges in one bucket of the hash table; by chance there are never so many, but collisions are found by who can measure time */
#define LOOK_MAX 4096 /* nodes and edges that an insertion looks at */

/* A value or mask as it is when loaded from the packet by this machine. */
static inline uint32_t as_loaded(uint32_t value, unsigned size)
{
	return size == 4 ? __builtin_bswap32(value) : size == 2 ? __builtin_bswap16((uint16_t)value) : value;
}
/* Big-endian, as atoms have it. */
static inline uint32_t field_at(const uint8_t *packet, uint64_t at, unsigned size)
{
	uint32_t field = 0;

	for (unsigned i = 0; i < size; i++)
		field = field << 8 | packet[at + i];
	return field;
}
static inline uint32_t edge_parent(const struct edge *e) { return (uint32_t)(e->key >> 32); }
struct edge *edge_find(const struct filters *fs, uint32_t node, uint32_t value); /* value: as in an atom; null: none */
/* The atoms of a filter, into room for NET_ATOMS_MAX: how many. */
uint32_t filter_path(const struct filters *fs, uint32_t filter, struct aegis_atom *atoms);
/* What filter_demultiplex answers for packets shorter than SHORT_PACKET. */
uint32_t short_demultiplex(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length);
/* 0, or -E_BUSY: a packet that the new filter accepts might be another account's. */
int64_t overlap_check(const struct filters *fs, const struct filter_request *request);

/* Code of a node. What it is called with, what it leaves, is in x86_64/node.c. */
#define CODE_CELL 96     /* bytes for a node; cell 0 has what all share */
#define CODE_CHILDREN 4  /* edges that are compared one by one; more are looked up */
struct code_node {
	const struct node *node;
	uint32_t number;
	const struct edge *children[CODE_CHILDREN]; /* all of them, if node->edges is not more, in the order in which they are compared */
	const uint8_t *next;     /* code of the next node at this place, or null, */
	uint32_t next_most;
	uint32_t key;            /* of an accepting node */
	const uint8_t *program;  /* its filter's, or null */
};
void code_shared(uint8_t *code, uint64_t multiplier, unsigned bits, struct edge *const *table);
/* Into `cell`, which is run at `run`; `shared`: where cell 0 is run. Bytes written, at most CODE_CELL. */
size_t code_write(const struct code_node *from, uint8_t *cell, const uint8_t *run, const uint8_t *shared);
