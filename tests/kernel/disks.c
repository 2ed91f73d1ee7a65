/* See disks.h. */
#include <tests/kernel/disks.h>

#define WINDOW 0x230000000000ul

int64_t disk_open(struct disk_port *p, uint64_t va)
{
	struct aegis_queue_spec spec = { .object = FRAME_ANY, .control = FRAME_ANY };
	struct aegis_binding page;

	if (aegis_frame_alloc(&spec.object, 1) != 1 || aegis_frame_alloc(&spec.control, 1) != 1)
		return -E_NOFRAME;
	*p = (struct disk_port){ .name = spec.object, .control = spec.control, .queue = (struct aegis_queue *)va };
	page = (struct aegis_binding){ va, BIND_ENTRY(spec.control, BIND_READ | BIND_WRITE) };
	aegis_bind(0, &page, 1, NULL);
	return aegis_queue_create(&spec);
}

int64_t disk_close(struct disk_port *p)
{
	struct aegis_binding page = { (uint64_t)p->queue, 0 };
	frame_t frames[2] = { p->name, p->control };
	int64_t result;

	while ((result = aegis_queue_destroy(p->name)) == -E_AGAIN)
		;
	aegis_bind(0, &page, 1, NULL);
	aegis_frame_free(frames, 2);
	return result;
}

struct aegis_disk_request *request_of(uint32_t operation, uint32_t slot, uint64_t sector, uint32_t count, const frame_t *frames)
{
	static struct aegis_disk_request r;
	static uint64_t tag;

	r = (struct aegis_disk_request){ .tag = ++tag, .sector = sector, .count = count, .slot = (uint16_t)slot, .operation = (uint8_t)operation, .frames = (uint64_t)frames };
	return &r;
}

int64_t disk_hand(struct disk_port *p, const struct aegis_disk_request *r) { return aegis_disk_submit(p->name, r, 1); }

bool disk_next(struct disk_port *p, struct aegis_completion *c)
{
	if (p->queue->produced == p->seen)
		return false;
	*c = p->queue->completions[p->seen % QUEUE_COMPLETIONS];
	p->queue->consumed = ++p->seen;
	return true;
}

struct aegis_completion disk_wait(struct disk_port *p)
{
	struct aegis_completion c;

	while (!disk_next(p, &c))
		;
	return c;
}

int64_t disk_do(struct disk_port *p, const struct aegis_disk_request *r)
{
	int64_t result;
	uint64_t tag = r->tag;
	struct aegis_completion c;

	while ((result = disk_hand(p, r)) == -E_FULL || result == -E_AGAIN)
		;
	if (result != 1)
		return result;
	do
		c = disk_wait(p);
	while (c.tag != tag);
	return c.result;
}

const volatile struct aegis_disk_info *disk_info(void)
{
	bind(0, WINDOW, BIND_ENTRY(info->disk.first, BIND_READ));
	return (const volatile void *)WINDOW;
}

struct aegis_block_info block_in_table(frame_t f)
{
	uint64_t at = f * sizeof(struct aegis_block_info);

	for (uint32_t i = 0; i < 2; i++)
		bind(0, WINDOW + (1 + i) * FRAME_SIZE, BIND_ENTRY(info->block_table.first + at / FRAME_SIZE + (i && at / FRAME_SIZE + 1 < info->block_table.count), BIND_READ));
	return *(const volatile struct aegis_block_info *)(WINDOW + FRAME_SIZE + at % FRAME_SIZE);
}

frame_t block_frame(uint64_t block)
{
	uint64_t at = block_hash(block, info->block_hashes) * sizeof(frame_t);
	struct aegis_block_info entry;
	frame_t f;

	bind(0, WINDOW + 3 * FRAME_SIZE, BIND_ENTRY(info->block_index.first + at / FRAME_SIZE, BIND_READ));
	for (f = *(const volatile frame_t *)(WINDOW + 3 * FRAME_SIZE + at % FRAME_SIZE); f; f = entry.next) {
		entry = block_in_table(f);
		if (entry.block == block)
			break;
	}
	return f;
}

void pattern_fill(void *page, uint64_t of)
{
	uint64_t *words = page;

	for (uint64_t i = 0; i < FRAME_SIZE / 8; i++)
		words[i] = of * 0x9e3779b97f4a7c15 + i;
}

bool pattern_is(const void *page, uint64_t of)
{
	const volatile uint64_t *words = page;

	for (uint64_t i = 0; i < FRAME_SIZE / 8; i++)
		if (words[i] != of * 0x9e3779b97f4a7c15 + i)
			return false;
	return true;
}
