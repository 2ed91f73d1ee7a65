/* Stride scheduling: every client has a pass, the time of an imaginary clock at which its next slice begins; a slice moves it on by the client's stride, which is the
 * inverse of its tickets. Two rules make it exact.
 *
 * Plain stride scheduling (Waldspurger, Weihl 1995; paper 7.3) takes the least pass. A client of many tickets then waits while each of n others has a slice, and falls n slices behind. Here
 * a client may have a turn only when its share of the time to come has begun (its pass is before the end of this slice), and of those who may the one is taken that must
 * have had it first (pass + stride). Then each is at every moment less than one slice from its exact share since the start: the Pfair bound (Baruah et al. 1996), proof in
 * docs/schedulers.md. Between two moments that makes less than two slices; no scheduler can promise one for windows of every length.
 * The horizon makes it less than one for windows of one chosen length: once so many slices have been given, each is given again to whoever had it a horizon ago, unless
 * that client has had more than its share in the window; then it goes by the rule above to one that has had less. The horizon begins anew when shares change or part of a slice is used.
 *
 * option of make: the horizon in slices, up to STRIDE_HORIZON_MOST; 0: 1,000; STRIDE_NO_HORIZON. */
#pragma once

#include <exos/lib/sched/sched.h>
#include <exos/lib/sched/tree.h>

#define STRIDE_HORIZON 1000
#define STRIDE_HORIZON_MOST (1u << 15)
#define STRIDE_NO_HORIZON UINT64_MAX
#define STRIDE_ONE (1ul << 48) /* work in a slice: the stride of one ticket */

struct stride_client {
	struct sched_client client;
	struct tree_node node; /* start: its pass */
	uint64_t rest;         /* of the division by its tickets, so that passes are exact for ever */
	int64_t ahead;         /* work that it had had in advance when it went to sleep */
	uint32_t count;        /* of its slices in the horizon */
	bool full;             /* it has had all that a window may hold, and is not in the tree */
};

struct stride {
	struct sched sched;
	struct tree tree;
	uint64_t promised, tickets; /* of all clients; of those that are awake */
	uint64_t pass, rest; /* the mean of their passes by tickets, and the rest of that division: where the clock is */
	struct stride_client **window; /* who had the last slices, a ring */
	uint32_t horizon, filled, oldest;
};
