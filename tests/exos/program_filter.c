/* Filters that are programs (exos/lib/net/program.h) on a ring of the program's own: they work, they refuse, and the frames of their code come back when the program is gone, at whatever moment. The other side is the emulator's network: it
 * answers ARP. */
#include "lib.h"

#include <aegis/bpf.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/code.h>
#include <exos/lib/net/program.h>
#include <exos/lib/x86_64/calls.h>

#define SLOTS 16
static frame_t frames[SLOTS / 2];
static struct exos_net net;
static volatile struct aegis_ring *control;

/* arp[6:2] = 2 or arp[6:2] = 4: answers; compiled, behind an atom that the domain's filter of ARP has too. And what takes any answer, as atoms. */
static const struct aegis_bpf alternatives[] = { { BPF_LD | BPF_H | BPF_ABS, 0, 0, 12 }, { BPF_JMP | BPF_JEQ, 0, 6, 0x806 }, { BPF_LD | BPF_B | BPF_ABS, 0, 0, 20 }, { BPF_JMP | BPF_JEQ, 0, 4, 0 }, { BPF_LD | BPF_B | BPF_ABS, 0, 0, 21 },
	{ BPF_JMP | BPF_JEQ, 1, 0, 2 }, { BPF_JMP | BPF_JEQ, 0, 1, 4 }, { BPF_RET, 0, 0, 1 }, { BPF_RET, 0, 0, 0 } };
static const struct aegis_bpf conjunction[] = { { BPF_LD | BPF_H | BPF_ABS, 0, 0, 12 }, { BPF_JMP | BPF_JEQ, 0, 3, 0x806 }, { BPF_LD | BPF_H | BPF_ABS, 0, 0, 20 }, { BPF_JMP | BPF_JEQ, 0, 1, 2 }, { BPF_RET, 0, 0, 1 }, { BPF_RET, 0, 0, 0 } };
#define PROGRAM(p) p, sizeof(p) / sizeof((p)[0])

static void start(void)
{
	net = (struct exos_net){ .frames = (uintptr_t)frames, .slots = SLOTS };
	IS(exos_net(&net), 0);
	control = exos_frame_bytes(net.control);
}

static void ask(void)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1 };
	struct aegis_send send = { .header = (uintptr_t)frame, .header_length = sizeof(frame) };

	memcpy(frame + 6, net.ethernet, 6);
	memcpy(frame + 22, net.ethernet, 6);
	memcpy(frame + 28, net.address, 4);
	memcpy(frame + 38, net.router, 4);
	IS(aegis_net_send(net.ring, &send, 1), 1);
}

static void answers_come(const struct aegis_bpf *program, uint32_t n, bool expect_compiled)
{
	bool compiled;

	start();
	IS(filter_program(&net, program, n, 77, &compiled), 1);
	IS(compiled, expect_compiled);
	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		const struct aegis_packet *p = (const struct aegis_packet *)((const uint8_t *)exos_frame_bytes(frames[i % SLOTS / 2]) + i % 2 * NET_SLOT_SIZE);

		ask();
		while (control->produced == i)
			exos_net_wait(i, 0);
		IS(p->tag, 77);
		IS(p->data[21], 2);
		control->consumed = i + 1;
	}
}

static void a_program_with_alternatives_is_compiled(void) { answers_come(PROGRAM(alternatives), true); }
static void a_conjunction_becomes_atoms(void) { answers_come(PROGRAM(conjunction), false); }

static void what_is_no_program_is_refused(void)
{
	struct aegis_bpf bad[sizeof(alternatives) / sizeof(alternatives[0])];

	IS(filter_program(&net, PROGRAM(alternatives), 0, NULL), -EINVAL); /* no ring */
	start();
	memcpy(bad, alternatives, sizeof(bad));
	bad[6].jt = 9; /* outside */
	IS(filter_program(&net, PROGRAM(bad), 0, NULL), -EINVAL);
	memcpy(bad, alternatives, sizeof(bad));
	bad[4].code = 0xffff; /* nothing */
	IS(filter_program(&net, PROGRAM(bad), 0, NULL), -EINVAL);
	IS(filter_program(&net, alternatives, 0, 0, NULL), -EINVAL);
	IS(filter_program(&net, alternatives, NET_BPF_MAX + 1, 0, NULL), -EINVAL);
	IS(filter_program(&net, &alternatives[8], 1, 0, NULL), 0); /* it accepts nothing */
}

static uint64_t in_state(uint16_t state)
{
	const struct aegis_info *info = (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE);
	const struct aegis_frame_info *table = (const struct aegis_frame_info *)exos_info(EXOS_INFO_FRAMES);
	uint64_t n = 0;

	for (uint64_t f = 0; f < info->frames; f++)
		n += table[f].state == state;
	return n;
}

/* Idle frames of the domain's are not free: what nobody gives back is missing from those in the end. */
static uint64_t free_frames(void) { return in_state(FRAME_FREE); }

#define FILTERS 8
/* With a frame for code that no filter has yet; with filters, one by one; in the middle of packets. */
static void one_life(int way)
{
	start();
	if (way & 1) {
		if (!code_frame())
			_exit(2);
	} else {
		for (uint64_t i = 1; i <= FILTERS; i++)
			if (filter_program(&net, PROGRAM(alternatives), 0, NULL) != 1 || in_state(FRAME_CODE) != i)
				_exit(3);
		ask();
	}
	if (way % 3 == 0)
		kill(getpid(), SIGKILL);
	if (way % 3 == 1)
		execl("/bin/busybox", "true", NULL);
	_exit(0);
}

#define LIVES 120
static void nothing_is_left_of_who_dies(void)
{
	uint64_t before = 0;

	for (int way = 0; way < LIVES; way++) {
		pid_t child = fork();

		if (!child)
			one_life(way);
		ENDS(child, way % 3 ? EXITED(0) : SIGKILL);
		IS(in_state(FRAME_CODE), 0);
		if (way == LIVES / 2) /* the domain's idle frames are as many as they become */
			before = free_frames();
	}
	CHECK(free_frames() + LIVES / 2 > before); /* in as many lives more */
}

static void one_that_is_stopped_can_be_killed(void)
{
	int status, ready[2];
	pid_t child;
	char byte;

	IS(pipe(ready), 0);
	child = fork();
	if (!child) {
		start();
		IS(filter_program(&net, PROGRAM(alternatives), 0, NULL), 1);
		write(ready[1], "", 1);
		for (;;)
			exos_net_wait(control->produced, 0);
	}
	IS(read(ready[0], &byte, 1), 1);
	IS(in_state(FRAME_CODE), 1);
	kill(child, SIGSTOP);
	IS(waitpid(child, &status, WUNTRACED), child);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
	IS(in_state(FRAME_CODE), 0);
}

static void linux_has_none_of_it(void) { IS(exos_net(&net), -ENOSYS); }

int main(int argc, char **argv)
{
	(void)argc;
	if (!exos_here())
		return run_tests((struct test[]){ T(linux_has_none_of_it), { NULL, NULL } }, argv + 1);
	return run_tests((struct test[]){ T(a_program_with_alternatives_is_compiled), T(a_conjunction_becomes_atoms), T(what_is_no_program_is_refused), T(nothing_is_left_of_who_dies), T(one_that_is_stopped_can_be_killed), { NULL, NULL } }, argv + 1);
}
