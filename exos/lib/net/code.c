/* See code.h. Frames that the program gets from ExOS are bound in the domain's window, and the kernel wants those for code bound nowhere: so the program breaks that binding. */
#include <aegis/error.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/code.h>
#include <exos/lib/x86_64/calls.h>

frame_t code_frame(void)
{
	frame_t f = FRAME_ANY;

	if (exos_frames_get(&f, 1) != 1)
		return 0;
	while (aegis_frame_break(&f, 1) == -E_AGAIN)
		;
	return f;
}
