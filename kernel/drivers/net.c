/* virtio-net (virtio 1.2, 5.1): a queue for each direction, and a pair of them for each CPU where the device has so many.
 *
 * Receiving: as many buffers as the queue has entries, which go back to the device when net_input has seen what is in them; the device is told once for all.
 * Sending: the virtio header and the packet's are copied into a buffer of the queue's, and the pieces stay where they are until the device is done with them.
 * So when is it looked whether it is? With every interrupt, whatever it is for, and when netdev_reap is called. An interrupt of its own is asked for only when the
 * newest frame that has pieces is done, because somebody's memory waits for that, and when somebody has found no room, by netdev_send or netdev_reap. So sending in
 * bulk costs few interrupts (each batch puts the point off), and small frames, which are copied whole, cost none; they are found to be done when something else
 * comes. */
#include <kernel/boot.h>
#include <kernel/drivers/net.h>
#include <kernel/drivers/virtio.h>
#include <kernel/log.h>
#include <kernel/smp.h>
#include <kernel/x86_64/copy.h>

#define QUEUE_MOST 256
#define BUFFER_SIZE 2048
#define BYTES_BEFORE 12 /* struct virtio_net_hdr; all zero: no checksum is left to do, no segmentation (5.1.6) */
#define HEADER_ROOM (BYTES_BEFORE + NET_HEADER_MAX)
#define ETHERNET_HEADER 14
#define MTU_DEFAULT 1500
#define MTU_LEAST 68 /* RFC 791 */
#define MTU_MOST (BUFFER_SIZE - BYTES_BEFORE - ETHERNET_HEADER)
#define FEATURES_WANTED (FEATURE_EVENT_INDEX | FEATURE_MTU | FEATURE_ADDRESS | FEATURE_LINK | FEATURE_CONTROL | FEATURE_PAIRS)
#define PIECES_MOST 16 /* of a frame; more than net_send's callers may have */
enum { FEATURE_MTU = 1 << 3, FEATURE_ADDRESS = 1 << 5, FEATURE_LINK = 1 << 16, FEATURE_CONTROL = 1 << 17, FEATURE_PAIRS = 1 << 22 };
enum { CONFIG_ADDRESS = 0, CONFIG_LINK = 6, CONFIG_PAIRS = 8, CONFIG_MTU = 10 };

struct pair {
	struct netdev *netdev;
	struct virtio_queue receive, send;
	uint8_t *buffers;  /* BUFFER_SIZE for each entry of receive, */
	uint8_t *headers;  /* HEADER_ROOM for each of send */
	bool last;         /* of the interface's */
	bool pieces_waited_for; /* a frame that is not published has pieces */
};

struct interface {
	struct virtio device;
	struct netdev *netdev;
	struct pair *pairs, *pairs_end;
	uint16_t pair_count;
	struct virtio_queue control; /* only with more than one pair */
	uint8_t *command;            /* what is sent there */
	uint64_t wanted;             /* features */
	bool enabled;
	bool busy;                   /* the queues are being looked at: no reset now */
	uint64_t resets, lies;       /* for the debugger */
};

struct netdev netdevs[NETDEVS]; /* owner, as of all that they lead to: the kernel lock */
uint32_t netdev_count;

static uint64_t device_address(const void *p) { return (uint64_t)p - PHYSICAL_MAP; }

/* Each descriptor has its buffer. */
static void buffer_offer(struct pair *p)
{
	uint16_t buffer = queue_next(&p->receive);

	queue_add_one(&p->receive, device_address(p->buffers + (uint64_t)buffer * BUFFER_SIZE), BUFFER_SIZE, true, 0);
}

/* ---- Start ------------------------------------------------------------------------------------------------------------ */

static bool pair_make(struct interface *n, uint16_t index)
{
	struct pair *p = &n->pairs[index];

	p->netdev = n->netdev;
	p->last = index + 1 == n->pair_count;
	if (!queue_make(&p->receive, &n->device, (uint16_t)(2 * index), QUEUE_MOST) || !queue_make(&p->send, &n->device, (uint16_t)(2 * index + 1), QUEUE_MOST))
		return false;
	p->buffers = boot_allocate((size_t)p->receive.size * BUFFER_SIZE);
	p->headers = boot_allocate((size_t)p->send.size * HEADER_ROOM);
	return true;
}

/* Tells the device to use all the pairs (5.1.6.5.5), and waits for its answer, but not for ever. False: it gave none, or would not. */
#define CONTROL_TRIES 10000000
static bool pairs_enable(struct interface *n)
{
	enum { CLASS_PAIRS = 4, COMMAND_SET = 0, ANSWER = 4, OK = 0 };
	struct virtio_queue *q = &n->control;
	struct virtio_piece pieces[2] = { { device_address(n->command), ANSWER }, { device_address(n->command + ANSWER), 1 } };
	uint64_t cookie;
	uint32_t length;

	n->command[0] = CLASS_PAIRS;
	n->command[1] = COMMAND_SET;
	n->command[2] = (uint8_t)n->pair_count;
	n->command[3] = (uint8_t)(n->pair_count >> 8);
	n->command[ANSWER] = 255;
	queue_interrupt_never(q);
	if (!queue_add(q, pieces, 1, 1, 0))
		return false;
	queue_publish(q);
	for (uint32_t i = 0; i < CONTROL_TRIES && !n->device.broken; i++) {
		if (queue_take(q, &cookie, &length) == QUEUE_TAKEN)
			return __atomic_load_n(&n->command[ANSWER], __ATOMIC_RELAXED) == OK;
		cpu_relax();
	}
	return false;
}

/* From reset to where it may run; the same at start and after a device has lied. */
static bool bring_up(struct interface *n)
{
	for (uint16_t i = 0; i < n->pair_count; i++) {
		struct pair *p = &n->pairs[i];

		if (!queue_start(&p->receive) || !queue_start(&p->send))
			return false;
		p->pieces_waited_for = false;
		while (p->receive.free_count)
			buffer_offer(p);
		queue_interrupt_after(&p->receive, 1);
		queue_interrupt_never(&p->send);
	}
	if (n->pair_count > 1 && !queue_start(&n->control))
		return false;
	virtio_ready(&n->device);
	return n->pair_count == 1 || pairs_enable(n);
}

static __attribute__((noinline)) void read_link(struct interface *n)
{
	uint16_t link;

	if (!(n->device.features & FEATURE_LINK))
		n->netdev->link = true; /* where it is not told there always is one */
	else if (virtio_config(&n->device, CONFIG_LINK, &link, sizeof(link)))
		n->netdev->link = link & 1;
}

/* Without an address of the device's own: one that is local, and nobody's (5.1.5). */
static void read_address(struct interface *n)
{
	uint8_t *address = n->netdev->address;

	if (n->device.features & FEATURE_ADDRESS && virtio_config(&n->device, CONFIG_ADDRESS, address, 6) && !(address[0] & 1))
		return;
	for (uint32_t i = 0; i < 6; i++)
		address[i] = (uint8_t)cpu_random();
	address[0] = (uint8_t)((address[0] & ~1) | 2);
}

/* Whoever agrees on the feature must have buffers for such packets (5.1.4.2): where they are too large it has to be unsaid. */
static bool read_mtu(struct interface *n)
{
	uint16_t mtu = MTU_DEFAULT;

	if (n->device.features & FEATURE_MTU && (!virtio_config(&n->device, CONFIG_MTU, &mtu, sizeof(mtu)) || mtu < MTU_LEAST || mtu > MTU_MOST)) {
		mtu = MTU_DEFAULT;
		n->wanted &= ~(uint64_t)FEATURE_MTU;
		if (!virtio_negotiate(&n->device, n->wanted))
			return false;
	}
	n->netdev->mtu = mtu;
	return true;
}

/* One pair for each CPU, as far as the device has them and a queue to be told through. */
static uint16_t pairs_offered(struct interface *n)
{
	uint16_t most = 1;

	if ((n->device.features & (FEATURE_PAIRS | FEATURE_CONTROL)) != (FEATURE_PAIRS | FEATURE_CONTROL) ||
		!virtio_config(&n->device, CONFIG_PAIRS, &most, sizeof(most)) || most < 1 || most > 0x8000)
		return 1;
	return most < cpu_count ? most : (uint16_t)cpu_count;
}

static bool pairs_make(struct interface *n)
{
	uint16_t most = 1;

	n->pair_count = pairs_offered(n);
	n->pairs = boot_allocate(n->pair_count * sizeof(*n->pairs));
	n->pairs_end = n->pairs + n->pair_count;
	for (uint16_t i = 0; i < n->pair_count; i++) {
		if (!pair_make(n, i))
			return false;
		n->netdev->send_slots += n->pairs[i].send.size;
	}
	if (n->pair_count == 1)
		return true;
	n->command = boot_allocate(FRAME_SIZE);
	return virtio_config(&n->device, CONFIG_PAIRS, &most, sizeof(most)) && /* the control queue is behind all that there are */
	       queue_make(&n->control, &n->device, (uint16_t)(2 * most), QUEUE_MOST);
}

static void start(const struct virtio *v)
{
	struct netdev *d = &netdevs[netdev_count];
	struct interface *n;

	if (netdev_count == NETDEVS)
		return;
	n = boot_allocate(sizeof(*n));
	*n = (struct interface){ .device = *v, .netdev = d, .wanted = FEATURES_WANTED };
	*d = (struct netdev){ .number = netdev_count, .driver = n };
	if (!virtio_negotiate(&n->device, n->wanted) || !read_mtu(n))
		return;
	read_address(n);
	read_link(n);
	if (pairs_make(n) && bring_up(n))
		netdev_count++;
	else
		virtio_reset(&n->device);
}

void netdev_start(void)
{
	virtio_mmio_find(VIRTIO_NET, start);
	virtio_pci_find(VIRTIO_NET, start);
}

void netdev_enable(struct netdev *d)
{
	struct interface *n = d->driver;
	uint8_t vector = (uint8_t)(VECTOR_NET0 + d->number);

	if (n->enabled || n->device.broken)
		return;
	n->device.transport->enable(&n->device, vector);
	n->device.transport->acknowledge(&n->device); /* what came before is no edge any more */
	for (uint16_t i = 0; i < n->pair_count; i++)
		queue_publish(&n->pairs[i].receive);
	n->enabled = true;
}

/* A device that has lied: everything that it had is taken from it, and it may begin anew. What cannot be reset is left alone. */
static __attribute__((noinline)) void restart(struct interface *n)
{
	uint64_t cookie;

	n->resets++;
	n->lies += n->device.faults;
	n->busy = true; /* net_sent may send */
	if (!virtio_reset(&n->device))
		n->enabled = false;
	for (uint16_t i = 0; i < n->pair_count; i++)
		while (queue_abandon(&n->pairs[i].send, &cookie))
			net_sent(n->netdev, cookie);
	if (!n->enabled || !virtio_negotiate(&n->device, n->wanted) || !bring_up(n)) {
		n->enabled = false;
		n->device.broken = true;
		n->netdev->link = false;
	} else {
		for (uint16_t i = 0; i < n->pair_count; i++)
			queue_publish(&n->pairs[i].receive);
	}
	n->busy = false;
}

/* ---- Packets ---------------------------------------------------------------------------------------------------------- */

static bool reap(struct interface *n, struct pair *p)
{
	uint64_t cookie;
	uint32_t length;
	enum queue_result result;
	bool any = false;

	for (uint32_t i = 0; i < p->send.size && (result = queue_take(&p->send, &cookie, &length)) != QUEUE_NONE; i++) {
		any = true;
		if (result != QUEUE_LIED)
			net_sent(n->netdev, cookie);
		else /* it will never say that it is done with one of the frames, whose memory is waited for: only a reset takes it away */
			n->device.broken = true;
	}
	if (any && !queue_under_way(&p->send))
		queue_interrupt_never(&p->send);
	return any;
}

/* What an interrupt asks for besides packets. */
static __attribute__((noinline)) void interrupt_rest(struct netdev *d, bool any)
{
	struct interface *n = d->driver;
	bool more = false;

	n->device.transport->acknowledge(&n->device); /* what came after the packets were looked at is found now */
	for (struct pair *p = n->pairs; p != n->pairs_end; p++) {
		any |= reap(n, p);
		more |= queue_interrupt_after(&p->receive, 1);
	}
	n->busy = false;
	if (n->device.broken)
		restart(n);
	else if (more) /* has come meanwhile: others had better have their turn first */
		apic_send(this_cpu()->apic_id, (uint8_t)(VECTOR_NET0 + d->number));
	else if (!any)
		read_link(n); /* it was not for the queues, so it was for that (5.1.4.1), or for what was reaped before */
}

/* An answer waits for nothing that is not its packet's: the buffers go back when all of them have been seen, and so many are the most that are. */
static __attribute__((flatten)) bool receive(struct pair *p, uint64_t arrived)
{
	uint16_t buffer;
	uint32_t length;
	enum queue_result result;
	bool any;

	while ((result = queue_look(&p->receive, &buffer, &length)) != QUEUE_NONE) {
		if (result == QUEUE_LIED)
			continue;
		if (length >= BYTES_BEFORE + ETHERNET_HEADER)
			net_input(p->netdev, p->buffers + (uint64_t)buffer * BUFFER_SIZE + BYTES_BEFORE, length - BYTES_BEFORE, arrived);
		queue_release(&p->receive, buffer);
	}
	any = p->receive.free_count;
	while (p->receive.free_count)
		buffer_offer(p);
	queue_publish(&p->receive);
	return any;
}

void netdev_interrupt(struct netdev *d, uint64_t arrived)
{
	struct interface *n = d->driver;
	bool any = false;

	if (!n->enabled)
		return;
	n->busy = true;
	for (struct pair *p = n->pairs;; p++) {
		any |= receive(p, arrived);
		if (p->last)
			break;
	}
	interrupt_rest(d, any);
}

void netdev_put_off(struct netdev *d)
{
	struct interface *n = d->driver;

	if (!n || !n->enabled)
		return;
	n->device.transport->acknowledge(&n->device);
	for (uint16_t i = 0; i < n->pair_count; i++)
		queue_interrupt_never(&n->pairs[i].receive);
}

/* Somebody waits for room: an interrupt when half of what is under way is done, or at once if it is already. */
static __attribute__((noinline)) void wait_for_room(struct interface *n, struct pair *p)
{
	uint16_t under_way = queue_under_way(&p->send);

	if (under_way && queue_interrupt_after(&p->send, (uint16_t)((under_way + 1) / 2)))
		apic_send(this_cpu()->apic_id, (uint8_t)(VECTOR_NET0 + n->netdev->number));
}

static struct pair *pair_here(struct interface *n) { return &n->pairs[n->pair_count > 1 ? this_cpu()->number % n->pair_count : 0]; }

static __attribute__((noinline)) bool send_pieces(struct pair *p, const uint8_t *buffer, uint32_t header_length, const struct netdev_piece *pieces, uint32_t count, uint64_t cookie)
{
	struct virtio_piece chain[1 + PIECES_MOST];

	chain[0] = (struct virtio_piece){ device_address(buffer), BYTES_BEFORE + header_length };
	for (uint32_t i = 0; i < count; i++)
		chain[1 + i] = (struct virtio_piece){ pieces[i].address, pieces[i].length };
	p->pieces_waited_for = true;
	return queue_add(&p->send, chain, 1 + count, 0, cookie);
}

/* A frame of one piece, that is copied. */
static bool send_copy(struct interface *n, struct pair *p, const uint8_t *bytes, uint32_t length, uint64_t cookie)
{
	uint8_t *buffer = p->headers + queue_next(&p->send) * HEADER_ROOM;

	if (!queue_add_one(&p->send, device_address(buffer), BYTES_BEFORE + length, false, cookie)) {
		wait_for_room(n, p);
		return false;
	}
	copy_bytes(buffer + BYTES_BEFORE, bytes, length);
	return true;
}

bool netdev_send(struct netdev *d, const uint8_t *header, uint32_t header_length, const struct netdev_piece *pieces, uint32_t count, uint64_t cookie)
{
	struct interface *n = d->driver;
	struct pair *p = pair_here(n);
	uint8_t *buffer;

	if (header_length > NET_HEADER_MAX || count > PIECES_MOST || n->device.broken)
		return false;
	if (count == 0)
		return send_copy(n, p, header, header_length, cookie);
	if (count >= p->send.free_count) {
		wait_for_room(n, p);
		return false;
	}
	buffer = p->headers + queue_next(&p->send) * HEADER_ROOM;
	copy_bytes(buffer + BYTES_BEFORE, header, header_length);
	return send_pieces(p, buffer, header_length, pieces, count, cookie);
}

/* Before the device knows of the frames it is said when it is to interrupt, so that it cannot be done with them unnoticed. */
static void kick(struct pair *p)
{
	if (p->pieces_waited_for) {
		queue_interrupt_after(&p->send, queue_under_way(&p->send));
		p->pieces_waited_for = false;
	}
	queue_publish_some(&p->send);
}

bool netdev_answer(struct netdev *d, const uint8_t *bytes, uint32_t length, uint64_t cookie)
{
	struct interface *n = d->driver;
	struct pair *p = pair_here(n);

	if (length > NET_HEADER_MAX || n->device.broken || !send_copy(n, p, bytes, length, cookie))
		return false;
	kick(p);
	return true;
}

void netdev_kick(struct netdev *d)
{
	struct interface *n = d->driver;

	for (struct pair *p = n->pairs; p != n->pairs_end; p++)
		if (p->send.published != p->send.offered)
			kick(p);
}

void netdev_reap(struct netdev *d)
{
	struct interface *n = d->driver;

	for (uint16_t i = 0; i < n->pair_count; i++) {
		reap(n, &n->pairs[i]);
		wait_for_room(n, &n->pairs[i]);
	}
	if (n->device.broken && n->enabled && !n->busy)
		restart(n);
}
