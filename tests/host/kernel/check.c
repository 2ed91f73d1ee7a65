/* The kernel against the model, and the kernel's structures against each other. */
#include <kernel/info.h>
#include <kernel/links.h>
#include <kernel/slice.h>
#include <kernel/smp.h>
#include <kernel/table.h>

#include "model.h"

#define HARDWARE (ENTRY_ACCESSED | ENTRY_DIRTY) /* what the CPU itself writes into an entry */
#define EACH_ENV(e) (struct m_env *e = &m_envs[1]; e < &m_envs[MACHINE_SLOTS]; e++)

static void same_limits(const char *what, env_id id, const struct aegis_limits *kernel, const struct aegis_limits *model)
{
	CHECK(kernel->frames == model->frames && kernel->slices == model->slices && kernel->environments == model->environments && kernel->filters == model->filters,
		"%s of %x: frames %u slices %u environments %u filters %u in the kernel, %u %u %u %u in the model", what, id, kernel->frames, kernel->slices,
		kernel->environments, kernel->filters, model->frames, model->slices, model->environments, model->filters);
}

static void check_frames(void)
{
	for (frame_t f = 0; f < MACHINE_FRAMES; f++) {
		const struct aegis_frame_info *k = &frame_table[f];
		const struct m_frame *m = &m_frames[f];
		bool table = m_is_table(f);

		CHECK(k->state == m->state && k->owner == m->owner && k->epoch == m->epoch,
			"frame %u: state %u owner %x epoch %u in the kernel, %u %x %u in the model", f, k->state, k->owner, k->epoch, m->state, m->owner,
			m->epoch);
		CHECK(k->bindings == m->bound, "frame %u: %u bindings in the kernel, %u in the model", f, k->bindings, m->bound);
		CHECK(k->pins == (m->held ? PIN_HELD : 0) + m->sent && (k->state != FRAME_OWNED || k->next == m->held),
			"frame %u: pins %x, held %u in the kernel, held %u sent %u in the model", f, k->pins, k->next, m->held, m->sent);
		CHECK(!table || (k->next == m->used + TABLE_USE * m->uses), "table %u: %u entries, %u uses in the kernel, %u %u in the model", f,
			table_entries(f), table_uses(f), m->used, m->uses);
	}
}

/* What accounts hold, counted anew. */
static void check_held(void)
{
	struct aegis_limits counted[MACHINE_SLOTS] = { 0 }, sum = { 0 };

	for (frame_t f = 0; f < MACHINE_FRAMES; f++)
		if (m_frames[f].state != FRAME_FREE && m_frames[f].state != FRAME_KERNEL && m_frames[f].state != FRAME_INFO)
			counted[env_slot(m_frames[f].owner)].frames++;
	for (uint32_t s = 0; s < MACHINE_CPUS * MACHINE_POSITIONS; s++)
		if (m_slices[s / MACHINE_POSITIONS][s % MACHINE_POSITIONS].env)
			counted[env_slot(m_find(m_slices[s / MACHINE_POSITIONS][s % MACHINE_POSITIONS].env)->account)].slices++;
	for EACH_ENV(e)
		if (e->live)
			counted[env_slot(e->account)].environments++;
	for EACH_ENV(e) {
		const struct env *k = env_table[e - m_envs];

		if (!e->live || e->account != e->id)
			continue;
		same_limits("held", e->id, &k->held, &counted[e - m_envs]);
		same_limits("limits", e->id, &k->limits, &e->limits);
		same_limits("held (shown)", e->id, &k->info->held, &k->held);
		same_limits("limits (shown)", e->id, &k->info->limits, &k->limits);
		sum.frames += k->limits.frames, sum.slices += k->limits.slices, sum.environments += k->limits.environments;
		sum.filters += k->limits.filters;
	}
	same_limits("the sum of limits", 0, &sum, &m_total);
}

static void check_env(const struct env *k, const struct m_env *e)
{
	CHECK(k->id == e->id && k->account && k->account->id == e->account && k->account_creator == e->maker && k->commander == e->commander &&
			k->info->cap_epoch == e->cap_epoch && k->stopping == e->stopping, "environment %x is not what it should be", e->id);
	CHECK(k == frame_pointer(e->object) && k->root == (uint64_t)e->root << FRAME_SHIFT && (uint8_t *)env_upcall(k) == frame_pointer(e->upcall),
		"environment %x: its frames", e->id);
	CHECK(k->info->id == e->id && k->info->account == e->account && k->info->state == (e->stopping ? ENV_STOPPED : ENV_LIVE),
		"environment %x as it is shown", e->id);
	for (uint32_t i = 0; i < REVOKE_KINDS; i++)
		CHECK(k->demands[i].count == e->demands[i].count && k->demands[i].deadline == e->demands[i].deadline &&
				(k->demands[i].from == e->demander[i]), "environment %x: demand %u: %u in the kernel, %u in the model", e->id, i,
			k->demands[i].count, e->demands[i].count);
	CHECK(((struct aegis_repossessed *)((uint8_t *)env_upcall(k) + REPOSSESSED_OFFSET))->count == e->losses,
		"environment %x: losses: %lu in the model", e->id, e->losses);
}

static void check_envs(void)
{
	CHECK(!env_table[0], "slot 0 is used");
	for EACH_ENV(e) {
		CHECK(!env_table[e - m_envs] == !e->live, "environment %x is %s", e->id, e->live ? "gone" : "still there");
		if (e->live)
			check_env(env_table[e - m_envs], e);
	}
}

/* Is it gone round to? Whoever neither sleeps nor is stopped must be, whoever is stopped must not. */
static bool runnable(env_id id)
{
	const struct env *e = env_table[env_slot(id)];
	bool asleep = *e->claim == claim_word(e, CLAIM_ASLEEP) || *e->claim == claim_word(e, CLAIM_IDLE);

	CHECK(e->stopping ? !e->listed : asleep || e->listed, "environment %x is %slisted", id, e->listed ? "" : "not ");
	return e->listed;
}

static void check_slices(uint32_t cpu)
{
	const struct aegis_slice_info *slices = machine_slices(cpu);
	uint32_t at = MACHINE_POSITIONS - 1, listed = 0, held = 0;

	for (uint32_t p = 0; p < MACHINE_POSITIONS; p++) {
		const struct m_slice *m = &m_slices[cpu][p];

		CHECK(slices[p].env == m->env && slices[p].epoch == m->epoch, "slice %u:%u: %x epoch %u in the kernel, %x %u in the model", cpu, p,
			slices[p].env, slices[p].epoch, m->env, m->epoch);
		held += m->env != 0;
		if (!m->env || !runnable(m->env))
			continue;
		at = vector_after(slice_vector(cpu), at);
		CHECK(at == p, "slice %u:%u is runnable; the vector goes to %u", cpu, p, at);
	}
	if (at == MACHINE_POSITIONS - 1 && (!slices[at].env || !runnable(slices[at].env)))
		CHECK(vector_after(slice_vector(cpu), at) == NO_POSITION, "no slice of CPU %u is runnable, but one is found", cpu);
	for EACH_ENV(e)
		for (uint32_t name = e->live ? env_table[e - m_envs]->slices : NO_POSITION; name != NO_POSITION && listed <= held;) {
			const struct aegis_slice_info *slice = &machine_slices(name >> 24)[name & 0xffffff];

			CHECK(slice->env == e->id, "slice %x is in the list of %x", name, e->id);
			listed += name >> 24 == cpu;
			name = slice->next;
		}
	CHECK(listed == held, "%u slices of CPU %u are in lists, %u are held", listed, cpu, held);
}

/* What a CPU remembers must be what it would find: user code runs from here on. */
static void check_tlb(void)
{
	for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++)
		for (uint32_t i = 0; m_running[cpu] && i < TLB_PAGES; i++) {
			uint64_t now = machine_tlb[cpu][i] ? machine_walk(machine_cr3[cpu], tlb_address(i)) : 0;

			CHECK(((now ^ machine_tlb[cpu][i]) & ~HARDWARE) == 0, "CPU %u still translates %lx by %lx; bound is %lx", cpu, tlb_address(i),
				machine_tlb[cpu][i], now);
		}
}

void check_tlb_fill(void)
{
	for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++)
		for (uint32_t i = 0; m_running[cpu] && i < TLB_PAGES; i++)
			machine_tlb[cpu][i] = machine_walk(machine_cr3[cpu], tlb_address(i));
}

static void check_free_list(void)
{
	uint32_t n = 0, total = m_count_free();
	frame_t before = UINT32_MAX;

	for (frame_t f = machine_info->frames_first_free; f != UINT32_MAX; before = f, f = frame_table[f].next, n++) {
		CHECK(f < MACHINE_FRAMES && m_frames[f].state == FRAME_FREE, "frame %u is in the free list", f);
		CHECK(frame_table[f].first == before, "free frame %u: before it is %u, it says %u", f, before, frame_table[f].first);
		CHECK(n < total, "the free list is longer than %u, or goes round", total);
	}
	CHECK(n == total && machine_info->frames_free == total, "%u frames are listed as free and %u counted, %u are free", n, machine_info->frames_free,
		total);
}

/* By what right is this bound? */
static void check_right(frame_t table, uint32_t i)
{
	const struct m_entry *x = &m_entries[table][i];
	const struct m_frame *f = &m_frames[x->frame];
	uint64_t entry = ((uint64_t *)frame_pointer(table))[i];

	if (f->state == FRAME_INFO)
		CHECK(!(entry & ENTRY_WRITE), "the exposed frame %u can be written", x->frame);
	else if (x->by_cap)
		CHECK(x->epoch == f->epoch, "frame %u is bound in %u:%u by a capability of epoch %u; its epoch is %u", x->frame, table, i, x->epoch, f->epoch);
	else if (x->own && m_find(x->own))
		CHECK(x->frame == m_find(x->own)->upcall || x->frame == m_find(x->own)->root,
			"frame %u of %x is bound in %u:%u as that of %x, which it is not", x->frame, f->owner, table, i, x->own);
	else if (x->own) /* it stays bound in its owner's tables alone when that environment is gone */
		CHECK(m_frames[table].owner == f->owner, "frame %u of %x is bound in %u:%u as that of %x, which is gone", x->frame, f->owner, table, i, x->own);
	else
		CHECK(x->account == f->owner, "frame %u of %x is bound in %u:%u by %x, without a capability", x->frame, f->owner, table, i, x->account);
	CHECK(m_level(table) || !(entry & ENTRY_WRITE) || f->state == FRAME_OWNED || f->state == FRAME_UPCALL, "frame %u, of state %u, can be written",
		x->frame, f->state);
}

static uint32_t counted[MACHINE_FRAMES];

static void check_table(frame_t table)
{
	const uint64_t *words = frame_pointer(table);
	uint32_t used = 0;

	for (uint32_t i = 0; i < 512; i++) {
		uint64_t expected = m_hardware(&m_entries[table][i], m_level(table));

		if (m_frames[table].state == FRAME_ROOT && i >= ROOT_USER_ENTRIES)
			expected = i == 256 || i == 511 ? KERNEL_MARK(i) : 0;
		if (!words[i] && !expected)
			continue;
		CHECK((words[i] & ~HARDWARE) == expected, "table %u, entry %u: %lx in the kernel, %lx in the model", table, i, words[i], expected);
		if (m_frames[table].state == FRAME_ROOT && i >= ROOT_USER_ENTRIES)
			continue;
		used++;
		counted[entry_frame(words[i])]++;
		check_right(table, i);
	}
	CHECK(used == table_entries(table), "table %u holds %u entries and says %u", table, used, table_entries(table));
}

static void check_links(frame_t f)
{
	uint32_t n = 0, before = NO_BINDING;

	CHECK(frame_table[f].bindings == counted[f], "frame %u has %u bindings and says %u", f, counted[f], frame_table[f].bindings);
	if (m_frames[f].state == FRAME_FREE)
		return;
	for (uint32_t b = frame_table[f].first; b != NO_BINDING; before = b, b = binding_link(b)->next) {
		CHECK(binding_table(b) < MACHINE_FRAMES && m_is_table(binding_table(b)), "frame %u: the link %x leads into no table", f, b);
		CHECK(*binding_entry(b) & ENTRY_PRESENT && entry_frame(*binding_entry(b)) == f, "frame %u: the entry of link %x does not name it", f, b);
		CHECK(binding_link(b)->previous == before, "frame %u: before the link %x is %x, it says %x", f, b, before, binding_link(b)->previous);
		CHECK(++n <= counted[f], "frame %u: more links than bindings", f);
	}
	CHECK(n == counted[f], "frame %u: %u links, %u bindings", f, n, counted[f]);
}

static void check_clean(void)
{
	for (frame_t f = 0; f < MACHINE_FRAMES; f++) {
		const uint64_t *words = frame_pointer(f);

		for (uint32_t i = 0; frame_table[f].clean && i < 512; i++)
			CHECK(words[i] == 0, "frame %u is said to be clean and has %lx at %x", f, words[i], i * 8);
	}
}

void check_cheap(void)
{
	CHECK(!machine_user_opened, "user memory is left open");
	check_frames();
	check_envs();
	check_held();
	check_tlb();
}

void check_costly(void)
{
	memset(counted, 0, sizeof(counted));
	for (frame_t f = 1; f < MACHINE_FRAMES; f++)
		if (m_is_table(f))
			check_table(f);
	for (frame_t f = 0; f < MACHINE_FRAMES; f++)
		check_links(f);
	for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++)
		check_slices(cpu);
	check_free_list();
	check_clean();
}

static uint64_t hash_words(uint64_t h, const void *from, size_t bytes)
{
	const uint64_t *words = from;

	for (size_t i = 0; i < bytes / 8; i++)
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15ul + (h >> 29);
	return h;
}

uint64_t check_hash(void)
{
	size_t near = offsetof(struct env, near), after = near + sizeof(struct near); /* a memory of where something is: may change at any time */
	uint64_t h = hash_words(0, frame_table, frame_count * sizeof(*frame_table));

	for (frame_t f = 1; f < MACHINE_FRAMES; f++)
		if (m_is_table(f))
			h = hash_words(h, frame_pointer(f), 2 * FRAME_SIZE);
	for EACH_ENV(e)
		if (e->live) {
			const uint8_t *k = frame_pointer(e->object);

			h = hash_words(h, k, near);
			h = hash_words(h, k + after, FRAME_SIZE - after);
			h = hash_words(h, frame_pointer(e->upcall), FRAME_SIZE);
		}
	h = hash_words(h, frame_pointer(machine_info->env_table.first), 0);
	h = hash_words(h, env_claims, sizeof(env_claims[0]) * MACHINE_SLOTS);
	return hash_words(h, machine_slices(0), MACHINE_CPUS * MACHINE_POSITIONS * sizeof(struct aegis_slice_info));
}
