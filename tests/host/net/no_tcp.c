/* In TCP's place, until it is there: nothing. */
#include "check.h"

static void nothing(struct net_endpoint *e) { (void)e; }
static uint32_t not_ready(const struct net_endpoint *e) { return (void)e, 0u; }
const struct net_kind_ops tcp_ops = { .size = sizeof(struct net_endpoint), .close = net_endpoint_free, .end = nothing, .ready = not_ready };
int tcp_start(struct net_stack *s) { return (void)s, 0; }
void tcp_turn(struct net_stack *s) { (void)s; }
void tcp_end(struct net_stack *s) { (void)s; }
void tcp_input(struct net_stack *s, const struct net_packet *p) { (void)p; s->counters.strangers++; }
void tcp_icmp_error(struct net_stack *s, const struct net_name *local, const struct net_name *remote, uint32_t sequence, int error, uint32_t mtu)
{
	(void)s, (void)local, (void)remote, (void)sequence, (void)error, (void)mtu;
}
