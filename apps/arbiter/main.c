/* The arbiter, from top to bottom: it makes the tenants that the policy names, ExOS first, and then sees to it that each has what the policy
 * wants it to have. Everything that it does any program could do that holds these capabilities. */
#include <apps/arbiter/arbiter.h>
#include <apps/arbiter/lib.h>

#define MACHINE_FAILED 125
#define OWN_FRAMES 64 /* that the arbiter may still need */
#define LOOK_MS 2     /* how often it looks while ExOS is being loaded */

const struct aegis_boot *boot;
const struct aegis_info *info;
const volatile struct aegis_frame_info *frame_table;
const volatile struct aegis_env_info *env_table;
struct policy policy;
const char *policy_name = "policy";
struct tenant tenants[POLICY_TENANTS];
uint32_t pool;

static struct aegis_upcall *upcall(void) { return (struct aegis_upcall *)(AEGIS_START_VA + FRAME_SIZE); }

uint64_t wait(uint64_t events, uint64_t until, env_id to)
{
	switch_call(CALL_sleep, events, until, to);
	return __atomic_exchange_n(&upcall()->pending, 0, __ATOMIC_ACQUIRE);
}

_Noreturn void give_up(const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	say_va(text, arguments);
	va_end(arguments);
	aegis_machine_off(&boot->devices[DEVICE_MACHINE], MACHINE_FAILED);
	for (;;)
		wait(0, 0, 0);
}

/* On the page after the image, whose file ends with its section headers. */
static void read_policy(void)
{
	const struct elf_header *image = (const void *)boot->module_va;
	uint64_t at = image->sections + (uint64_t)image->section_size * image->section_count;
	const struct policy_block *block = (const void *)(boot->module_va + ((at + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1)));
	struct policy_error error;

	if (at + FRAME_SIZE + sizeof(*block) > boot->module_bytes || block->magic != POLICY_MAGIC || block->bytes > boot->module_bytes)
		give_up("no policy follows the arbiter in the boot module");
	policy_name = block->name;
	if (!policy_parse(&policy, (const char *)(block + 1), block->bytes, &error))
		give_up("%s:%u: %s '%s'", policy_name, error.line, error.text, error.word);
}

static uint64_t after_ms(uint64_t n) { return ticks() + info->tsc_hz / 1000 * n; }

static void make_tenants(void)
{
	uint64_t filters = env_table[env_slot_of(info, boot->env)].limits.filters;

	for (uint32_t i = 0; i < policy.count; i++) {
		tenants[i].policy = &policy.tenants[i];
		tenants[i].limit = policy_frames(&policy.tenants[i].frames, pool);
		tenants[i].filters = (uint32_t)(filters * tenants[i].limit / pool);
	}
	for (uint32_t i = 0; i < policy.count; i++) {
		if (policy.tenants[i].kind != KIND_EXOS)
			continue;
		tenant_make(&tenants[i]);
		while (!tenant_loaded(&tenants[i])) {
			wait(EVENT_PEER, after_ms(LOOK_MS), tenants[i].env);
			tenant_check(&tenants[i]);
		}
	}
	for (uint32_t i = 0; i < policy.count; i++)
		if (policy.tenants[i].kind != KIND_EXOS)
			tenant_make(&tenants[i]);
}

_Noreturn void arbiter_main(const struct aegis_boot *from);
_Noreturn void arbiter_main(const struct aegis_boot *from)
{
	boot = from;
	info = (const void *)(AEGIS_START_VA + 2 * FRAME_SIZE);
	upcall()->disabled = 1; /* for good: events are looked at when it wakes, and a slice's end needs no answer */
	read_policy();
	memory_start();
	pool = ((const volatile struct aegis_info *)info)->frames_free + module_frames() - OWN_FRAMES * (policy.count + 1);
	balance_check();
	make_tenants();
	for (;;) {
		uint64_t next = ticks() + info->tsc_hz / 1000000 * policy.every_us;

		while (ticks() < next) {
			wait(EVENT_PEER, next, 0);
			for (uint32_t i = 0; i < policy.count; i++)
				tenant_check(&tenants[i]);
		}
		balance();
	}
}
