/* Filters and guards: bindings of packets, made after a check and then used without the kernel looking at whose they are again (paper 3.2). */
#include <kernel/call.h>
#include <kernel/cap.h>
#include <kernel/net/net.h>

struct net_filter *filter_named(uint64_t number)
{
	return number - 1 < net_filter_slots && filter_table[number].kind == BINDING_FILTER ? &filter_table[number] : NULL;
}

/* The list that a filter is in: its ring's, or its account's of those without. */
static uint32_t *list_of(const struct net_filter *f) { return f->ring ? &ring_of(f->ring)->bindings : &env_find(f->account)->filters; }

static void link_filter(struct net_filter *f)
{
	uint32_t *first = list_of(f);

	f->next = *first;
	f->previous = 0;
	if (f->next)
		filter_table[f->next].previous = filter_number(f);
	*first = filter_number(f);
}

static void unlink_filter(struct net_filter *f)
{
	if (f->next)
		filter_table[f->next].previous = f->previous;
	if (f->previous)
		filter_table[f->previous].next = f->next;
	else
		*list_of(f) = f->next;
}

/* What filters have in common has a size: the nodes of the trie, which are FILTER_NODES for each that there may be, and the places for machine code. Who has more of one of these than his filters'
 * part counts as having so many filters. So all accounts together never want more than there is, and none can use up what another may have. */
static uint32_t charge_of(struct filter_charge c)
{
	uint32_t filters = (uint32_t)c.filters, nodes = ((uint32_t)c.nodes + FILTER_NODES - 1) / FILTER_NODES, codes = (uint32_t)c.codes * (net_filter_slots / code_runs);

	filters = filters > nodes ? filters : nodes;
	return filters > codes ? filters : codes;
}

static struct filter_charge charge_with(const struct env *account, struct filter_charge more)
{
	return (struct filter_charge){ (int32_t)account->filter_count + more.filters, (int32_t)account->filter_nodes + more.nodes, (int32_t)account->filter_codes + more.codes };
}

bool filter_fits(const struct env *account, struct filter_charge more) { return charge_of(charge_with(account, more)) <= account->limits.filters; }

void filter_charge(env_id account, struct filter_charge more)
{
	struct env *e = env_find(account);
	struct filter_charge c = charge_with(e, more);

	e->filter_count = (uint32_t)c.filters;
	e->filter_nodes = (uint32_t)c.nodes;
	e->filter_codes = (uint32_t)c.codes;
	e->held.filters = charge_of(c);
	account_show(e);
}

static uint32_t nothing(const uint8_t *packet, uint64_t length)
{
	(void)packet, (void)length;
	return 0;
}
const struct trie no_guards = { .code = nothing };

__attribute__((noinline)) uint32_t net_demultiplex_short(const struct trie *t, const uint8_t *packet, uint32_t length)
{
	return t->root ? filter_demultiplex(net_filters, t->root, packet, length) : 0;
}

static void end_guard(struct ring *r)
{
	if (--r->guard_count)
		return;
	filter_root_end(net_filters, r->guards.root);
	r->guards = no_guards;
	net_senders(r->station, -1);
}

void filter_end(struct net_filter *f)
{
	uint32_t epoch = f->epoch;

	filter_delete(net_filters, filter_number(f));
	net_code_changed++;
	if (f->handler)
		handler_end(f);
	if (f->run)
		code_give(f->run, &f->code, 1);
	unlink_filter(f);
	if (f->kind == BINDING_GUARD) {
		end_guard(ring_of(f->ring));
	} else {
		filter_charge(f->account, (struct filter_charge){ -1, -f->nodes, -(f->run != NULL) });
		net_changed(f->device, -1);
	}
	epoch_bump(&epoch);
	*f = (struct net_filter){ .epoch = epoch };
}

int64_t filter_check_mint(struct aegis_cap *cap)
{
	const struct net_filter *f = cap->count == 1 ? filter_named(cap->first) : NULL;

	if (!f)
		return cap->count == 1 ? -E_DENIED : -E_INVALID;
	cap->epoch = f->epoch;
	return f->account == env_account(current_env()) && f->epoch != EPOCH_ANY ? 0 : -E_DENIED;
}

int64_t filter_end_epoch(const struct aegis_cap *cap)
{
	struct net_filter *f = filter_named(cap->first);

	if (!f || cap->epoch != f->epoch)
		return -E_DENIED;
	epoch_bump(&f->epoch);
	return 0;
}

/* What filter_install has checked, and is about to do. */
struct install {
	struct aegis_filter_spec spec;
	struct aegis_atom atoms[NET_ATOMS_MAX];
	struct station *station;
	struct env *account;
	uint32_t atom_count, scope;
	size_t code_size;   /* of its program, 0: it has none that needs code */
	const uint8_t *run; /* where that will be run */
};

/* The capability that is shown: of the device, or of a filter, which becomes the scope. */
static int64_t check_scope(struct install *i, uint64_t capability)
{
	const struct net_filter *f;
	struct aegis_cap cap;
	int64_t error;

	if ((error = copy_from_user(&cap, capability, sizeof(cap))))
		return error;
	if (cap.kind == CAP_DEVICE)
		return net_check_device(capability, i->spec.device);
	if (cap.kind != CAP_FILTER || !(cap.rights & RIGHT_WRITE) || !cap_valid(&cap))
		return -E_DENIED;
	f = filter_named(cap.first);
	if (!f || f->epoch != cap.epoch || f->device != i->spec.device - DEVICE_NET0)
		return -E_DENIED;
	i->scope = (uint32_t)cap.first;
	return 0;
}

static int64_t check_told(const struct env *account, env_id env)
{
	const struct env *e = env ? env_find(env) : NULL;

	if (!env)
		return 0;
	if (!e || e->stopping)
		return -E_NOENV;
	return e->account == account ? 0 : -E_DENIED;
}

/* Whom it is charged to, whom it tells. */
static int64_t check_ring(struct install *i)
{
	const struct ring *r;

	i->account = current_env()->account;
	if (i->spec.ring) {
		r = ring_below(i->spec.ring);
		if (!r)
			return -E_DENIED;
		if (r->station != i->station)
			return -E_INVALID;
		i->account = env_find(r->account);
	}
	return check_told(i->account, i->spec.env);
}

static int64_t fetch_atoms(struct aegis_atom *atoms, uint64_t user, uint64_t n)
{
	int64_t error;

	if (n > NET_ATOMS_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(atoms, user, n * sizeof(*atoms))))
		return error;
	return filter_check_atoms(atoms, (uint32_t)n);
}

/* Atoms that a program came to are put behind the filter's own, which they may repeat. False: there is no room, or they would be read at another base. */
static bool add_atoms(struct install *i, const struct aegis_atom *more, uint32_t n)
{
	uint32_t own = i->atom_count, at = own;

	for (uint32_t a = 0; a < own; a++)
		if (i->atoms[a].kind == ATOM_SHIFT)
			return false;
	for (uint32_t m = 0, a; m < n; m++) {
		for (a = 0; a < own && memcmp(&i->atoms[a], &more[m], sizeof(*more)); a++)
			;
		if (a < own)
			continue;
		if (at == NET_ATOMS_MAX)
			return false;
		i->atoms[at++] = more[m];
	}
	i->atom_count = at;
	return filter_check_atoms(i->atoms, at) == 0;
}

/* A program becomes atoms, or machine code in net_work. */
static int64_t check_program(struct install *i)
{
	uint32_t n = i->spec.program_length, own = i->atom_count;
	struct aegis_atom atoms[NET_ATOMS_MAX];
	int64_t error;
	int count;

	if (!n)
		return 0;
	if (n > NET_BPF_MAX)
		return -E_INVALID;
	if ((error = copy_from_user(net_work->program, i->spec.program, n * sizeof(struct aegis_bpf))) || (error = bpf_check(net_work->program, n)))
		return error;
	count = bpf_to_atoms(net_work->program, n, atoms);
	if (count >= 0 && add_atoms(i, atoms, (uint32_t)count))
		return 0;
	i->atom_count = own;
	if (!i->spec.code)
		return -E_INVALID;
	if ((error = code_check(&i->spec.code, 1)))
		return error;
	error = bpf_compile(net_work->program, n, net_work->code, FRAME_SIZE);
	if (error < 0)
		return error;
	i->code_size = (size_t)error;
	return 0;
}

static int64_t install_checked(struct install *i)
{
	const struct filter_charge charge = { 1, (int32_t)i->atom_count + 1, i->code_size != 0 };
	struct filter_request request = { .root = i->station->filters.root, .atoms = i->atoms, .atom_count = i->atom_count, .program_length = i->spec.program_length,
		.owner = i->account->id, .scope = i->scope };
	struct net_filter *f;
	int64_t number;

	if (!filter_fits(i->account, charge))
		return -E_LIMIT;
	if (i->code_size && !(request.program = i->run = code_take()))
		return -E_FULL;
	number = filter_insert(net_filters, &request);
	if (number < 0) {
		if (i->run)
			code_give(i->run, NULL, 0);
		return number;
	}
	net_code_changed++;
	f = &filter_table[number];
	*f = (struct net_filter){ .tag = i->spec.tag, .ring = (frame_t)i->spec.ring, .env = i->spec.env, .account = i->account->id, .epoch = f->epoch,
		.nodes = (uint8_t)charge.nodes, .device = (uint8_t)(i->spec.device - DEVICE_NET0), .kind = BINDING_FILTER };
	if (i->run) {
		f->code = i->spec.code;
		f->run = i->run;
		code_put(f->run, net_work->code, i->code_size, &f->code, 1);
	}
	link_filter(f);
	filter_charge(f->account, charge);
	net_changed(f->device, 1);
	return number;
}

int64_t call_filter_install(uint64_t user, uint64_t capability, uint64_t c, uint64_t d, uint64_t unused)
{
	struct install i = { 0 };
	int64_t error;

	(void)c, (void)d, (void)unused;
	if ((error = copy_from_user(&i.spec, user, sizeof(i.spec))))
		return error;
	i.station = net_station(i.spec.device);
	if (!i.station)
		return -E_INVALID;
	if ((error = check_scope(&i, capability)) || (error = check_ring(&i)) || (error = fetch_atoms(i.atoms, i.spec.atoms, i.spec.atom_count)))
		return error;
	i.atom_count = i.spec.atom_count;
	if ((error = check_program(&i)))
		return error;
	return install_checked(&i);
}

int64_t call_filter_change(uint64_t number, uint64_t env, uint64_t tag, uint64_t d, uint64_t unused)
{
	struct net_filter *f = filter_named(number);
	int64_t error;

	(void)d, (void)unused;
	if (!f || f->account != env_account(current_env()))
		return -E_DENIED;
	if ((error = check_told(current_env()->account, (env_id)env)))
		return error;
	f->env = (env_id)env;
	f->tag = tag;
	if (f->handler)
		handler_tag(f->handler, tag);
	return 0;
}

int64_t call_filter_remove(uint64_t number, uint64_t b, uint64_t c, uint64_t d, uint64_t unused)
{
	struct net_filter *f = filter_named(number);

	(void)b, (void)c, (void)d, (void)unused;
	if (!f || !net_below(f->account))
		return -E_DENIED;
	filter_end(f);
	return 0;
}

int64_t call_guard_add(uint64_t name, uint64_t user, uint64_t n, uint64_t capability, uint64_t unused)
{
	struct ring *r = ring_below(name);
	struct aegis_atom atoms[NET_ATOMS_MAX];
	struct filter_request request = { .atoms = atoms, .atom_count = (uint32_t)n };
	int64_t error;

	(void)unused;
	if (!r)
		return -E_DENIED;
	if ((error = net_check_device(capability, r->station->info->device)) || (error = fetch_atoms(atoms, user, n)))
		return error;
	request.root = r->guards.root ? r->guards.root : filter_root_make(net_filters);
	request.owner = r->account;
	error = request.root ? filter_insert(net_filters, &request) : -E_FULL;
	if (error < 0) {
		if (!r->guards.root && request.root)
			filter_root_end(net_filters, request.root);
		return error == -E_BUSY ? 0 : error; /* all of a ring's guards are its account's: it has this one */
	}
	net_code_changed++;
	r->guards = (struct trie){ filter_root_code(net_filters, request.root), request.root };
	if (r->guard_count++ == 0)
		net_senders(r->station, 1);
	filter_table[error] = (struct net_filter){ .ring = (frame_t)name, .account = r->account, .epoch = filter_table[error].epoch,
		.device = (uint8_t)r->station->driver->number, .kind = BINDING_GUARD };
	link_filter(&filter_table[error]);
	return 0;
}
