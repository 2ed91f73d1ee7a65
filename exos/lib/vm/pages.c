/* Pages of a space: mapped, unmapped, protected, and what the hardware noted of them. See space.h.
 *
 * What the hardware has noted is taken over before a page is bound anew, as that clears it; and the library's entry and the hardware's never disagree
 * in a way that a fault would not mend. */
#include <aegis/error.h>
#include <exos/lib/vm/bind.h>
#include <exos/lib/x86_64/calls.h>

static int error_of(int64_t kernel_error)
{
	switch (-kernel_error) {
	case E_DENIED:
		return -EPERM;
	case E_LIMIT:
	case E_NOFRAME:
		return -ENOMEM;
	default:
		return -EINVAL;
	}
}

int64_t bind_list(const struct aegis_binding *list, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		const struct aegis_binding *b = &list[done];
		int64_t result = aegis_bind(0, b, n - done, NULL), leaf;

		if (result == -E_NOTABLE) {
			if (b->entry & BIND_SAME || !(b->entry & BIND_READ)) {
				done++;
				continue;
			}
			leaf = exos_leaf(b->va);
			if (leaf < 0)
				return done ? (int64_t)done : leaf;
			result = aegis_bind(0, b, n - done, NULL);
		}
		if (result <= 0)
			return done ? (int64_t)done : error_of(result);
		done += (uint64_t)result;
	}
	return (int64_t)done;
}

int bind_one(const struct aegis_binding *b)
{
	int64_t result = bind_list(b, 1);

	return result < 0 ? (int)result : 0;
}

/* The number of a page; bits of va below the page make it too large, by being rotated to the top, as an address outside is. */
static inline uint64_t page_at(const struct space *s, uint64_t va) { return (va - s->start) >> FRAME_SHIFT | (va - s->start) << (64 - FRAME_SHIFT); }

static bool in_space(const struct space *s, uint64_t va, uint64_t n)
{
	uint64_t page = page_at(s, va);

	return page < s->pages && n - 1 < s->pages - page;
}

/* None, or any with reading: a bit for each that there is. */
#define RIGHTS_THAT_EXIST (1u << 0 | 1u << 1 | 1u << 3 | 1u << 5 | 1u << 7)
static inline bool rights_exist(uint64_t rights) { return rights <= ENTRY_RIGHTS && RIGHTS_THAT_EXIST >> rights & 1; }

/* What the kernel is told of an entry of ours. */
static inline uint64_t binding_of(uint64_t entry) { return entry & BIND_READ ? entry & ~ENTRY_NOTED : 0; }

/* The entry in place of another: `was`, or none. */
static void put_back(struct space *s, uint64_t page, uint64_t was)
{
	if (was)
		*page_find(s->table, page) = was;
	else
		page_remove(s->table, page);
}

/* Inserts; *was becomes what was there. */
static inline bool replace(struct space *s, uint64_t page, uint64_t entry, uint64_t *was)
{
	uint64_t *at = page_find(s->table, page);

	*was = 0;
	if (!at)
		return page_insert(s->table, page, entry);
	*was = *at;
	*at = entry;
	return true;
}

int space_map(struct space *s, uint64_t va, frame_t frame, uint64_t rights)
{
	uint64_t entry = BIND_ENTRY(frame, rights), page = space_page(s, va), was;
	int error = -ENOMEM;

	if (!in_space(s, va, 1) || !rights_exist(rights) || frame == NO_FRAME)
		return -EINVAL;
	space_change_begin();
	if (replace(s, page, entry, &was)) {
		error = bind_page(va, binding_of(entry));
		if (error)
			put_back(s, page, was);
	}
	space_change_end();
	return error;
}

/* At most AEGIS_BATCH_MAX. */
static int64_t map_batch(struct space *s, uint64_t va, const frame_t *frames, uint64_t n, uint64_t rights)
{
	struct aegis_binding list[AEGIS_BATCH_MAX];
	uint64_t was[AEGIS_BATCH_MAX], page = space_page(s, va), tried = 0;
	int64_t done;

	for (; tried < n && frames[tried] != NO_FRAME; tried++) {
		uint64_t entry = BIND_ENTRY(frames[tried], rights);

		if (!replace(s, page + tried, entry, &was[tried]))
			break;
		list[tried] = (struct aegis_binding){ va + tried * FRAME_SIZE, binding_of(entry) };
	}
	if (!tried)
		return n && frames[0] == NO_FRAME ? -EINVAL : -ENOMEM;
	done = bind_list(list, tried);
	for (uint64_t i = done > 0 ? (uint64_t)done : 0; i < tried; i++)
		put_back(s, page + i, was[i]);
	return done;
}

int64_t space_map_run(struct space *s, uint64_t va, const frame_t *frames, uint64_t n, uint64_t rights)
{
	uint64_t done = 0;

	if (!in_space(s, va, n) || !rights_exist(rights))
		return -EINVAL;
	while (done < n) {
		uint64_t count = n - done < AEGIS_BATCH_MAX ? n - done : AEGIS_BATCH_MAX;
		int64_t result;

		space_change_begin();
		result = map_batch(s, va + done * FRAME_SIZE, frames + done, count, rights);
		space_change_end();
		if (result < 0)
			return done ? (int64_t)done : result;
		done += (uint64_t)result;
		if ((uint64_t)result < count)
			break;
	}
	return (int64_t)done;
}

/* Removes what is mapped from *page on, before end, until the list is full; returns how many. */
static uint64_t remove_some(struct space *s, uint64_t *page, uint64_t end, struct aegis_binding *list, frame_t *frames)
{
	uint64_t removed = 0, entry, count;

	while (*page < end && removed < AEGIS_BATCH_MAX) {
		entry = page_remove(s->table, *page);
		count = entry ? 1 : end - *page;
		if (entry) {
			frames[removed] = (frame_t)(entry >> FRAME_SHIFT);
			list[removed++] = (struct aegis_binding){ s->start + *page * FRAME_SIZE, 0 };
		} else if (page_run(s->table, *page, &count)) {
			count = 1;
		}
		*page += count;
	}
	return removed;
}

int64_t space_unmap(struct space *s, uint64_t va, uint64_t n, frame_t *frames)
{
	struct aegis_binding list[AEGIS_BATCH_MAX];
	frame_t removed[AEGIS_BATCH_MAX];
	uint64_t page = space_page(s, va), end = page + n, total = 0, count;

	if (!in_space(s, va, n))
		return -EINVAL;
	space_change_begin();
	while ((count = remove_some(s, &page, end, list, removed))) {
		bind_list(list, count); /* breaking what is one's own does not fail */
		for (uint64_t i = 0; i < count; i++) {
			if (frames)
				frames[total + i] = removed[i];
			else
				pool_put(removed[i]);
		}
		total += count;
	}
	space_change_end();
	return (int64_t)total;
}

/* An entry of ours with other rights, and with what the hardware has noted of it so far. */
static inline uint64_t with_rights(uint64_t entry, uint64_t noted, uint64_t rights) { return (entry & ~ENTRY_RIGHTS) | (noted & ENTRY_NOTED) | rights; }

/* Ends the change as well, so that it is a tail call. */
static __attribute__((noinline)) int protect_one(struct space *s, uint64_t page, uint64_t rights)
{
	uint64_t *at = page_find(s->table, page), entry;
	int error = 0;

	if (at) {
		entry = with_rights(*at, s->hardware[page], rights);
		error = bind_page(s->start + page * FRAME_SIZE, binding_of(entry));
		if (!error)
			*at = entry;
	}
	space_change_end();
	return error;
}

static inline void set_one(uint64_t *entry, uint64_t noted, uint64_t rights)
{
	if (LIKELY(*entry))
		*entry = with_rights(*entry, noted, rights);
}

/* Eight at once: the loop's own instructions are paid once for them. */
#define AT_ONCE 8
static void set_rights(uint64_t *entry, const uint64_t *hardware, uint64_t count, uint64_t rights)
{
	uint64_t *end = entry + count, *last = entry + count / AT_ONCE * AT_ONCE;

	for (; entry != last; entry += AT_ONCE, hardware += AT_ONCE)
#pragma GCC unroll 8
		for (uint32_t i = 0; i < AT_ONCE; i++)
			set_one(entry + i, hardware[i], rights);
	for (; entry != end; entry++)
		set_one(entry, *hardware++, rights);
}

/* Breaks n bindings and leaves the entries. */
static void break_run(uint64_t va, uint64_t n)
{
	struct aegis_binding list[AEGIS_BATCH_MAX];

	while (n) {
		uint64_t count = n < AEGIS_BATCH_MAX ? n : AEGIS_BATCH_MAX;

		for (uint64_t i = 0; i < count; i++, va += FRAME_SIZE)
			list[i] = (struct aegis_binding){ va, 0 };
		bind_list(list, count);
		n -= count;
	}
}

static int bind_run(uint64_t va, uint64_t n, uint64_t rights)
{
	while (n) {
		uint64_t rest = (LEAF_SPAN - va % LEAF_SPAN) / FRAME_SIZE, count = n < rest ? n : rest;
		int error = bind_page(va, BIND_ENTRY(count, rights | BIND_SAME));

		if (error)
			return error;
		va += count * FRAME_SIZE;
		n -= count;
	}
	return 0;
}

static __attribute__((noinline)) int protect_run(struct space *s, uint64_t va, uint64_t n, uint64_t rights)
{
	uint64_t page = space_page(s, va), *entries, count;

	for (uint64_t left = n; left; left -= count, page += count) {
		count = left;
		entries = page_run(s->table, page, &count);
		if (entries)
			set_rights(entries, s->hardware + page, count, rights);
	}
	if (rights)
		return bind_run(va, n, rights);
	break_run(va, n);
	return 0;
}

int space_protect(struct space *s, uint64_t va, uint64_t n, uint64_t rights)
{
	uint64_t page = page_at(s, va);
	int error;

	if (page >= s->pages || !rights_exist(rights))
		return -EINVAL;
	space_change_begin();
	if (n == 1)
		return protect_one(s, page, rights);
	error = in_space(s, va, n) ? protect_run(s, va, n, rights) : -EINVAL;
	space_change_end();
	return error;
}

/* Forgets in a run of entries; the pages that the hardware has noted something of that is to be forgotten go into the list, and it to the kernel when
 * it is full. */
struct forgetting {
	struct aegis_binding list[AEGIS_BATCH_MAX];
	uint64_t count;
};

static void forget_one(struct forgetting *f, uint64_t va, uint64_t *entry, uint64_t hardware, uint64_t noted)
{
	if (hardware & noted) {
		*entry |= hardware & ENTRY_NOTED;
		f->list[f->count++] = (struct aegis_binding){ va, binding_of(*entry) };
	}
	*entry &= ~noted;
	if (f->count == AEGIS_BATCH_MAX) {
		bind_list(f->list, f->count);
		f->count = 0;
	}
}

int space_forget(struct space *s, uint64_t va, uint64_t n, uint64_t noted)
{
	uint64_t page = space_page(s, va), *entries, count;
	struct forgetting f;

	if (!in_space(s, va, n) || noted & ~ENTRY_NOTED)
		return -EINVAL;
	f.count = 0;
	space_change_begin();
	for (uint64_t end = page + n; page < end; page += count) {
		count = end - page;
		entries = page_run(s->table, page, &count);
		for (uint64_t i = 0; entries && i < count; i++)
			if (entries[i])
				forget_one(&f, s->start + (page + i) * FRAME_SIZE, &entries[i], s->hardware[page + i], noted);
	}
	if (f.count)
		bind_list(f.list, f.count);
	space_change_end();
	return 0;
}
