/* A handler of the program's own in the kernel (exos/lib/net/handler.h): it works, it refuses, and nothing is left of
 * it when its program is gone, however it went. The other side is the emulator's network: it answers ARP. */
#include "lib.h"

#include <sched.h>

#include <aegis/error.h>
#include <aegis/net.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/net/handler.h>
#include <exos/lib/x86_64/calls.h>

#define SLOTS  16
#define FRAMES 5
static frame_t frames[SLOTS / 2];
static struct exos_net net;
static volatile struct aegis_ring *control;
static struct handler handler;

/* eBPF (RFC 9669). */
#define EBPF(op, to, from, off, imm)                                                                                   \
	{                                                                                                              \
		.code = (op), .registers = (uint8_t)((to) | (from) << 4), .offset = (off), .immediate = (imm)          \
	}
#define LOAD64(to, from, off)  EBPF(0x79, to, from, off, 0)
#define STORE64(to, off, from) EBPF(0x7b, to, from, off, 0)
#define CONSTANT(to, imm)      EBPF(0xb7, to, 0, 0, imm)
#define ADD(to, imm)	       EBPF(0x07, to, 0, 0, imm)
#define EXIT		       EBPF(0x95, 0, 0, 0, 0)
#define LAST		       ((FRAMES - 1) * FRAME_SIZE)
/* Counts in the last frame of its memory, if there are so many. */
static const struct aegis_ebpf counts[] = {
	LOAD64(2, 1, 16), ADD(2, LAST), LOAD64(3, 2, 0), ADD(3, 1), STORE64(2, 0, 3), CONSTANT(0, ASH_DONE), EXIT};

static const struct aegis_info *info(void) { return (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE); }
static const volatile struct aegis_frame_info *table(void)
{
	return (const volatile struct aegis_frame_info *)exos_info(EXOS_INFO_FRAMES);
}
static uint64_t in_ms(uint64_t ms) { return __builtin_ia32_rdtsc() + info()->tsc_hz / 1000 * ms; }

static void start(void)
{
	net = (struct exos_net){.frames = (uintptr_t)frames, .slots = SLOTS};
	IS(exos_net(&net), 0);
	control = exos_frame_bytes(net.control);
}

/* ARP answers come to this program; its atoms compare more than the domain's filter does. */
static uint32_t want_answers(void)
{
	struct aegis_atom atoms[] = {{.offset = 12, .size = 2, .mask = 0xffff, .value = 0x0806},
		{.offset = 20, .size = 2, .mask = 0xffff, .value = 2}};
	struct aegis_filter_spec spec = {.ring = net.ring,
		.env = (env_id)exos_environment(0),
		.atoms = (uintptr_t)atoms,
		.atom_count = 2,
		.device = DEVICE_NET0};
	int64_t filter = aegis_filter_install(&spec, &net.device);

	CHECK(filter > 0);
	return (uint32_t)filter;
}

static int64_t send_question(void)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
	struct aegis_send send = {.header = (uintptr_t)frame, .header_length = sizeof(frame)};

	memcpy(frame + 6, net.ethernet, 6);
	memcpy(frame + 22, net.ethernet, 6);
	memcpy(frame + 28, net.address, 4);
	memcpy(frame + 38, net.router, 4);
	return aegis_net_send(net.ring, &send, 1);
}

static void ask(void) { IS(send_question(), 1); }

static volatile uint64_t *counter(const struct handler *h) { return (volatile uint64_t *)(h->memory + LAST); }

/* Nobody is told: so it is looked at, with the CPU given away between. */
static bool counted(const struct handler *h, uint64_t n)
{
	uint64_t until = in_ms(10000);

	while (*counter(h) < n && __builtin_ia32_rdtsc() < until)
		sched_yield();
	return *counter(h) == n;
}

static void attach(void)
{
	start();
	IS(handler_memory(&handler, FRAMES), 0);
	IS(handler_attach(&handler, want_answers(), counts, sizeof(counts)), 0);
}

static void it_has_the_packets_and_the_program_sees_what_it_does(void)
{
	attach();
	for (uint64_t i = 1; i <= 3 * SLOTS; i++) {
		ask();
		CHECK(counted(&handler, i));
	}
	IS(control->handled, 3 * SLOTS);
	IS(control->produced, 0);
	handler_detach(&handler);
	ask();
	while (!control->produced)
		IS(exos_net_wait(0, in_ms(10000)), 0);
	IS(*counter(&handler), 3 * SLOTS);
	handler_memory_end(&handler);
}

static void what_is_asked_for_wrongly_is_refused(void)
{
	static const struct aegis_ebpf wild[] = {CONSTANT(2, 4096), LOAD64(0, 2, 0), EXIT};
	struct handler second;
	uint32_t filter;
	frame_t f;

	start();
	filter = want_answers();
	IS(handler_attach(&handler, filter, counts, sizeof(counts)), -EINVAL); /* no memory */
	IS(handler_memory(&handler, 0), -EINVAL);
	IS(handler_memory(&handler, ASH_FRAMES_MAX + 1), -EINVAL);
	IS(handler_memory(&handler, FRAMES), 0);
	IS(handler_attach(&handler, filter, wild, sizeof(wild)), -EINVAL);
	IS(handler_attach(&handler, filter, counts, sizeof(counts) - 1), -EINVAL);
	IS(handler_attach(&handler, filter, counts, 0), -EINVAL);
	IS(handler_attach(&handler, 0, counts, sizeof(counts)), -EINVAL);
	IS(handler_attach(&handler, filter, counts, sizeof(counts)), 0); /* nothing is left of the attempts */
	IS(handler_attach(&handler, filter, counts, sizeof(counts)), -EBUSY);
	IS(handler_memory(&second, FRAMES), 0);
	IS(handler_attach(&second, filter, counts, sizeof(counts)), -EBUSY);
	f = handler.first;
	IS(exos_frames_put(&f, 1), -EBUSY);	      /* neither its memory */
	IS(exos_frames_put(handler.code, 1), -EBUSY); /* nor its code, as long as it may run */
	handler_detach(&handler);
	IS(exos_frames_put(&f, 1), 1);
}

static void it_can_be_attached_again_with_what_it_knows(void)
{
	uint32_t filter;

	attach();
	filter = handler.filter;
	for (uint64_t i = 1; i < 100; i++) {
		handler_detach(&handler);
		IS(handler_attach(&handler, filter, counts, sizeof(counts)), 0);
		if (i % 20 == 0) {
			ask();
			CHECK(counted(&handler, i / 20));
		}
	}
	aegis_filter_remove(filter);
	handler_detach(&handler);
	IS(handler_attach(&handler, want_answers(), counts, sizeof(counts)), 0);
	ask();
	CHECK(counted(&handler, 5));
}

static void a_forks_child_sees_its_memory_and_does_not_end_it(void)
{
	pid_t child;

	attach();
	ask();
	CHECK(counted(&handler, 1));
	child = fork();
	if (!child) {
		struct handler own;

		IS(*counter(&handler), 1);
		IS(exos_frames_put(&handler.first, 1), -EINVAL);
		IS(exos_frames_put(handler.code, 1), -EINVAL);
		start();
		IS(handler_memory(&own, FRAMES), 0);
		_exit(0);
	}
	ENDS(child, EXITED(0));
	ask();
	CHECK(counted(&handler, 2));
}

/* What there is of code and of memory that is held, in the whole machine. */
struct held {
	uint64_t codes, rings, pinned;
};
static struct held held(void)
{
	struct held h = {0};

	for (uint64_t f = 0; f < info()->frames; f++) {
		h.codes += table()[f].state == FRAME_CODE;
		h.rings += table()[f].state == FRAME_RING;
		h.pinned += table()[f].state == FRAME_OWNED && table()[f].pins;
	}
	return h;
}
static void is_held(struct held before)
{
	struct held now = held();

	IS(now.codes, before.codes);
	IS(now.rings, before.rings);
	IS(now.pinned, before.pinned);
}

static struct held quiet(void) /* the domain's own ring is there from the first on */
{
	pid_t child = fork();

	if (!child) {
		start();
		_exit(0);
	}
	ENDS(child, EXITED(0));
	return held();
}

static void end_by(int way)
{
	if (way % 3 == 0)
		kill(getpid(), SIGKILL);
	if (way % 3 == 1)
		execl("/bin/busybox", "true", NULL);
	_exit(0);
}

/* At every stage, by all ways to go, with packets on their way; and each time memory and code are whole again: as many
 * can be had as at first. */
static void nothing_is_left_of_who_dies(void)
{
	struct held before = quiet();

	for (int turn = 0; turn < 45; turn++) {
		int stage = turn / 3 % 5, way = turn;
		pid_t child = fork();

		if (!child) {
			uint32_t filter;

			start();
			filter = want_answers();
			IS(handler_memory(&handler, ASH_FRAMES_MAX), 0);
			if (stage == 0)
				end_by(way);
			if (stage == 1) { /* its code is bound nowhere, and is not the kernel's yet */
				frame_t f[2] = {FRAME_ANY, FRAME_ANY};

				IS(exos_frames_get(f, 2), 2);
				aegis_frame_break(f, 2);
				end_by(way);
			}
			IS(handler_attach(&handler, filter, counts, sizeof(counts)), 0);
			for (int i = 0; stage > 2 && i < 8; i++)
				ask();
			if (stage == 4) { /* detached, and not given back */
				struct aegis_handler_spec none = {.filter = filter};

				IS(aegis_handler_attach(&none), 0);
			}
			end_by(way);
		}
		ENDS(child, turn % 3 ? EXITED(0) : SIGKILL);
		is_held(before);
	}
}

/* A handler goes on while its program is stopped; and ends with it when it is killed then. */
static void a_stopped_programs_handler_goes_on_until_it_is_killed(void)
{
	struct held before = quiet();
	volatile uint64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child = fork();

	if (!child) {
		attach();
		for (int i = 0; i < 4; i++)
			ask();
		*shared = (uintptr_t)handler.memory;
		for (;;)
			pause();
	}
	while (!*shared)
		sched_yield();
	kill(child, SIGSTOP);
	IS(waitpid(child, &status, WUNTRACED), child);
	handler.memory = (uint8_t *)*shared; /* it is in everybody's window */
	CHECK(counted(&handler, 4));
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
	is_held(before);
}

/* Its upcalls are disabled: an exception ends it. */
static _Noreturn void stopped_by_the_kernel(void)
{
	*(volatile uint32_t *)SELF_VA = 1;
	__builtin_trap();
}

/* Its ring comes back behind its end, when the device has sent what was on its way. */
static void comes_back(struct held before)
{
	uint64_t until = in_ms(10000);
	struct held now = held();

	while (memcmp(&now, &before, sizeof(now)) && __builtin_ia32_rdtsc() < until) {
		sched_yield();
		now = held();
	}
	is_held(before);
}

/* One that the kernel has to stop, as it takes no upcall: somebody else of the domain ends it. */
static void one_that_is_stopped_by_the_kernel_leaves_nothing(void)
{
	struct held before = quiet();
	pid_t child = fork();

	if (!child) {
		attach();
		ask();
		stopped_by_the_kernel();
	}
	ENDS(child, SIGKILL);
	comes_back(before);
}

/* The same with frames that the device has yet to send: its parent buries it meanwhile, and the rest comes back when they are sent. */
static void one_that_is_stopped_while_it_sends_keeps_nobody_up(void)
{
	struct held before = quiet();

	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork();

		if (!child) {
			attach();
			while (send_question() == 1)
				;
			stopped_by_the_kernel();
		}
		ENDS(child, SIGKILL);
		comes_back(before);
	}
}

static void linux_has_none_of_it(void) { IS(exos_here() ? 0 : exos_net(&net), exos_here() ? 0 : -ENOSYS); }

int main(int argc, char **argv)
{
	(void)argc;
	if (!exos_here())
		return run_tests((struct test[]){T(linux_has_none_of_it), {NULL, NULL}}, argv + 1);
	return run_tests(
		(struct test[]){T(it_has_the_packets_and_the_program_sees_what_it_does),
			T(what_is_asked_for_wrongly_is_refused), T(it_can_be_attached_again_with_what_it_knows),
			T(a_forks_child_sees_its_memory_and_does_not_end_it), T(nothing_is_left_of_who_dies),
			T(a_stopped_programs_handler_goes_on_until_it_is_killed),
			T(one_that_is_stopped_by_the_kernel_leaves_nothing),
			T(one_that_is_stopped_while_it_sends_keeps_nobody_up), {NULL, NULL}},
		argv + 1);
}
