/* Atoms: what is a valid list of them, which ones a filter has, and what they accept, one by one, for tests of the compiled code. */
#include <kernel/filter/trie.h>

int64_t filter_check_atoms(const struct aegis_atom *atoms, uint32_t n)
{
	uint32_t shifts = 0;

	if (n > NET_ATOMS_MAX)
		return -E_INVALID;
	for (uint32_t i = 0; i < n; i++) {
		const struct aegis_atom *a = &atoms[i];
		bool size = a->size == 1 || a->size == 2 || a->size == 4;

		if (!size || a->offset >= NET_OFFSET_MAX || !a->mask || a->mask > UINT32_MAX >> (32 - 8 * a->size))
			return -E_INVALID;
		if (a->kind == ATOM_SHIFT ? ++shifts > NET_SHIFTS_MAX || a->value > 7 || (uint64_t)a->mask << a->value > NET_SHIFT_MAX :
					    a->kind != ATOM_COMPARE || a->value & ~a->mask)
			return -E_INVALID;
	}
	return 0;
}

static void reverse(struct aegis_atom *atoms, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++) {
		struct aegis_atom a = atoms[i];

		atoms[i] = atoms[n - 1 - i];
		atoms[n - 1 - i] = a;
	}
}

uint32_t filter_path(const struct filters *fs, uint32_t filter, struct aegis_atom *atoms)
{
	const struct edge *place = &fs->edges[fs->nodes[fs->filters[filter].accept].place];
	const struct node *node;
	uint32_t n = 0;

	for (; node = &fs->nodes[edge_parent(place)], node->kind != NODE_ROOT; place = &fs->edges[node->place])
		atoms[n++] = (struct aegis_atom){.offset = node->offset, .size = node->size, .kind = node->kind, .mask = node->mask,
			.value = node->kind == NODE_SHIFT ? node->shift : as_loaded((uint32_t)place->key, node->size)};
	reverse(atoms, n);
	return n;
}

static bool accepts(const struct aegis_atom *atoms, uint32_t n, const uint8_t *packet, uint64_t length)
{
	uint64_t base = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = base + atoms[i].offset;
		uint32_t field;

		if (at + atoms[i].size > length)
			return false;
		field = field_at(packet, at, atoms[i].size);
		if (atoms[i].kind == ATOM_SHIFT)
			base += (field & atoms[i].mask) << atoms[i].value;
		else if ((field & atoms[i].mask) != atoms[i].value)
			return false;
	}
	return true;
}

uint32_t filter_interpret(const struct filters *fs, filter_root root, const uint8_t *packet, uint32_t length)
{
	struct aegis_atom atoms[NET_ATOMS_MAX];
	uint32_t best = 0;

	for (uint32_t i = 1; i <= fs->memory.slots; i++) {
		const struct filter *f = &fs->filters[i];

		if (!f->accept || f->key < best || filter_trie(fs, i) != root || !accepts(atoms, filter_path(fs, i, atoms), packet, length))
			continue;
		if (!f->program || ((bpf_code *)(uintptr_t)f->program)(packet, length))
			best = f->key;
	}
	return -best & NUMBER_MASK;
}
