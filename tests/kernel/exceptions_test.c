/* Exceptions reach the environment's own handler, with what it needs to know; what a user may not do is one of them; and a fault where none can be
 * delivered stops the environment, and nobody else. */
#include <tests/kernel/lib.h>

#define PAGE 0x300000000000ul

static void touch(void *address) { *(volatile uint8_t *)address = 1; }
static void jump(void *address) { ((void (*)(void))address)(); }

static void vectors(void)
{
	is((int64_t)attempt(do_ud2, NULL), 6, "an_invalid_opcode_is_vector_6");
	is((int64_t)attempt(do_divide, NULL), 0, "a_division_by_zero_is_vector_0");
	is((int64_t)attempt(do_hlt, NULL), 13, "hlt_is_refused");
	is((int64_t)attempt(do_cli, NULL), 13, "cli_is_refused");
	is((int64_t)attempt(do_out, NULL), 13, "out_is_refused");
	is((int64_t)attempt(do_wrmsr, NULL), 13, "wrmsr_is_refused");
	is((int64_t)attempt(do_lgdt, NULL), 13, "lgdt_is_refused");
	is((int64_t)attempt(do_noncanonical, NULL), 13, "a_non_canonical_address_is_vector_13");
}

static void page_faults(void)
{
	frame_t f = frame();

	is((int64_t)attempt(touch, (void *)(PAGE + 5)), 14, "an_unbound_page_faults");
	is((int64_t)LOCAL->upcall.frame.address, PAGE + 5, "the_handler_is_told_the_address");
	is((int64_t)LOCAL->upcall.frame.error & 7, 6, "and_that_it_was_a_write_from_user_mode_to_nothing");
	bind(0, PAGE, BIND_ENTRY(f, BIND_READ | BIND_WRITE));
	is((int64_t)attempt(touch, (void *)PAGE), (int64_t)RETURNED, "a_bound_page_does_not");
	is((int64_t)attempt(jump, (void *)PAGE), 14, "data_is_not_executed");
	bind(0, PAGE, BIND_ENTRY(f, BIND_READ));
	is((int64_t)attempt(touch, (void *)PAGE), 14, "a_page_without_write_permission_is_not_written");
	is((int64_t)LOCAL->upcall.frame.error & 7, 7, "which_is_told_from_a_missing_one");
	is((int64_t)attempt(touch, (void *)0xffff800000000000ul), 14, "the_kernels_half_is_out_of_reach");
	is((int64_t)attempt(touch, (void *)0xffffffff80100000ul), 14, "and_so_is_the_kernel");
	bind(0, PAGE, 0);
	aegis_frame_free(&f, 1);
}

static struct child child;

static void fault_in_upcall(void *unused)
{
	(void)unused;
	LOCAL->upcall.disabled = 1; /* as if inside its handler */
	do_ud2(NULL);
}

static void second_fault(void)
{
	env_id env = child_make(&child, fault_in_upcall, NULL, 0);
	struct aegis_env_info entry;

	LOCAL->events = 0;
	while (yield(env) == 0) /* more than once if our slice ended meanwhile: it has none */
		;
	sleep_until(EVENT_PEER, ticks() + info->tsc_hz);
	is((int64_t)((LOCAL->events | LOCAL->upcall.pending) & EVENT_PEER), EVENT_PEER, "the_keeper_of_an_environment_that_cannot_be_told_is_told");
	entry = env_in_table(env);
	is(entry.state, ENV_STOPPED, "the_environment_is_stopped");
	is((int64_t)entry.stop_cause, 6, "for_the_cause_that_it_was");
	is(yield(env), -E_NOENV, "and_does_not_run_again");
	is(child_end(&child), 0, "it_can_be_destroyed");
	LOCAL->upcall.pending = 0;
}

void test_main(void)
{
	vectors();
	page_faults();
	second_fault();
}
