/* What processes need to know of the processor: first registers, features, the shape of a signal frame. Domain lock held. */
#pragma once

#include <exos/proc/signal.h>
#include <exos/regs.h>

/* Registers and vector registers (xsave format, zeroed before) of a program at its first instruction. */
void processor_first_regs(struct regs *regs, uint64_t rip, uint64_t rsp);
void processor_first_vectors(uint8_t *xsave);
uint64_t processor_features(void);          /* for the auxiliary vector: cpuid leaf 1, edx */
uint64_t processor_signal_frame_size(void); /* the most that a signal takes of a program's stack */

/* Makes a call that a signal interrupted start again when the program goes on. */
void processor_restart_call(struct regs *regs);

/* Writes a frame for a handler onto the program's stack and turns `regs` to the handler. `mask`: what is in force again
 * afterwards. -EFAULT: the stack cannot be written, or there is no way back from the handler. */
int signal_frame_push(struct regs *regs, struct signals *signals, const struct signal_info *info, const struct signal_action *action,
	signal_set mask);
struct signal_frame_state {
	signal_set mask;
	uint64_t stack_base, stack_size;
	uint32_t stack_flags;
};
/* Takes the frame that rsp points behind off again. -EFAULT: it cannot be read or is nonsense; `regs` may be anything then. */
int signal_frame_pop(struct regs *regs, struct signal_frame_state *state);

#define SIGNAL_INFO_SIZE 128
void signal_info_pack(uint8_t to[SIGNAL_INFO_SIZE], const struct signal_info *info);
