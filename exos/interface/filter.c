/* The filters of endpoints (paper 3.2: packets are a resource, a filter its secure binding): one for each, so that a packet comes with its endpoint's tag, and tells who waits for it. What is no endpoint's comes by three
 * that take all of ARP, IPv4 and IPv6; the kernel prefers whichever compares most. */
#include <aegis/x86_64/stubs.h>
#include <exos/heap.h>
#include <exos/interface/ring.h>
#include <exos/net/filter.h>
#include <exos/proc/proc.h>
#include <exos/self.h>
#include <exos/start.h>

#define NUMBERS 3
struct filter {
	struct list link;  /* of those that a process is told of */
	struct proc *proc; /* it; null: the keeper is told */
	env_id env;        /* its, when it was named: a child of vfork gets another by exec */
	uint32_t numbers[NUMBERS]; /* the kernel's; 0: none */
	uint64_t tag;
};
static struct list told = { &told, &told };

/* The heap is in the window, its pieces aligned to 16: so a filter's address fits in the stack's 32 bits. */
static uint32_t name_of(const struct filter *f) { return (uint32_t)(((uintptr_t)f - EXOS_WINDOW_VA) / 16); }
static struct filter *filter_of(uint32_t name) { return (struct filter *)(EXOS_WINDOW_VA + (uint64_t)name * 16); }

/* 0: it cannot be had; its packets come by the filter of all, or by that of the one that shares its name. */
static uint32_t install(const struct net_atoms *a, uint64_t tag)
{
	struct aegis_filter_spec spec = { .ring = interface_ring, .env = domain_account, .tag = tag, .atoms = (uintptr_t)a->list, .atom_count = a->n, .device = DEVICE_NET0 };
	int64_t number = aegis_filter_install(&spec, interface_device);

	return number > 0 ? (uint32_t)number : 0;
}

static void install_rest(struct filter *f)
{
	static const uint16_t types[NUMBERS] = { 0x0806, 0x0800, 0x86dd };

	for (int i = 0; i < NUMBERS; i++) {
		struct net_atoms a = { .n = 0 };

		net_atom(&a, 12, 2, types[i]);
		f->numbers[i] = install(&a, 0);
	}
}

static void install_endpoint(struct filter *f, const struct net_filter_key *key)
{
	bool ipv4 = net_is_ipv4(&key->local.address);
	struct net_atoms a = ipv4 ? net_atoms_ipv4(key) : net_atoms_ipv6(key);

	f->numbers[0] = install(&a, f->tag);
	if (!ipv4 && key->any_version) {
		a = net_atoms_ipv4(key);
		f->numbers[1] = install(&a, f->tag);
	}
}

uint32_t port_filter_add(void *data, const struct net_filter_key *key, uint64_t tag)
{
	struct filter *f = heap_alloc(sizeof(*f));

	(void)data;
	if (!f)
		return 0;
	list_init(&f->link);
	f->tag = tag;
	f->env = domain_account;
	if (key->protocol)
		install_endpoint(f, key);
	else
		install_rest(f);
	if (f->numbers[0] || f->numbers[1])
		return name_of(f);
	heap_free(f);
	return 0;
}

static void tell(struct filter *f, struct proc *p)
{
	if (f->proc)
		f->proc->net_filters--;
	if (p)
		p->net_filters++;
	f->proc = p;
	f->env = p ? p->env : domain_account;
	list_remove(&f->link);
	if (p)
		list_append(&told, &f->link);
	for (int i = 0; i < NUMBERS; i++)
		if (f->numbers[i])
			aegis_filter_change(f->numbers[i], f->env, f->tag);
}

void port_filter_remove(void *data, uint32_t name)
{
	struct filter *f = filter_of(name);

	(void)data;
	if (f->proc)
		f->proc->net_filters--;
	list_remove(&f->link);
	for (int i = 0; i < NUMBERS; i++)
		if (f->numbers[i])
			aegis_filter_remove(f->numbers[i]);
	heap_free(f);
}

void interface_wait(const struct net_endpoint *e)
{
	struct filter *f = net_filter(e) ? filter_of(net_filter(e)) : NULL;

	if (f && (f->proc != self->proc || f->env != self->env))
		tell(f, self->proc);
}

/* What has come already, and told it, is dealt with here. */
void interface_forget(struct proc *p)
{
	if (!p->net_filters)
		return;
	LIST_FOR_EACH_SAFE(l, following, &told) {
		struct filter *f = CONTAINER_OF(l, struct filter, link);

		if (f->proc == p)
			tell(f, NULL);
	}
	interface_input();
}
