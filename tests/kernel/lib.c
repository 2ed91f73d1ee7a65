/* See lib.h. */
#include <stdarg.h>

#include <tests/kernel/lib.h>

const struct aegis_boot *boot;
const struct aegis_info *info;
static uint32_t points, failures;

static void put(const char *s, uint64_t n)
{
	while (n) {
		int64_t taken = aegis_console_write(DEVICE_CONSOLE0, s, n);

		if (taken < 0)
			return;
		s += taken;
		n -= (uint64_t)taken;
	}
}

static uint64_t length(const char *s)
{
	uint64_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void put_number(uint64_t v, uint32_t base)
{
	char digits[24];
	uint32_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[v % base];
	while (v /= base);
	put(digits + at, sizeof(digits) - at);
}

void print(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	for (; *text; text++) {
		bool wide;
		int64_t v;

		if (*text != '%') {
			put(text, 1);
			continue;
		}
		wide = *++text == 'l';
		text += wide;
		if (*text == 's') {
			const char *s = va_arg(arguments, const char *);
			put(s, length(s));
			continue;
		}
		v = wide ? va_arg(arguments, int64_t) : *text == 'd' ? va_arg(arguments, int) : (int64_t)va_arg(arguments, uint32_t);
		if (*text == 'd' && v < 0) {
			put("-", 1);
			v = -v;
		}
		put_number((uint64_t)v, *text == 'x' ? 16 : 10);
	}
	va_end(arguments);
}

void ok(bool condition, const char *name)
{
	failures += !condition;
	print("%sok %u - %s\n", condition ? "" : "not ", ++points, name);
}

void is(int64_t got, int64_t expected, const char *name)
{
	ok(got == expected, name);
	if (got != expected)
		print("# got %ld, expected %ld\n", got, expected);
}

uint64_t random_next(uint64_t *state)
{
	uint64_t v = *state += 0x9e3779b97f4a7c15; /* splitmix64 */

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return v ^ v >> 31;
}

_Noreturn static void end(void)
{
	print("1..%u\n", points);
	aegis_machine_off(&boot->devices[DEVICE_MACHINE], failures != 0);
	for (;;)
		;
}

void do_read(void *at) { (void)*(volatile uint8_t *)at; }
void do_write(void *at) { *(volatile uint8_t *)at = 1; }
void do_execute(void *at) { ((void (*)(void))at)(); }

frame_t frame(void)
{
	frame_t f = FRAME_ANY;

	if (aegis_frame_alloc(&f, 1) != 1) {
		ok(false, "there_is_a_frame_for_the_test_itself");
		end();
	}
	return f;
}

void give(frame_t f)
{
	int64_t result = aegis_frame_free(&f, 1);

	if (result != 1)
		is(result, 1, "a_frame_of_the_test_itself_can_be_given_back");
}

/* Two free frames in a row, from the exposed table: any would do, these are the first. */
frame_t pair(void)
{
	static frame_t from = 1;
	frame_t f = from, begun = from;

	for (;;) {
		frame_t both[2] = { f, f + 1 };
		int64_t taken = f + 1 < info->frames && frame_in_table(f).state == FRAME_FREE && frame_in_table(f + 1).state == FRAME_FREE ?
					aegis_frame_alloc(both, 2) : 0;

		if (taken == 2) {
			from = f + 2;
			return f;
		}
		if (taken == 1)
			give(f);
		f = f + 1 < info->frames ? f + 1 : 1;
		if (f == begun) {
			ok(false, "there_is_a_pair_of_frames_for_the_test_itself");
			end();
		}
	}
}

void give_pair(frame_t f)
{
	give(f);
	give(f + 1);
}

/* Before the frame table can be looked at. Frames that come one after the other mostly are neighbours. */
static bool early = true;
static frame_t early_pair(void)
{
	frame_t f = frame(), next = frame();

	while (next != f + 1) {
		f = next;
		next = frame();
	}
	return f;
}

int64_t bind_once(env_id env, uint64_t va, uint64_t entry)
{
	struct aegis_binding page = { va, entry };

	return aegis_bind(env, &page, 1, NULL);
}

int64_t bind(env_id env, uint64_t va, uint64_t entry)
{
	int64_t result;

	while ((result = bind_once(env, va, entry)) == -E_NOTABLE) {
		for (uint32_t level = 3; level > 0; level--) {
			frame_t f = early ? early_pair() : pair();

			/* one that is there already refuses another */
			if (bind_once(env, va & ~((FRAME_SIZE << 9 * level) - 1), BIND_ENTRY(f, BIND_READ | BIND_LEVEL(level))) == 1)
				break;
			give_pair(f);
		}
	}
	return result;
}

uint64_t free_frames(void) { return ((volatile const struct aegis_info *)info)->frames_free; }

#define TABLE_WINDOW 0x200000000000ul
static const volatile void *table_entry(const struct aegis_range *table, uint64_t index, size_t size)
{
	uint64_t at = index * size;

	bind(0, TABLE_WINDOW, BIND_ENTRY(table->first + at / FRAME_SIZE, BIND_READ));
	bind(0, TABLE_WINDOW + FRAME_SIZE, BIND_ENTRY(table->first + at / FRAME_SIZE + (at / FRAME_SIZE + 1 < table->count), BIND_READ));
	return (const volatile void *)(TABLE_WINDOW + at % FRAME_SIZE);
}

struct aegis_frame_info frame_in_table(frame_t f)
{
	return *(const volatile struct aegis_frame_info *)table_entry(&info->frame_table, f, sizeof(struct aegis_frame_info));
}

struct aegis_env_info env_in_table(env_id env)
{
	uint64_t slot = env_slot_of(info, env);

	return *(const volatile struct aegis_env_info *)table_entry(&info->env_table, slot, sizeof(struct aegis_env_info));
}

void event_taken(void);
void event_taken(void)
{
	uint64_t bits = __atomic_exchange_n(&LOCAL->upcall.pending, 0, __ATOMIC_RELAXED);

	LOCAL->events |= bits;
	if (bits & EVENT_SLICE_END) {
		LOCAL->slice_ends++;
		yield(0);
	}
}

/* The table of the slot that holds the image, which children share: in the exposed frame table it is the first of its level, as the kernel
 * made it first. */
static frame_t image_table(void)
{
	static frame_t found;

	for (frame_t f = 0; !found && f < info->frames; f++) {
		struct aegis_frame_info entry = frame_in_table(f);

		if (entry.state == FRAME_TABLE3 && entry.owner == boot->env)
			found = f;
	}
	return found;
}

void child_run(struct child *c);
void child_run(struct child *c)
{
	c->run(c->argument);
	c->done = true;
	for (;;)
		sleep_until(0, 0);
}

env_id child_make(struct child *c, void (*run)(void *), void *argument, uint64_t account_limit)
{
	extern char child_start[];
	struct aegis_env_spec spec = {
		.object = frame(), .root = pair(), .upcall = frame(),
		.flags = account_limit ? ENV_NEW_ACCOUNT : 0,
		.limits = { .frames = account_limit, .slices = 8, .environments = 8, .filters = info->net_devices ? 64 : 0 },
		.keeper = boot->env,
		.entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry },
		.rip = (uint64_t)child_start,
		.rsp = (uint64_t)(c->stack + sizeof(c->stack)),
		.argument = (uint64_t)c,
	};
	int64_t env;

	bind(0, TABLE_WINDOW, BIND_ENTRY(spec.upcall, BIND_READ | BIND_WRITE)); /* struct local starts as zero */
	for (uint32_t word = 0; word < FRAME_SIZE / 8; word++)
		((volatile uint64_t *)TABLE_WINDOW)[word] = 0;
	bind_once(0, TABLE_WINDOW, 0);
	env = aegis_env_create(&spec);
	c->frames[0] = spec.object, c->frames[1] = spec.root, c->frames[2] = spec.upcall, c->frames[3] = spec.root + 1;
	c->run = run;
	c->argument = argument;
	c->done = false;
	c->env = env > 0 ? (env_id)env : 0;
	if (env < 0) {
		aegis_frame_free(c->frames, 4);
		return 0;
	}
	for (uint32_t level = 3; level > 0; level--) {
		c->tables[level - 1] = pair();
		bind_once(c->env, (uint64_t)LOCAL & ~((FRAME_SIZE << 9 * level) - 1),
			BIND_ENTRY(c->tables[level - 1], BIND_READ | BIND_LEVEL(level)));
	}
	bind_once(c->env, (uint64_t)LOCAL, BIND_ENTRY(spec.upcall, BIND_READ | BIND_WRITE));
	bind_once(c->env, 0, BIND_ENTRY(image_table(), BIND_READ | BIND_LEVEL(3)));
	return c->env;
}

const struct local *child_local(const struct child *c)
{
	bind(0, TABLE_WINDOW + 2 * FRAME_SIZE, BIND_ENTRY(c->frames[2], BIND_READ));
	return (const struct local *)(TABLE_WINDOW + 2 * FRAME_SIZE);
}

bool child_finish(struct child *c)
{
	while (!c->done)
		if (yield(c->env) < 0)
			return c->done;
	return true;
}

int64_t child_end(struct child *c)
{
	int64_t result;

	do
		result = aegis_env_destroy(c->env);
	while (result == -E_AGAIN);
	aegis_frame_free(c->frames, 4);
	for (int level = 0; level < 3; level++)
		give_pair(c->tables[level]);
	return result;
}

bool run_child(void (*run)(void *), void *argument, uint64_t account_limit)
{
	static struct child c;
	bool finished = child_make(&c, run, argument, account_limit) && child_finish(&c);

	return child_end(&c) == 0 && finished;
}

void test_first(const struct aegis_boot *from);
void test_first(const struct aegis_boot *from)
{
	struct aegis_entries entries = { .exception = (uint64_t)upcall_entry, .event = (uint64_t)upcall_entry };

	boot = from;
	info = (const void *)(AEGIS_START_VA + 2 * FRAME_SIZE);
	aegis_device_bind(&boot->devices[DEVICE_CONSOLE0], 0);
	bind(0, (uint64_t)LOCAL, BIND_ENTRY(boot->upcall, BIND_READ | BIND_WRITE));
	aegis_env_entries(&entries);
	bind(0, TABLE_WINDOW, BIND_ENTRY(boot->upcall, BIND_READ)); /* its tables, before they are needed to find some */
	early = false;
	test_main();
	end();
}
