/* See page_source.h. */
#include <sys/mman.h>

#include <exos/lib/vm/page_source.h>

#define CHUNK_PAGES 16

struct free_page {
	struct free_page *next;
	size_t used; /* not 0: something may stand in it */
};
static struct free_page *idle;

static void *map(size_t pages, int flags)
{
	void *p = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void give_idle(void *memory, size_t used)
{
	struct free_page *page = memory;

	*page = (struct free_page){ idle, used };
	idle = page;
}

static void *get(struct page_source *source, size_t pages)
{
	struct free_page *page;
	char *chunk;

	(void)source;
	if (pages != 1)
		return map(pages, 0);
	if (!idle) {
		chunk = map(CHUNK_PAGES, MAP_POPULATE);
		if (!chunk)
			return NULL;
		for (size_t i = CHUNK_PAGES; i--;)
			give_idle(chunk + i * PAGE_SIZE, 0);
	}
	page = idle;
	idle = page->next;
	__builtin_memset(page, 0, page->used ? PAGE_SIZE : sizeof(*page));
	return page;
}

static void put(struct page_source *source, void *memory, size_t pages)
{
	(void)source;
	if (pages == 1)
		give_idle(memory, 1);
	else
		munmap(memory, pages * PAGE_SIZE);
}

static struct page_source mmap_source = { get, put };
struct page_source *const page_source_mmap = &mmap_source;
