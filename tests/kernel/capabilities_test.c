/* Sealed capabilities: nothing but what the kernel sealed is one, and it dies with what it names. */
#include <tests/kernel/lib.h>

#define PAGE 0x300000000000ul
static int64_t bind_with(env_id env, frame_t f, uint64_t flags, const struct aegis_cap *cap)
{
	struct aegis_binding b = { PAGE, BIND_ENTRY(f, flags) };

	return aegis_bind(env, &b, 1, cap);
}

void test_main(void)
{
	frame_t first = frame();
	struct aegis_cap cap, narrow, forged;
	uint64_t refused = 0;

	is(aegis_cap_mint(&cap, CAP_FRAMES, RIGHT_READ | RIGHT_WRITE | RIGHT_GRANT, first, 1), 0, "an_owner_seals_a_capability");
	is(aegis_cap_mint(&narrow, CAP_FRAMES, RIGHT_READ, boot->info, 1), -E_DENIED, "for_what_is_his");
	is(aegis_cap_mint(&narrow, CAP_FRAMES, RIGHT_READ, info->frames, 1), -E_INVALID, "and_exists");
	is(aegis_cap_mint(&narrow, CAP_DEVICE, RIGHT_WRITE, DEVICE_MACHINE, 1), -E_INVALID, "not_for_devices");
	is(aegis_cap_narrow(&cap, &narrow, RIGHT_READ, first, 1), 0, "it_can_be_narrowed");
	is(aegis_cap_narrow(&narrow, &forged, RIGHT_READ, first, 1), -E_DENIED, "not_further_without_the_right_to");
	is(aegis_cap_narrow(&cap, &forged, RIGHT_READ | RIGHT_EXEC, first, 1), -E_DENIED, "not_to_more_rights");
	is(aegis_cap_narrow(&cap, &forged, RIGHT_READ, first, 2), -E_DENIED, "nor_to_more_frames");
	is(aegis_cap_narrow(&cap, &forged, RIGHT_READ, first - 1, 1), -E_DENIED, "nor_to_others");

	for (uint32_t byte = 0; byte < sizeof(cap); byte++)
		for (uint32_t bit = 0; bit < 8; bit++) {
			forged = cap;
			((uint8_t *)&forged)[byte] ^= (uint8_t)(1u << bit);
			refused += bind_with(0, first, BIND_READ, &forged) == -E_DENIED;
		}
	is((int64_t)refused, sizeof(cap) * 8, "a_capability_with_any_bit_changed_is_refused");
	forged = boot->devices[DEVICE_MACHINE];
	is(bind_with(0, first, BIND_READ, &forged), -E_DENIED, "one_of_another_kind_is_refused");
	is(aegis_machine_off(&cap, 0), -E_DENIED, "and_does_not_end_the_machine");

	bind(0, PAGE, BIND_ENTRY(first, BIND_READ)); /* for the page tables */
	bind(0, PAGE, 0);
	is(aegis_frame_free(&first, 1), 1, "a_frame_is_freed");
	is(bind_with(0, first, BIND_READ, &cap), -E_DENIED, "its_capability_does_not_bring_it_back");
}
