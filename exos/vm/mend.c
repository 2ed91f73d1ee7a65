/* What a program has done to its page tables by the kernel's own calls (aegis_bind, aegis_frame_break), and ExOS finds when it changes them: tables of the
 * program's below ExOS's, or in the places of these; ExOS's tables unbound, or bound elsewhere too.
 *
 * Called where the kernel has refused a change (table.c). The library's page table is the true one: what is in its way is unbound, what is missing is bound
 * again. Where even that fails (its frames are not there any more) the address space is given up, and the process with it: every fault in it fails from then
 * on, in the library too, which must not try one for ever while it holds the lock. Domain lock held. */
#include <aegis/x86_64/stubs.h>
#include <exos/start.h>
#include <exos/vm/table.h>

#define TOP_LEVEL 3
static uint64_t span(uint32_t level) { return FRAME_SIZE << 9 * level; }

static int64_t change(env_id env, uint64_t va, uint64_t entry)
{
	struct aegis_binding b = {va, entry};

	return aegis_bind(env, &b, 1, NULL);
}

static bool unbind_table(env_id env, uint64_t va, uint32_t level);

/* Everything that hangs in the table which is at va at this level. */
static void empty(env_id env, uint64_t va, uint32_t level)
{
	for (uint64_t i = 0; i < SPAN_ENTRIES; i++)
		unbind_table(env, va + i * span(level - 1), level - 1);
}

/* Only a table of tables is ever busy: a leaf table goes with its pages. */
static bool unbind_table(env_id env, uint64_t va, uint32_t level)
{
	int64_t result = change(env, va, BIND_LEVEL(level));

	if (result == -E_BUSY && level > 1) {
		empty(env, va, level);
		result = change(env, va, BIND_LEVEL(level));
	}
	return result == 1 || result == -E_NOTABLE;
}

static void break_frame(frame_t f)
{
	while (aegis_frame_break(&f, 1) == -E_AGAIN)
		;
}

/* Another table may be in its place, or its frames in use as something else. */
static bool bind_table(env_id env, uint64_t va, frame_t table, uint32_t level)
{
	uint64_t entry = BIND_ENTRY(table, TABLE_FLAGS | BIND_LEVEL(level));

	if (change(env, va, entry) == 1)
		return true;
	if (unbind_table(env, va, level) && change(env, va, entry) == 1)
		return true;
	break_frame(table);
	break_frame(table + 1);
	return change(env, va, entry) == 1;
}

/* The tables above those of `level` on the way to va, as far as the library has any there. */
static bool bind_tables_above(struct vm *vm, env_id env, uint64_t va, uint32_t level)
{
	for (uint32_t l = TOP_LEVEL; l > level; l--) {
		frame_t table = table_of(vm, va, l);

		if (table != NO_FRAME && !bind_table(env, ROUND_DOWN(va, span(l)), table, l))
			return false;
	}
	return true;
}

void tables_mend(struct vm *vm, env_id env, const struct aegis_binding *b)
{
	uint32_t level = (b->entry & BIND_LEVEL_MASK) / BIND_LEVEL(1);
	bool done;

	if (!(b->entry & BIND_READ))
		done = level ? unbind_table(env, b->va, level) : change(env, b->va, 0) == -E_NOTABLE;
	else if (!bind_tables_above(vm, env, b->va, level))
		done = false;
	else if (level)
		done = bind_table(env, b->va, entry_frame(b->entry), level);
	else
		done = change(env, b->va, b->entry) == 1;
	if (done)
		return;
	/* If the frame was repossessed the keeper is about to find out, and kill the process. */
	if (!vm->given_up && frame_held(entry_frame(b->entry)))
		log_line("the page tables of environment %x cannot be mended: its program is given up", vm->env);
	vm->given_up = true;
}

void vm_sweep(env_id env)
{
	for (uint64_t va = 0; va < PROGRAM_TOP; va += SLOT_SPAN)
		if (!table_is_private(va, SLOT_SPAN))
			unbind_table(env, va, TOP_LEVEL);
}

void table_put(frame_t table)
{
	while (frame_table[table].bindings && aegis_frame_break(&table, 1) == -E_AGAIN)
		;
	if (!frame_table[table].bindings) /* else it is lost, but nobody else gets what a program still has */
		frame_put_pair(table);
}
