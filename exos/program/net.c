/* A ring on the network interface for a program that brings its own protocols. Domain lock held.
 *
 * The ring is made in the program's environment, which gets EVENT_NET when there is room to send again, and of packets by the program's own filters. Its frames
 * are the domain's: the program sees them in the window, and has no name for them by which it could give them back. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/interface/interface.h>
#include <exos/linux/linux.h>
#include <exos/program/calls.h>
#include <exos/program/handler.h>
#include <exos/program/program.h>
#include <exos/sched/wait.h>
#include <exos/start.h>

#define CONFIGURED_NS 10000000000ul
#define REAP_NS 1000000ul

struct program_net {
	struct program_net *next; /* of those that are left over */
	frame_t ring;    /* 0: there is none */
	frame_t control; /* NO_FRAME: none */
	frame_t *frames; /* two slots in each; NO_FRAME behind the last */
	uint32_t slots;
	struct wait_queue waiting;
};

/* Of processes that are gone, which the device reads from yet. The keeper's alone: nobody but it ends another's. */
static struct program_net *left_over;

static const struct aegis_ring *page_of(const struct program_net *n) { return frame_address(n->control); }

static void give_frames(struct program_net *n)
{
	for (uint32_t i = 0; n->frames && i < n->slots / 2 && n->frames[i] != NO_FRAME; i++)
		frame_put(n->frames[i]);
	if (n->control != NO_FRAME)
		frame_put(n->control);
	heap_free(n->frames);
	heap_free(n);
}

static bool take_frames(struct program_net *n, uint32_t slots)
{
	n->slots = slots;
	n->frames = heap_alloc(slots / 2 * sizeof(*n->frames));
	n->control = frame_get();
	for (uint32_t i = 0; n->frames && i < slots / 2; i++)
		if ((n->frames[i] = frame_get()) == NO_FRAME)
			return false;
	return n->frames && n->control != NO_FRAME;
}
_Static_assert(NET_SLOTS_MAX / 2 * sizeof(frame_t) <= HEAP_MAX, "one piece of memory");

static int make_ring(struct program_net *n)
{
	struct aegis_ring_spec spec = { .object = frame_get_bare(), .control = n->control, .device = DEVICE_NET0, .slots = n->slots, .frames = (uintptr_t)n->frames };

	if (spec.object == NO_FRAME)
		return -ENOMEM;
	if (aegis_ring_create(&spec) < 0) {
		frame_put_bare(spec.object);
		return -EAFNOSUPPORT;
	}
	n->ring = spec.object;
	return 0;
}

/* Others run meanwhile, who must not find it: p->net is null. */
static void end(struct program_net *n)
{
	if (n->ring) {
		while (aegis_ring_destroy(n->ring) == -E_AGAIN)
			sched_yield_slice();
		frame_put_bare(n->ring);
	}
	give_frames(n);
}

void program_net_release(struct proc *p)
{
	struct program_net *n = p->net;

	p->net = NULL;
	if (n)
		end(n);
}

/* False: the device has frames of it. Each call ends one filter at least, of so many as there are in the machine. */
static bool end_now(struct program_net *n)
{
	for (uint64_t calls = n->ring ? interface_info()->filters + 1 : 0; calls && aegis_ring_destroy(n->ring) == -E_AGAIN; calls--)
		if (calls == 1)
			return false;
	if (n->ring)
		frame_put_bare(n->ring);
	give_frames(n);
	return true;
}

void program_net_stop(struct proc *p)
{
	struct program_net *n = p->net;

	p->net = NULL;
	if (!n || end_now(n))
		return;
	n->next = left_over;
	left_over = n;
}

void program_net_reap(void)
{
	struct program_net **place = &left_over, *n;

	while ((n = *place)) {
		struct program_net *next = n->next;

		if (end_now(n))
			*place = next;
		else
			place = &n->next;
	}
}

uint64_t program_net_due(void) { return left_over ? time_deadline(REAP_NS) : 0; }

static int describe(struct exos_net *to, const struct program_net *n)
{
	const struct net_ipv4 *ip = net_ipv4(interface_stack());
	const struct aegis_net_info *info = interface_info();

	to->ring = n->ring;
	to->control = n->control;
	to->mtu = info->mtu;
	memcpy(to->ethernet, info->address, sizeof(to->ethernet));
	memcpy(to->address, ip->address, sizeof(to->address));
	memcpy(to->mask, ip->mask, sizeof(to->mask));
	memcpy(to->router, ip->router, sizeof(to->router));
	interface_router(to->router_ethernet);
	if (aegis_cap_narrow(start_device(DEVICE_NET0), &to->device, RIGHT_READ | RIGHT_WRITE, DEVICE_NET0, 1) < 0)
		return -EAFNOSUPPORT;
	return copy_out(ADDRESS(void, to->frames), n->frames, n->slots / 2 * sizeof(*n->frames));
}

static int make(struct exos_net *to, struct program_net **out)
{
	struct program_net *n = heap_alloc(sizeof(*n));
	int error;

	if (!n)
		return -ENOMEM;
	wait_queue_init(&n->waiting);
	error = take_frames(n, to->slots) ? make_ring(n) : -ENOMEM;
	if (!error && !interface_guard(n->ring))
		error = -ENOMEM;
	if (!error)
		error = describe(to, n);
	if (error)
		end(n);
	else
		*out = n;
	return error;
}

int64_t program_net(struct regs *r)
{
	struct proc *p = self->proc;
	struct program_net *n;
	struct exos_net asked;
	int error;

	if (copy_in(&asked, ADDRESS(const void, A0(r)), sizeof(asked)))
		return -EFAULT;
	if (asked.slots < 2 || asked.slots > NET_SLOTS_MAX || asked.slots & (asked.slots - 1) || handler_runs() || p->vfork_parent)
		return -EINVAL;
	if (p->net)
		return -EBUSY;
	error = interface_start();
	if (!error)
		error = interface_await(time_deadline(CONFIGURED_NS));
	if (error)
		return error == -ETIMEDOUT ? -EADDRNOTAVAIL : error;
	error = make(&asked, &n);
	if (error)
		return error;
	if (p->net) { /* another thread was faster */
		end(n);
		return -EBUSY;
	}
	p->net = n;
	if (copy_out(ADDRESS(void, A0(r)), &asked, sizeof(asked))) {
		program_net_release(p);
		return -EFAULT;
	}
	return 0;
}

void program_net_event(void)
{
	if (self->proc && self->proc->net)
		wake_all(&self->proc->net->waiting);
}

/* First among the waiters, then the look: a packet that comes in between finds somebody to wake. */
int64_t program_net_wait(struct regs *r)
{
	struct program_net *n = self->proc->net;
	struct waiter *w = self->waiter;
	int64_t result = 0;

	if (!n || handler_runs())
		return -EINVAL;
	wait_add(&n->waiting, w);
	if (__atomic_load_n(&page_of(n)->produced, __ATOMIC_ACQUIRE) == (uint32_t)A0(r))
		result = wait_sleep(w, 1, A1(r));
	wait_remove(w);
	return result;
}
