/* A ring of the program's own (exos/program.h: net, net_wait): it works, it refuses, and nothing is left of it when its program is gone, however it went. The
 * other side is the emulator's network: it answers ARP. */
#include "lib.h"
#include "random.h"

#include <aegis/error.h>
#include <aegis/net.h>
#include <aegis/x86_64/stubs.h>
#include <exos/lib/x86_64/calls.h>

#define SLOTS 16
static frame_t frames[SLOTS / 2];
static struct exos_net net;
static volatile struct aegis_ring *control;
static volatile sig_atomic_t signals;

static int64_t take(uint32_t slots)
{
	net = (struct exos_net){ .frames = (uintptr_t)frames, .slots = slots };
	return exos_net(&net);
}

static void start(void)
{
	IS(take(SLOTS), 0);
	control = exos_frame_bytes(net.control);
}

static const struct aegis_info *info(void) { return (const struct aegis_info *)exos_info(EXOS_INFO_MACHINE); }
static uint64_t in_ms(uint64_t ms) { return __builtin_ia32_rdtsc() + info()->tsc_hz / 1000 * ms; }

static const struct aegis_packet *packet(uint32_t n)
{
	n %= SLOTS;
	return (const struct aegis_packet *)((const uint8_t *)exos_frame_bytes(frames[n / 2]) + n % 2 * NET_SLOT_SIZE);
}

/* ARP answers come to this program; its atoms compare more than the domain's filter does. */
static int64_t want_answers(void)
{
	struct aegis_atom atoms[] = { { .offset = 12, .size = 2, .mask = 0xffff, .value = 0x0806 }, { .offset = 20, .size = 2, .mask = 0xffff, .value = 2 } };
	struct aegis_filter_spec spec = { .ring = net.ring, .env = (env_id)exos_environment(0), .tag = 77, .atoms = (uintptr_t)atoms, .atom_count = 2, .device = DEVICE_NET0 };

	return aegis_filter_install(&spec, &net.device);
}

static int64_t ask(uint8_t first_of_source)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1 };
	struct aegis_send send = { .header = (uintptr_t)frame, .header_length = sizeof(frame) };

	memcpy(frame + 6, net.ethernet, 6);
	frame[6] ^= first_of_source;
	memcpy(frame + 22, net.ethernet, 6);
	memcpy(frame + 28, net.address, 4);
	memcpy(frame + 38, net.router, 4);
	return aegis_net_send(net.ring, &send, 1);
}

static void expect_answer(uint32_t seen)
{
	while (control->produced == seen)
		IS(exos_net_wait(seen, in_ms(10000)), 0);
	IS(packet(seen)->tag, 77);
	IS(memcmp(packet(seen)->data + 28, net.router, 4), 0);
	control->consumed = seen + 1;
}

static void packets_come_and_go(void)
{
	start();
	CHECK(net.address[0] && net.router[0] && net.mtu >= 576);
	CHECK(want_answers() > 0);
	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		IS(ask(0), 1);
		expect_answer(i);
	}
	IS(control->refused, 0);
}

static void what_is_asked_for_wrongly_is_refused(void)
{
	struct exos_net *nowhere = (struct exos_net *)8;

	IS(exos_net_wait(0, 0), -EINVAL);
	IS(take(0), -EINVAL);
	IS(take(3), -EINVAL);
	IS(take(2 * NET_SLOTS_MAX), -EINVAL);
	IS(exos_net(nowhere), -EFAULT);
	net = (struct exos_net){ .frames = 8, .slots = SLOTS };
	IS(exos_net(&net), -EFAULT);
	start(); /* nothing is left of the attempts */
	IS(take(SLOTS), -EBUSY);
}

static void others_addresses_cannot_be_sent_from(void)
{
	start();
	IS(ask(2), -E_DENIED);
	IS(control->refused, 1);
}

static void the_capability_cannot_be_handed_on(void)
{
	struct aegis_cap narrow;

	start();
	CHECK(aegis_cap_narrow(&net.device, &narrow, RIGHT_WRITE, DEVICE_NET0, 1) < 0);
}

static void a_wait_ends_at_its_deadline(void)
{
	uint64_t deadline;

	start();
	deadline = in_ms(20);
	while (exos_net_wait(control->produced, deadline) == 0)
		;
	IS(exos_net_wait(control->produced, deadline), -ETIMEDOUT);
	CHECK(__builtin_ia32_rdtsc() >= deadline);
}

static void count(int number)
{
	(void)number;
	signals++;
}

static void a_wait_ends_with_a_signal(void)
{
	pid_t child, parent = getpid();

	start();
	signal(SIGUSR1, count);
	child = fork();
	if (!child)
		for (;;)
			kill(parent, SIGUSR1);
	while (exos_net_wait(control->produced, 0) != -EINTR)
		;
	CHECK(signals > 0);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
}

static void a_childs_ring_is_its_own(void)
{
	pid_t child;

	start();
	CHECK(want_answers() > 0);
	child = fork();
	if (!child) {
		IS(exos_net_wait(0, 0), -EINVAL);
		start();
		IS(exos_net_wait(control->produced + 1, 0), 0);
		_exit(0);
	}
	ENDS(child, EXITED(0));
	IS(ask(0), 1);
	expect_answer(0);
}

static uint64_t rings(void)
{
	const struct aegis_frame_info *table = (const struct aegis_frame_info *)exos_info(EXOS_INFO_FRAMES);
	uint64_t n = 0;

	for (uint64_t f = 0; f < info()->frames; f++)
		n += table[f].state == FRAME_RING;
	return n;
}

/* In the middle of a stream of questions, by all ways to go; what is sent as they die is waited for. */
static void nothing_is_left_of_who_dies(void)
{
	uint64_t before;
	pid_t child;

	child = fork(); /* the domain's own ring is there from the first on */
	if (!child) {
		start();
		_exit(0);
	}
	ENDS(child, EXITED(0));
	before = rings();
	for (int way = 0; way < 30; way++) {
		child = fork();
		if (!child) {
			start();
			if (want_answers() <= 0 || rings() != before + 1)
				_exit(2);
			for (int i = 0; i < 8; i++)
				ask(0);
			if (way % 3 == 0)
				kill(getpid(), SIGKILL);
			if (way % 3 == 1)
				execl("/bin/busybox", "true", NULL);
			_exit(0);
		}
		ENDS(child, way % 3 ? EXITED(0) : SIGKILL);
		IS(rings(), before);
	}
}

static void one_that_is_stopped_can_be_killed(void)
{
	uint64_t before = rings();
	int status, ready[2];
	pid_t child;
	char byte;

	IS(pipe(ready), 0);
	child = fork();
	if (!child) {
		start();
		ask(0);
		write(ready[1], "", 1);
		for (;;)
			exos_net_wait(control->produced, 0);
	}
	IS(read(ready[0], &byte, 1), 1);
	kill(child, SIGSTOP);
	IS(waitpid(child, &status, WUNTRACED), child);
	kill(child, SIGKILL);
	ENDS(child, SIGKILL);
	CHECK(rings() <= before + 1); /* the domain's */
}

/* Small frames, with pauses of all lengths in which the device has nothing to do, are all sent in the end: neither it nor the kernel sleeps while the other has told it something. */
static void the_device_never_misses_a_frame(void)
{
	struct random r = { random_seed() };

	start();
	for (uint32_t n = 0; n < 100000; n++) {
		uint64_t until = in_ms(10000);

		while (ask(0) != 1)
			CHECK(__builtin_ia32_rdtsc() < until);
		for (volatile uint64_t pause = random_below(&r, 300); pause; pause--)
			;
	}
}

static void linux_has_none_of_it(void) { IS(exos_here() ? 0 : take(SLOTS), exos_here() ? 0 : -ENOSYS); }

int main(int argc, char **argv)
{
	(void)argc;
	if (!exos_here())
		return run_tests((struct test[]){ T(linux_has_none_of_it), { NULL, NULL } }, argv + 1);
	return run_tests((struct test[]){ T(packets_come_and_go), T(what_is_asked_for_wrongly_is_refused), T(others_addresses_cannot_be_sent_from), T(the_capability_cannot_be_handed_on),
		T(a_wait_ends_at_its_deadline), T(a_wait_ends_with_a_signal), T(a_childs_ring_is_its_own), T(nothing_is_left_of_who_dies), T(one_that_is_stopped_can_be_killed),
		T(the_device_never_misses_a_frame), { NULL, NULL } }, argv + 1);
}
